"""Measuring: worker processes, the problem, rounds, proof, and when to stop."""
