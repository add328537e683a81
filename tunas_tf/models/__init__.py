"""From a search space to a supernet, from an architecture to a stand-alone network."""

from tunas_tf.models.shared_calls import share_optimized_code
from tunas_tf.models.standalone import build_classifier, build_layers, kernels
from tunas_tf.models.supernet import Supernet, copy_weights

__all__ = [
    "Supernet",
    "build_classifier",
    "build_layers",
    "copy_weights",
    "kernels",
    "share_optimized_code",
]
