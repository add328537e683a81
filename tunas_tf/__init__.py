"""tunas_tf: neural architecture search for mobile vision with shared weights."""

__version__ = "0.1.0"
