"""Search spaces by name.

A space is a function without arguments that returns a `SearchSpace`, with the `register`
decorator; its name is the function's. Users register their own in a module of theirs, which
`import_module` imports.
"""

import dataclasses
import difflib
import functools
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from tunas_tf.common.errors import InputError, brief, one_line
from tunas_tf.search_space import spec, traversal, validation

__all__ = ["get", "import_module", "names", "register", "scale"]

# The fields that hold filter counts: of blocks, and within layers.
_FILTER_FIELDS = ("filters", "expansion", "input_compression", "output_compression")

_MAX_MULTIPLIER = 10**6

_SPACES: dict[str, Callable[[], spec.SearchSpace]] = {}


def register(function: Callable[[], spec.SearchSpace]) -> Callable[[], spec.SearchSpace]:
    """Makes the space known by the name of the function that returns it."""
    name = function.__name__
    known = _SPACES.get(name, function)
    # A module that is imported again may register its own space again.
    if known.__module__ not in (function.__module__, "__main__"):
        raise InputError(f"there is a search space {name!r} already; call yours something else.")
    _SPACES[name] = function
    return function


def names() -> tuple[str, ...]:
    return tuple(sorted(_SPACES))


@functools.cache
def import_module(name: str) -> None:
    """Imports a user's module, which registers its spaces.

    Args:
      name: as in an import statement; the module may lie in the current directory.
    """
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # `python -m` does so, a console script does not.
    before = names()
    try:
        importlib.import_module(name)
    except (InputError, KeyboardInterrupt):
        raise
    # It is the user's code, which may also end in sys.exit.
    except BaseException as error:  # pylint: disable=broad-except
        raise InputError(
            f"the module {brief(name)} cannot be imported ({_reason(error)}); give the name of a "
            "module in the current directory or on PYTHONPATH, without .py."
        ) from None
    # Whoever imported it before us, its spaces are there.
    if names() == before and name not in {space.__module__ for space in _SPACES.values()}:
        raise InputError(
            f"the module {brief(name)} registers no search space; put `@register` before the "
            "function that returns one."
        )


def _reason(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}")


def get(ssd: str, filters_multiplier: float = 1.0) -> spec.SearchSpace:
    """The space called `ssd`, with all filter counts scaled.

    Args:
      ssd: a registered name.
      filters_multiplier: factor of every filter count, before rounding to the space's base.

    Raises:
      InputError: there is no such space, the function that makes it fails or makes something
        else, some network of it cannot be built, or the multiplier is no factor for it.
    """
    if ssd not in _SPACES:
        close = difflib.get_close_matches(ssd, names(), n=1)
        hint = f"did you mean {close[0]}? There are" if close else "use one of"
        raise InputError(
            f"there is no search space {brief(ssd)}; {hint} {', '.join(names())}, "
            "and those that --space_module registers."
        )
    try:
        space = _SPACES[ssd]()
    except Exception as error:  # pylint: disable=broad-except  # It may be the user's code.
        raise InputError(
            f"the search space {ssd!r} cannot be built ({_reason(error)}); mend the function that "
            "returns it."
        ) from error
    if not isinstance(space, spec.SearchSpace):
        raise InputError(
            f"the search space {ssd!r} is a {type(space).__name__}; the registered function must "
            "return a SearchSpace."
        )
    space = dataclasses.replace(space, name=ssd)
    try:
        validation.check(space)
    except InputError as error:
        raise InputError(f"the search space {ssd!r} does not hold together: {error}") from None
    return scale(space, filters_multiplier)


def scale(space: spec.SearchSpace, filters_multiplier: float) -> spec.SearchSpace:
    """Scales block filters and integer expansions; ratios follow their inputs by themselves."""
    if not 0 < filters_multiplier <= _MAX_MULTIPLIER:
        raise InputError(
            f"filters_multiplier is {filters_multiplier}; it must be a number above 0, "
            f"{_MAX_MULTIPLIER:,} at most."
        )
    if filters_multiplier == 1.0:
        return space

    def scaled(value):
        if isinstance(value, spec.OneOf):
            return dataclasses.replace(value, choices=tuple(scaled(v) for v in value.choices))
        if isinstance(value, int):
            return spec.scale_filters(value, filters_multiplier, space.filter_base)
        return value

    def scale_node(node: Any) -> Any:
        if not dataclasses.is_dataclass(node) or isinstance(node, type):
            return node
        names = [f.name for f in dataclasses.fields(node) if f.name in _FILTER_FIELDS]
        return dataclasses.replace(node, **{name: scaled(getattr(node, name)) for name in names})

    return traversal.map_nodes(space, scale_node)
