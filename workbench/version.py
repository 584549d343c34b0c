"""The version of this workbench."""

__version__ = "0.1.0"
