"""Which endpoints of a tower a detector uses.

The map of level l has the stride 2**l: its side is that of the image divided by it, rounded
up. C4 and C5 in the literature are the levels 4 and 5.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

from tunas_tf.common.errors import InputError
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.architecture import Architecture, PlacedLayer
from tunas_tf.search_space.slots import FilterCounts, LayerSlot, layer_slots

__all__ = [
    "FeatureMap",
    "endpoint_levels",
    "expanded_feature_maps",
    "feature_filters",
    "trim",
]

Tower = TypeVar("Tower", spec.SearchSpace, Architecture)

# Divisible by every stride that occurs.
_IMAGE_SIZE = 2**12


def _slots(tower: spec.SearchSpace | Architecture) -> list[LayerSlot]:
    if isinstance(tower, Architecture):
        tower = spec.SearchSpace(tower.ssd, tower.blocks)  # A space of one.
    return list(layer_slots(tower, _IMAGE_SIZE))


def _endpoint_slots(tower: spec.SearchSpace | Architecture) -> list[LayerSlot]:
    return [slot for slot in _slots(tower) if isinstance(slot.layer, spec.Endpoint)]


def _level(slot: LayerSlot) -> int | None:
    """The level of an endpoint; None if its stride is no power of two."""
    level = (_IMAGE_SIZE // slot.input_size).bit_length() - 1
    return level if slot.input_size * 2**level == _IMAGE_SIZE else None


def endpoint_levels(tower: spec.SearchSpace | Architecture) -> dict[int, int]:
    """Level -> which of the tower's endpoints has it, counted from 0; of several, the last."""
    levels = {_level(slot): number for number, slot in enumerate(_endpoint_slots(tower))}
    return {level: number for level, number in levels.items() if level is not None}


def _needed_slots(
    tower: spec.SearchSpace | Architecture, levels: Sequence[int]
) -> dict[int, LayerSlot]:
    """Level -> its endpoint, for the levels asked for; raises InputError if one is missing."""
    slots = _endpoint_slots(tower)
    found = {level: slots[number] for level, number in endpoint_levels(tower).items()}
    if missing := [level for level in levels if level not in found]:
        name = tower.ssd if isinstance(tower, Architecture) else tower.name
        strides = ", ".join(str(2**level) for level in found) or "no stride"
        wanted = " and ".join(str(2**level) for level in missing)
        raise InputError(
            f"{name} has endpoints of {strides}, but the detector needs {wanted} too; put an "
            "Endpoint() behind the last layer of that stride, or choose another network."
        )
    return {level: found[level] for level in levels}


def feature_filters(
    tower: spec.SearchSpace | Architecture, levels: Sequence[int]
) -> dict[int, FilterCounts]:
    """Level -> the filters that its endpoint may have, and the choice that decides.

    Raises:
      InputError: the tower has no endpoint of a level.
    """
    return {level: slot.inputs for level, slot in _needed_slots(tower, levels).items()}


def trim(tower: Tower, levels: Sequence[int]) -> Tower:
    """The tower without the layers behind the last endpoint that is needed.

    The choices of a trimmed space are the first ones of the whole space: masks and indices
    of the latter fit as they are. So a block is left whole if there are choices in the layers
    that would be cut off it, in front of that of its filters.

    Args:
      tower: a search space or an architecture; its name, and the indices of an architecture,
        stay those of the whole.
      levels: what is needed.

    Raises:
      InputError: the tower has no endpoint of a level.
    """
    last = max(_needed_slots(tower, levels).values(), key=lambda slot: _position(slot.path))
    block, layer = _position(last.path)
    return _cut(tower, block, layer + 1)


def _position(path: str) -> tuple[int, int]:
    """ "blocks/2/layers/1" -> (2, 1)."""
    _, block, _, layer = path.split("/")
    return int(block), int(layer)


def _cut(tower: Tower, block: int, num_layers: int) -> Tower:
    """The tower up to `num_layers` layers of `block`, or all of them if they hold choices."""
    last = tower.blocks[block]
    if not traversal.choices_of(last.layers[num_layers:]):
        last = dataclasses.replace(last, layers=last.layers[:num_layers])
    trimmed: dict[str, Any] = {"blocks": (*tower.blocks[:block], last)}
    if isinstance(tower, spec.SearchSpace) and tower.reference_indices:
        num_choices = len(traversal.choices_of(trimmed["blocks"]))
        trimmed["reference_indices"] = tower.reference_indices[:num_choices]
    return dataclasses.replace(tower, **trimmed)


@dataclasses.dataclass(frozen=True)
class FeatureMap:
    """A feature map inside the tower.

    Attributes:
      layer: name of the layer of the stand-alone network whose output it is.
      filters: its channels.
    """

    layer: str
    filters: int


def expanded_feature_maps(
    architecture: Architecture, levels: Sequence[int]
) -> tuple[Architecture, dict[int, FeatureMap]]:
    """The maps that SSDLite was published on with MobileNetV2 and V3: those behind endpoints.

    After the endpoint of a level comes a bottleneck that halves the map; its expansion, before
    that, is used. After the last one comes the 1x1 convolution of the classifier's head
    (MobileNetV2, section 6.2; MobileNetV3, section 6.3).

    Returns:
      The trimmed architecture, and the maps.

    Raises:
      InputError: other layers follow.
    """
    layers = list(architecture.layers())
    maps: dict[int, FeatureMap] = {}
    for level, slot in _needed_slots(architecture, levels).items():
        index = [(placed.block, placed.index) for placed in layers].index(_position(slot.path))
        following = layers[index + 1 : index + 3]
        maps[level], last = _expanded(architecture, level, following)
    return _cut(architecture, last.block, last.index + 1), maps


def _expanded(
    architecture: Architecture, level: int, following: list[PlacedLayer]
) -> tuple[FeatureMap, PlacedLayer]:
    """The map in the layers behind an endpoint, and the last layer that it needs."""
    if following:
        first, second = following[0], following[-1]
        if isinstance(first.layer, spec.Bottleneck) and first.layer.strides == 2:
            return FeatureMap(f"{first.name}_expand_activation", first.layer.expansion), first
        if first.layer == spec.Conv(1) and isinstance(second.layer, spec.Activation):
            return FeatureMap(f"{second.name}_activation", second.filters), second
    raise InputError(
        f"{architecture.ssd} has no expanded features of stride {2**level}: neither a bottleneck "
        "that halves the map nor the last 1x1 convolution follows the endpoint there; leave "
        "--expanded_features out."
    )
