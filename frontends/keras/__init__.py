"""The Keras frontend."""
