"""The choices of a search space as constant arrays, padded to the same number of options."""

import dataclasses

import numpy as np

from tunas_tf.common.errors import InputError
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.slots import layer_slots

__all__ = ["ChoiceTable"]


def _largest_filters(space: spec.SearchSpace, choices) -> dict[int, int]:
    """Position -> option with the most filters, of every filter choice."""

    def filters(option, slot):
        if isinstance(option, spec.Expansion):
            return option.filters(slot.inputs.largest, slot.outputs.largest, space.filter_base)
        return option

    return {
        position: int(np.argmax([filters(o, slot) for o in choices[position].one_of.choices]))
        for slot in layer_slots(space)
        for position in (*slot.positions, slot.outputs.position)
        if position is not None and choices[position].tag == spec.FILTERS
    }


@dataclasses.dataclass(frozen=True, eq=False)
class ChoiceTable:
    """What the controller has to know about C choices of at most K options each.

    Attributes:
      valid: bool [C, K], False where a choice has fewer than K options.
      is_operation: bool [C], operation choices; the others are filter choices.
      is_nested: bool [C], whether the choice stands below an option of another choice.
      parent: int32 [C], position of that other choice; the choice itself at the top.
      parent_option: float32 [C, K], one-hot at that option; zeros at the top.
      depth: levels of nesting, 0 if no choice is nested.
      warmup_masks: float32 [C, K], what stands in for a choice in warmup: equal weights
        for all options of an operation choice, the largest option of a filter choice.
    """

    valid: np.ndarray
    is_operation: np.ndarray
    is_nested: np.ndarray
    parent: np.ndarray
    parent_option: np.ndarray
    depth: int
    warmup_masks: np.ndarray

    @property
    def num_options(self) -> np.ndarray:
        """int32 [C]."""
        return self.valid.sum(axis=-1).astype(np.int32)

    @classmethod
    def of(cls, space: spec.SearchSpace) -> "ChoiceTable":
        choices = traversal.choices_of(space)
        if not choices:
            raise InputError(
                f"{space.name} has no choices, so there is nothing to search; train it with "
                "train_eval instead."
            )
        max_options = max(choice.num_options for choice in choices)
        options = np.eye(max_options, dtype=np.float32)
        largest = _largest_filters(space, choices)
        valid = np.zeros([len(choices), max_options], dtype=bool)
        parent = np.arange(len(choices), dtype=np.int32)
        parent_option = np.zeros([len(choices), max_options], dtype=np.float32)
        warmup_masks = np.zeros([len(choices), max_options], dtype=np.float32)
        level = np.zeros(len(choices), dtype=np.int32)
        # Backwards, because a choice comes after the choices that are nested in it.
        for position, choice in reversed(list(enumerate(choices))):
            valid[position, : choice.num_options] = True
            if choice.parent is not None:
                parent[position], option = choice.parent
                parent_option[position] = options[option]
                level[position] = level[parent[position]] + 1
            if choice.tag == spec.OPERATION:
                warmup_masks[position] = valid[position] / choice.num_options
            else:
                warmup_masks[position] = options[largest[position]]
        return cls(
            valid=valid,
            is_operation=np.array([choice.tag == spec.OPERATION for choice in choices]),
            is_nested=level > 0,
            parent=parent,
            parent_option=parent_option,
            depth=int(level.max()),
            warmup_masks=warmup_masks,
        )
