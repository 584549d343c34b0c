"""The vocabulary: typed records of requests, measurements and results. Imports none of the other rooms."""
