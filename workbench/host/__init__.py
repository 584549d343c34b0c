"""The machine one measures on: its facts and its noise, environments, locks, files and checkouts."""
