"""The host that measures: its facts and noise, environments, locks, files and checkouts."""
