"""What detectors on the backbones of a search space cost."""

from object_detection.cost_model.lookup import detector_text, get

__all__ = ["detector_text", "get"]
