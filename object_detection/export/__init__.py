"""Detectors as .tflite files."""
