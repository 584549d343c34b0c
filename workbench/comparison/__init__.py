"""Comparing two sides: commits (the gate), runs made at different times, versions, and the history of a frontend."""
