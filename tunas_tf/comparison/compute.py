"""Multiply-adds of searches, trainings and evaluations, counted alike.

Forward and backward together count as three forward passes; optimisers, batch norm and the
controller count nothing, as in `arithmetic`. Of a supernet all that runs is counted: where it
masks its kernels every width costs as much as the largest, where it slices them what it is; a
warmup step runs all options of the operation choices that it replaces, but once what these
options share. What rematerialisation computes again is not counted.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import arithmetic, operations, slots, spec, traversal

__all__ = ["FORWARD_AND_BACKWARD", "SupernetCount", "search_madds", "training_madds"]

FORWARD_AND_BACKWARD = 3

# Moments of a search that stand for all of its steps.
_NUM_MOMENTS = 512


def training_madds(madds: int, total_steps: int, batch_size: int) -> float:
    """Of a whole training of a network with `madds` multiply-adds per image."""
    return float(FORWARD_AND_BACKWARD * madds * total_steps * batch_size)


def _restricted(layer: Any, in_use: Iterator[Sequence[int]]) -> Any:
    """A layer, its expansions resolved, with the options that a sample runs and no others."""

    def restrict(node):
        if not isinstance(node, spec.OneOf):
            return node
        chosen = tuple(node.choices[i] for i in next(in_use))
        if node.tag == spec.FILTERS:
            return max(chosen)
        return dataclasses.replace(node, choices=chosen)

    return traversal.map_nodes(layer, restrict)


def _layer_madds(layer: Any, *place: int) -> int:
    """Of a layer that runs all options that it has; `place` as in `layer_operations`."""
    if isinstance(layer, spec.OneOf):
        return sum(_layer_madds(option, *place) for option in layer.choices)
    if isinstance(layer, spec.Residual):
        return _layer_madds(layer.layer, *place)
    # Options within a layer, like kernel sizes, share its other convolutions.
    found: collections.Counter = collections.Counter()
    sizes = [range(choice.num_options) for choice in traversal.choices_of(layer)]
    for indices in itertools.product(*sizes):
        found |= collections.Counter(
            operations.layer_operations(traversal.prune(layer, indices), *place)
        )
    return arithmetic.operations_count(found.elements()).madds


class SupernetCount:
    """Counts what a supernet computes for samples.

    Attributes:
      space: of the supernet.
    """

    def __init__(self, space: spec.SearchSpace, image_size: int, num_classes: int, execution: str):
        """`execution` as of a `Supernet`."""
        self.space = space
        self._choices = traversal.choices_of(space)
        self._is_masked = execution == "mask"
        self._slots = list(slots.layer_slots(space, image_size))
        last = self._slots[-1]
        self._output_size = operations.output_size(last.layer, last.input_size)
        self._num_classes = num_classes
        self._known: dict[tuple, int] = {}

    def _count(self, slot: slots.LayerSlot, in_use: tuple, inputs: int, outputs: int) -> int:
        key = slot.path, in_use, inputs, outputs
        if key not in self._known:
            resolved = architecture_lib.resolve_layer(
                slot.layer, inputs, outputs, self.space.filter_base
            )
            layer = _restricted(resolved, iter(in_use))
            self._known[key] = _layer_madds(layer, inputs, outputs, slot.input_size)
        return self._known[key]

    def forward(self, in_use: Sequence[Sequence[int]]) -> int:
        """Multiply-adds of one image.

        Args:
          in_use: for each choice the options that run: one, or in warmup all. Of those of a
            filter choice only the largest does.
        """
        running = [
            tuple(range(choice.num_options))
            if self._is_masked and choice.tag == spec.FILTERS
            else tuple(options)
            for choice, options in zip(self._choices, in_use)
        ]

        def filters(counts: slots.FilterCounts) -> int:
            if counts.position is None:
                return counts.options[0]
            return max(counts.options[option] for option in running[counts.position])

        total, outputs = 0, 0
        for slot in self._slots:
            own = tuple(running[p] for p in slot.positions)
            outputs = filters(slot.outputs)
            total += self._count(slot, own, filters(slot.inputs), outputs)
        classifier = arithmetic.classifier_count(outputs, self._num_classes, self._output_size)
        return total + classifier.madds

    def network(self, indices: Sequence[int]) -> int:
        """Multiply-adds of one image for one architecture."""
        return self.forward([(index,) for index in indices])


def search_madds(
    count: SupernetCount,
    probabilities: Sequence[np.ndarray],
    *,
    total_steps: int,
    train_batch_size: int,
    reward_batch_size: int,
    rl_delay_steps_fraction: float,
    increase_ops_warmup_steps_fraction: float,
    increase_filters_warmup_steps_fraction: float,
) -> float:
    """Multiply-adds of a whole search, estimated from samples.

    A step trains on one batch and measures the reward, by a forward pass of the same sample, on
    another. Samples are drawn as in the search: uniformly up to the delay, then from a
    distribution that moves evenly to that of the end; warmup replaces some choices.

    Args:
      count: of the supernet.
      probabilities: of the options of each choice, at the end of the search.
      total_steps: of the search.
      train_batch_size, reward_batch_size: images per step.
      rl_delay_steps_fraction, increase_ops_warmup_steps_fraction,
        increase_filters_warmup_steps_fraction: as in `ControllerConfig`.
    """
    generator = np.random.default_rng(0)
    delay = rl_delay_steps_fraction
    warmups = {
        spec.OPERATION: increase_ops_warmup_steps_fraction,
        spec.FILTERS: increase_filters_warmup_steps_fraction,
    }
    total = 0.0
    for moment in (np.arange(_NUM_MOMENTS) + 0.5) / _NUM_MOMENTS:
        learned = max(0.0, (moment - delay) / (1 - delay)) if delay < 1 else 0.0
        replaced = {
            tag: max(0.0, 1 - moment / fraction) if fraction else 0.0
            for tag, fraction in warmups.items()
        }
        in_use: list[Sequence[int]] = []
        for choice, final in zip(traversal.choices_of(count.space), probabilities):
            size = choice.num_options
            if generator.random() < replaced[choice.tag]:
                in_use.append(range(size))
                continue
            row = (1 - learned) / size + learned * np.asarray(final, np.float64)[:size]
            in_use.append((int(generator.choice(size, p=row / row.sum())),))
        total += count.forward(in_use)
    images = FORWARD_AND_BACKWARD * train_batch_size + reward_batch_size
    return total / _NUM_MOMENTS * total_steps * images
