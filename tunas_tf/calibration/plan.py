"""What a calibration measures: pieces of networks for the fit, whole networks beside them."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import latency_fit
from tunas_tf.cost_model.analytic import analytic
from tunas_tf.cost_model.units import Unit, unit_at, unit_slots
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.architecture import Architecture
from tunas_tf.search_space.slots import LayerSlot

__all__ = ["Plan", "Subject", "all_units", "key_of", "make_plan"]

# Something to measure: a piece, a whole network, or a dataclass of the task that stands for the
# part of its networks that is no piece of their backbone.
Subject = Unit | Architecture | Any

# Networks drawn for each that is measured, if the space has so many.
_CANDIDATES_PER_NETWORK = 5


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
      units: pieces, in the order of measuring: the first ones already spread over the space.
      num_possible_units: different pieces that the space has.
      fit_networks: whole networks that decide the scale of the sum of pieces.
      validation_networks: other whole networks, which take no part in the fit.
      has_reference: whether the first of them is the reference network of the space.
      heads: what the task has behind the backbones of the networks; all are measured.
    """

    units: tuple[Unit, ...]
    num_possible_units: int
    fit_networks: tuple[Architecture, ...]
    validation_networks: tuple[Architecture, ...]
    has_reference: bool
    heads: tuple[Any, ...] = ()

    @property
    def pieces(self) -> tuple[Subject, ...]:
        return self.units + self.heads

    @property
    def networks(self) -> tuple[Architecture, ...]:
        return self.fit_networks + self.validation_networks


def key_of(subject: Subject) -> str:
    """Names a subject in a file of measurements: equal for equal ones, whatever the process."""
    text = json.dumps(architecture_lib.to_json(subject), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _units_at(slot: LayerSlot, base: int) -> Iterator[Unit]:
    options = [range(choice.num_options) for choice in traversal.choices_of(slot.layer)]
    same = slot.inputs.position is not None and slot.inputs.position == slot.outputs.position
    for own in itertools.product(*options):
        layers = traversal.prune(slot.layer, own)
        for output in range(len(slot.outputs.options)):
            for inputs in (output,) if same else range(len(slot.inputs.options)):
                yield unit_at(slot, layers, inputs, output, base)


def all_units(slots: list[LayerSlot], base: int) -> list[Unit]:
    """All different pieces of a space that compute something."""
    # Most layers of a block are equal: once is enough.
    different: dict[tuple, LayerSlot] = {}
    for slot in slots:
        is_same = slot.inputs.position == slot.outputs.position
        key = slot.layer, slot.inputs.options, slot.outputs.options, slot.input_size, is_same
        different.setdefault(key, slot)
    found = dict.fromkeys(unit for slot in different.values() for unit in _units_at(slot, base))
    return [unit for unit in found if unit.operations()]


def _spread(units: list[Unit], generator: np.random.Generator) -> list[Unit]:
    """The pieces in random order, but so that families of like pieces take turns."""
    families: dict[tuple, list[Unit]] = {}
    for index in generator.permutation(len(units)):
        families.setdefault(latency_fit.family(units[index]), []).append(units[index])
    turns = itertools.zip_longest(*families.values())
    return [unit for turn in turns for unit in turn if unit is not None]


def _draw(choices: Sequence[traversal.Choice], generator: np.random.Generator) -> list[int]:
    """The options of one network: choices of a kind have the same probabilities, drawn first.

    If every choice was drawn by itself, each network would have some of everything: none would
    have the fastest kernel in all its layers, as the cheapest networks of a device have.
    """
    kinds = [(choice.tag, choice.num_options) for choice in choices]
    probabilities = {
        (tag, num_options): generator.dirichlet(np.full(num_options, 0.5))
        for tag, num_options in dict.fromkeys(kinds)
    }
    return [int(generator.choice(kind[1], p=probabilities[kind])) for kind in kinds]


def _networks(
    space: spec.SearchSpace,
    image_size: int,
    num_classes: int,
    num_fit: int,
    num_validation: int,
    generator: np.random.Generator,
) -> tuple[tuple[Architecture, ...], tuple[Architecture, ...]]:
    """Networks for the fit and others, both spread over the multiply-adds of the space.

    The reference network, if there is one, is the first of the others.
    """
    choices = traversal.choices_of(space)
    number = num_fit + num_validation
    references = (space.reference_indices,) if space.reference_indices else ()
    drawn = (_draw(choices, generator) for _ in range(100 * number))
    found: dict[tuple, Architecture] = {}
    for indices in itertools.chain(references, drawn):
        network = architecture_lib.resolve(space, indices)
        found.setdefault(network.blocks, network)
        if len(found) == _CANDIDATES_PER_NETWORK * number:
            break
    if len(found) < number:
        raise InputError(
            f"{space.name} has too few different networks ({len(found)} were found) to fit "
            f"with {num_fit} of them and validate with {num_validation} others; "
            "ask for fewer, or take a larger search space."
        )
    networks = list(found.values())
    reference, candidates = networks[: len(references)], networks[len(references) :]
    madds = analytic("madds", space, image_size, num_classes)
    candidates.sort(key=lambda network: float(madds.cost(network.indices)))
    ranks = np.linspace(0, len(candidates) - 1, number - len(references)).astype(int)
    fit_ranks = set(ranks[np.linspace(0, len(ranks) - 1, num_fit).astype(int)])
    # In random order: a device that gets warmer must not look as if large networks took longer.
    ranks = generator.permutation(ranks)
    fit = [candidates[rank] for rank in ranks if rank in fit_ranks]
    others = [candidates[rank] for rank in ranks if rank not in fit_ranks]
    return tuple(fit), (*reference, *others)


def make_plan(
    space: spec.SearchSpace,
    image_size: int,
    num_classes: int,
    max_units: int,
    num_fit_networks: int,
    num_validation_networks: int,
    seed: int,
    heads: tuple[Any, ...] = (),
) -> Plan:
    """Chooses what to measure: all pieces if they are few, else some of every family; all heads.

    The reference network of the space is one of the networks for the validation, of which there
    are 1 or more.

    Raises InputError if the space has fewer different networks than are wanted.
    """
    generator = np.random.default_rng(seed)
    units = all_units(unit_slots(space, image_size, num_classes), space.filter_base)
    fit_networks, validation_networks = _networks(
        space, image_size, num_classes, num_fit_networks, num_validation_networks, generator
    )
    return Plan(
        units=tuple(_spread(units, generator)[:max_units]),
        num_possible_units=len(units),
        fit_networks=fit_networks,
        validation_networks=validation_networks,
        has_reference=bool(space.reference_indices),
        heads=heads,
    )
