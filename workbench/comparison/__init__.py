"""Two sides, one judge: commits (the gate), runs made apart, versions, and a frontend over all runs."""
