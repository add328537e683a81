"""Search spaces by name.

A space is a function without arguments that returns a `SearchSpace`. Published ones
carry the `register` decorator; a user's own is named as "package.module:function".
"""

import dataclasses
import importlib
import math
from typing import Callable

from tunas_tf.common.errors import InputError
from tunas_tf.search_space import spec, traversal

__all__ = ["get", "names", "register", "scale"]

_SPACES: dict[str, Callable[[], spec.SearchSpace]] = {}


def register(function: Callable[[], spec.SearchSpace]):
    """Makes the space known by the name of the function that returns it."""
    _SPACES[function.__name__] = function
    return function


def names() -> tuple[str, ...]:
    return tuple(sorted(_SPACES))


def get(ssd: str, filters_multiplier: float = 1.0) -> spec.SearchSpace:
    """The space called `ssd`, with all filter counts scaled.

    Args:
      ssd: a registered name, or "package.module:function" of a user's own space.
      filters_multiplier: factor of every filter count, before rounding to the space's base.
    """
    if ssd in _SPACES:
        space = _SPACES[ssd]()
    elif ":" in ssd:
        space = _import_space(ssd)
    else:
        raise InputError(
            f"there is no search space {ssd!r}; use one of {', '.join(names())}, "
            "or package.module:function for your own."
        )
    return scale(space, filters_multiplier)


def _import_space(ssd: str) -> spec.SearchSpace:
    module_name, _, function_name = ssd.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"the search space {ssd!r} cannot be imported ({error}); give "
            "package.module:function, with the package on PYTHONPATH."
        ) from None
    space = function() if callable(function) else function
    if not isinstance(space, spec.SearchSpace):
        raise InputError(
            f"the search space {ssd!r} gives a {type(space).__name__}; name a function without "
            "arguments that returns a SearchSpace."
        )
    return dataclasses.replace(space, name=ssd)


def scale(space: spec.SearchSpace, filters_multiplier: float) -> spec.SearchSpace:
    """Scales block filters and integer expansions; ratios follow their inputs by themselves."""
    if not 0 < filters_multiplier < math.inf:
        raise InputError(
            f"filters_multiplier is {filters_multiplier}; it must be a finite number above 0."
        )
    if filters_multiplier == 1.0:
        return space

    def scaled(value):
        if isinstance(value, spec.OneOf):
            return dataclasses.replace(value, choices=tuple(scaled(v) for v in value.choices))
        if isinstance(value, int):
            return spec.scale_filters(value, filters_multiplier, space.filter_base)
        return value

    def scale_node(node):
        if isinstance(node, spec.Block):
            return dataclasses.replace(node, filters=scaled(node.filters))
        if isinstance(node, spec.Bottleneck):
            return dataclasses.replace(node, expansion=scaled(node.expansion))
        return node

    return traversal.map_nodes(space, scale_node)
