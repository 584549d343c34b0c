"""The TensorFlow 2 frontend."""
