"""What was measured, on disk: the event log, records, runs and their index."""
