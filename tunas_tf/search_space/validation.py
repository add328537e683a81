"""What a search space must be like, so that all of its networks can be built and counted."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from tunas_tf.common import checks
from tunas_tf.common.errors import InputError, brief
from tunas_tf.search_space import spec, traversal

__all__ = ["check"]

_LAYERS = (
    spec.Activation,
    spec.Bottleneck,
    spec.Conv,
    spec.Endpoint,
    spec.FusedBottleneck,
    spec.GlobalPool,
    spec.Residual,
    spec.SeparableConv,
    spec.TuckerBottleneck,
    spec.Zero,
)
# Their outputs have the channels of their inputs.
_FILTER_KEEPING = (spec.Activation, spec.Endpoint, spec.GlobalPool, spec.Residual)
_ACTIVATIONS = ("relu", "relu6", "sigmoid", "swish6")

# No network has them, and what is computed from smaller ones is far from any overflow.
_MAX_COUNT = 2**31 - 1
_MAX_RATIO = 2**20

# Of one layer, with the filters before and after it: whoever optimises or tabulates costs looks
# at each. The published spaces have 3,528 at most.
_MAX_COMBINATIONS = 100_000


def _is_count(value) -> bool:
    return type(value) is int and 0 < value <= _MAX_COUNT


def _is_hidden(value) -> bool:
    if not isinstance(value, spec.Expansion):
        return _is_count(value)
    return type(value.ratio) in (int, float) and 0 < value.ratio <= _MAX_RATIO


def _is_activation(value) -> bool:
    return isinstance(value, str) and value in _ACTIVATIONS


def _is_switch(value) -> bool:
    return isinstance(value, bool)


_HIDDEN = (_is_hidden, "a number of filters or an Expansion above 0", spec.FILTERS)

# Fields of layers: what they may hold, in code and in words, and the tag of a choice of it; None
# where there may be no choice.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str, str | None]] = {
    "kernel_size": (_is_count, "an integer above 0", spec.OPERATION),
    "strides": (_is_count, "an integer above 0", None),
    "expansion": _HIDDEN,
    "input_compression": _HIDDEN,
    "output_compression": _HIDDEN,
    "squeeze_and_excite": (_is_switch, "True or False", spec.OPERATION),
    "batch_norm": (_is_switch, "True or False", None),
    "activation": (_is_activation, f"one of {', '.join(_ACTIVATIONS)}", None),
    "kind": (_is_activation, f"one of {', '.join(_ACTIVATIONS)}", None),
}


def _misfit(name: str, path: str, value, allowed: str) -> InputError:
    if type(value) is int and value > _MAX_COUNT:
        allowed = f"{_MAX_COUNT:,} at most"
    return InputError(f"{name} at {path} is {brief(value)}; it must be {allowed}.")


def _options(value) -> tuple:
    return value.choices if isinstance(value, spec.OneOf) else (value,)


def _check_choice(value, path: str, tag: str) -> None:
    """Checks the form of a choice, if `value` is one, but not its options."""
    if not isinstance(value, spec.OneOf):
        return
    if not isinstance(value.choices, tuple):
        raise InputError(
            f"the OneOf at {path} has {brief(value.choices)} as its choices; give a tuple."
        )
    if value.tag != tag:
        raise InputError(f"the OneOf at {path} has the tag {value.tag!r}; it must be {tag!r}.")


def _alternatives(layer) -> list:
    """The layers that may stand at a place: `layer`, or the options of a (nested) choice."""
    if isinstance(layer, spec.OneOf):
        return [found for option in layer.choices for found in _alternatives(option)]
    return [layer]


def _check_layer(layer, path: str) -> None:
    _check_choice(layer, path, spec.OPERATION)
    if isinstance(layer, spec.OneOf):
        for index, option in enumerate(layer.choices):
            _check_inner(option, traversal.join(path, f"choices/{index}"))
        if len(set(map(_reduction, _alternatives(layer)))) > 1:
            raise InputError(
                f"the options at {path} have different strides; give all of them the same."
            )
    elif isinstance(layer, spec.Residual):
        _check_inner(layer.layer, traversal.join(path, "layer"))
        if any(isinstance(inner, spec.Residual) for inner in _alternatives(layer.layer)):
            raise InputError(
                f"the Residual at {path} holds another Residual; leave one of them out."
            )
        if any(_reduction(inner) != 1 for inner in _alternatives(layer.layer)):
            raise InputError(
                f"the layer within the Residual at {path} changes the size of its input; "
                "give it stride 1."
            )
    elif not isinstance(layer, _LAYERS):
        raise InputError(f"{brief(layer)} at {path} is no layer.")
    else:
        for field in dataclasses.fields(layer):
            is_valid, allowed, tag = _FIELDS[field.name]
            value = getattr(layer, field.name)
            if tag:
                _check_choice(value, traversal.join(path, field.name), tag)
            if not all(map(is_valid, _options(value) if tag else (value,))):
                choice = ", or a OneOf of these" if tag else ""
                raise _misfit(field.name, path, value, allowed + choice)


def _check_inner(layer, path: str) -> None:
    """Checks a layer within a Residual or a choice."""
    if isinstance(layer, spec.Endpoint):
        raise InputError(
            f"the Endpoint at {path} is within another layer; put it beside the layers of a block, "
            "so that every network has it."
        )
    _check_layer(layer, path)


def _reduction(layer) -> int | str:
    """The stride of a layer that is no choice, or "all"."""
    if isinstance(layer, spec.GlobalPool):
        return "all"
    return getattr(layer, "strides", 1)


def _check_block(block, inputs, path: str) -> None:
    """Checks a block whose input filters are `inputs`, a number or a choice."""
    if not isinstance(block, spec.Block) or not isinstance(block.layers, tuple):
        raise InputError(f"{path} is {brief(block)}; give a Block of a tuple of layers.")
    if not block.layers:
        raise InputError(f"{path} has no layers; give it at least one.")
    _check_choice(block.filters, f"{path}/filters", spec.FILTERS)
    if not all(map(_is_count, _options(block.filters))):
        raise _misfit("filters", path, block.filters, "an integer above 0, or a OneOf of these")
    for index, layer in enumerate(block.layers):
        _check_layer(layer, f"{path}/layers/{index}")
        around = len(_options(block.filters)) * len(_options(inputs))
        combinations = math.prod(c.num_options for c in traversal.choices_of(layer)) * around
        if combinations > _MAX_COMBINATIONS:
            raise InputError(
                f"the choices of {path}/layers/{index} and of the filters around it have "
                f"{brief(combinations)} combinations; leave {_MAX_COMBINATIONS:,} at most."
            )
    keeps_filters = any(isinstance(x, _FILTER_KEEPING) for x in _alternatives(block.layers[0]))
    # Two choices of filters are made independently, so they are equal by chance only.
    is_same = len({*_options(inputs), *_options(block.filters)}) == 1
    if keeps_filters and not is_same:
        raise InputError(
            f"the first layer of {path} keeps the number of channels, but the block has other "
            "filters than its input; begin the block with a convolution or a bottleneck."
        )


def check(space: spec.SearchSpace) -> None:
    """Raises InputError, with place and reason, if some network of `space` cannot be built."""
    try:
        checks.text(space.name, "name")
    except ValueError as error:
        raise InputError(f"{error}; give it another one.") from None
    if not isinstance(space.blocks, tuple) or not space.blocks:
        raise InputError(f"blocks is {brief(space.blocks)}; give a tuple of at least one Block.")
    if not _is_count(space.filter_base):
        base = brief(space.filter_base)
        raise InputError(f"filter_base is {base}; it must be an integer above 0.")
    inputs: Any = None  # The channels of an image, whatever their number.
    for index, block in enumerate(space.blocks):
        _check_block(block, inputs, f"blocks/{index}")
        inputs = block.filters
    indices = space.reference_indices
    if not isinstance(indices, tuple) or any(type(index) is not int for index in indices):
        raise InputError(f"reference_indices is {brief(indices)}; it must be a tuple of integers.")
    if indices:
        try:
            traversal.validate_indices(space, indices)
        except InputError as error:
            raise InputError(f"reference_indices do not fit: {error}") from None
