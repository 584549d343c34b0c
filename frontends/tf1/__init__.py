"""The TensorFlow 1 frontend."""
