"""Search spaces as data: the tree of choices, traversal, architectures. No TensorFlow."""

# These register the named spaces.
from tunas_tf.search_space import proxylessnas, quickstart
from tunas_tf.search_space.architecture import Architecture, resolve
from tunas_tf.search_space.registry import get, names, register
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
    "format_indices",
    "get",
    "names",
    "num_architectures",
    "num_distinct",
    "parse_indices",
    "proxylessnas",
    "quickstart",
    "register",
    "resolve",
    "validate_indices",
]
