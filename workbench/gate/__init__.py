"""The gate: whether a commit made any frontend slower or wrong, told from measurements side by side."""
