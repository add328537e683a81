"""The choices of a space as arrays."""

import example_spaces
import nested_space
import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.controller.choice_table import ChoiceTable
from tunas_tf.search_space import get, spec
from tunas_tf.search_space.spec import FILTERS, OneOf


def test_nested_space():
    table = ChoiceTable.of(nested_space.nested_space())
    assert table.num_options.tolist() == [3, 2, 2, 2, 2]
    assert table.valid.tolist() == [[True] * 3] + [[True, True, False]] * 4
    assert table.is_operation.tolist() == [True, False, True, True, False]
    assert table.is_nested.tolist() == [True, True, True, False, False]
    assert table.parent.tolist() == [2, 2, 3, 3, 4]
    assert table.parent_option.argmax(axis=1).tolist()[:3] == [0, 1, 0]
    assert table.parent_option.sum(axis=1).tolist() == [1, 1, 1, 0, 0]
    assert table.depth == 2


def test_warmup_takes_all_operations_or_most_filters():
    table = ChoiceTable.of(nested_space.nested_space())
    third = pytest.approx(1 / 3)
    assert table.warmup_masks.tolist() == [
        [third, third, third],
        [1, 0, 0],  # Twice 16 filters are more than 24.
        [0.5, 0.5, 0],
        [0.5, 0.5, 0],
        [0, 1, 0],
    ]


def test_largest_filters_of_any_order():
    blocks = (spec.Block((spec.Conv(3),), OneOf((16, 48, 32), FILTERS)),)
    table = ChoiceTable.of(spec.SearchSpace("unordered", blocks))
    assert table.warmup_masks.tolist() == [[0, 1, 0]]
    mixed = ChoiceTable.of(example_spaces.mixed_space())
    # Twice 16 inputs against 24; then the last of (16, 24, 40) and the first of (48, 32).
    filters = mixed.warmup_masks[~mixed.is_operation].argmax(axis=1)
    assert filters.tolist() == [1, 0, 2, 0]


def test_published_space():
    table = ChoiceTable.of(get("proxylessnas_search"))
    assert table.valid.shape == (73, 3)
    assert table.depth == 1
    # 21 bottlenecks, each with a kernel and an expansion inside.
    assert table.is_nested.sum() == 42


def test_nothing_to_search():
    fixed = spec.SearchSpace("fixed", (spec.Block((spec.Conv(3),), 8),))
    with pytest.raises(InputError, match="fixed has no choices"):
        ChoiceTable.of(fixed)
