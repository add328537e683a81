"""Search spaces as data: the tree of choices, traversal, architectures. No TensorFlow."""

# These register the named spaces.
from tunas_tf.search_space import (
    detection_networks,
    mobiledet,
    mobilenet_v3,
    operations,
    proxylessnas,
    quickstart,
    reference_networks,
    spec,
)
from tunas_tf.search_space.architecture import Architecture, resolve
from tunas_tf.search_space.location import locate
from tunas_tf.search_space.registry import get, import_module, names, register
from tunas_tf.search_space.traversal import (
    choices_of,
    format_indices,
    num_architectures,
    num_distinct,
    parse_indices,
    validate_indices,
)

__all__ = [
    "Architecture",
    "choices_of",
    "detection_networks",
    "format_indices",
    "get",
    "import_module",
    "locate",
    "mobiledet",
    "mobilenet_v3",
    "names",
    "num_architectures",
    "num_distinct",
    "operations",
    "parse_indices",
    "proxylessnas",
    "quickstart",
    "reference_networks",
    "register",
    "resolve",
    "spec",
    "validate_indices",
]
