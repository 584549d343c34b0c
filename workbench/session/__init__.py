"""Measuring: worker processes, the problem, rounds, proof, and when it is enough."""
