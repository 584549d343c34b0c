"""What crosses the border to a worker process, and the worker itself. Imports nothing, because workers import it."""
