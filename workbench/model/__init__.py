"""The vocabulary: typed records of what is asked for, measured and found; it knows nothing of the other rooms."""
