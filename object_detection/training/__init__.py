"""Training detectors and searching their backbones."""
