"""What a search space must be like, so that all of its networks can be built and counted."""

import dataclasses
from typing import Any, Callable

from tunas_tf.common.errors import InputError
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


def _is_count(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_hidden(value) -> bool:
    return _is_count(value) or (isinstance(value, spec.Expansion) and value.ratio > 0)


def _is_activation(value) -> bool:
    return value in _ACTIVATIONS


def _is_switch(value) -> bool:
    return isinstance(value, bool)


# Fields of layers: what they may hold, in code and in words, and whether it may be chosen.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str, bool]] = {
    "kernel_size": (_is_count, "an integer above 0", True),
    "strides": (_is_count, "an integer above 0", False),
    "expansion": (_is_hidden, "a number of filters or an Expansion above 0", True),
    "input_compression": (_is_hidden, "a number of filters or an Expansion above 0", True),
    "output_compression": (_is_hidden, "a number of filters or an Expansion above 0", True),
    "squeeze_and_excite": (_is_switch, "True or False", True),
    "batch_norm": (_is_switch, "True or False", False),
    "activation": (_is_activation, f"one of {', '.join(_ACTIVATIONS)}", False),
    "kind": (_is_activation, f"one of {', '.join(_ACTIVATIONS)}", False),
}


def _options(value) -> tuple:
    return value.choices if isinstance(value, spec.OneOf) else (value,)


def _alternatives(layer) -> list:
    """The layers that may stand at a place: `layer`, or the options of a (nested) choice."""
    if isinstance(layer, spec.OneOf):
        return [found for option in layer.choices for found in _alternatives(option)]
    return [layer]


def _check_layer(layer, path: str) -> None:
    if isinstance(layer, spec.OneOf):
        for index, option in enumerate(layer.choices):
            _check_layer(option, traversal.join(path, f"choices/{index}"))
        if len(set(map(_reduction, _alternatives(layer)))) > 1:
            raise InputError(
                f"the options at {path} have different strides; give all of them the same."
            )
    elif isinstance(layer, spec.Residual):
        _check_layer(layer.layer, traversal.join(path, "layer"))
        if any(_reduction(inner) != 1 for inner in _alternatives(layer.layer)):
            raise InputError(
                f"the layer within the Residual at {path} changes the size of its input; "
                "give it stride 1."
            )
    elif not isinstance(layer, _LAYERS):
        raise InputError(f"{layer!r} at {path} is no layer.")
    else:
        for field in dataclasses.fields(layer):
            is_valid, allowed, may_be_chosen = _FIELDS[field.name]
            value = getattr(layer, field.name)
            if not all(map(is_valid, _options(value) if may_be_chosen else (value,))):
                choice = ", or a OneOf of these" if may_be_chosen else ""
                raise InputError(
                    f"{field.name} at {path} is {value!r}; it must be {allowed}{choice}."
                )


def _reduction(layer) -> int | str:
    """The stride of a layer that is no choice, or "all"."""
    if isinstance(layer, spec.GlobalPool):
        return "all"
    return getattr(layer, "strides", 1)


def _check_block(block, inputs, path: str) -> None:
    """Checks a block whose input filters are `inputs`, a number or a choice."""
    if not isinstance(block, spec.Block) or not isinstance(block.layers, tuple):
        raise InputError(f"{path} is {block!r}; give a Block of a tuple of layers.")
    if not block.layers:
        raise InputError(f"{path} has no layers; give it at least one.")
    if not all(map(_is_count, _options(block.filters))):
        raise InputError(
            f"filters at {path} is {block.filters!r}; it must be an integer above 0, or a OneOf "
            "of these."
        )
    for index, layer in enumerate(block.layers):
        _check_layer(layer, f"{path}/layers/{index}")
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
    if not isinstance(space.blocks, tuple) or not space.blocks:
        raise InputError(f"blocks is {space.blocks!r}; give a tuple of at least one Block.")
    inputs: Any = None  # The channels of an image, whatever their number.
    for index, block in enumerate(space.blocks):
        _check_block(block, inputs, f"blocks/{index}")
        inputs = block.filters
    if space.reference_indices:
        try:
            traversal.validate_indices(space, space.reference_indices)
        except InputError as error:
            raise InputError(f"reference_indices do not fit: {error}") from None
