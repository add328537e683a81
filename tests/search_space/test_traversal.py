"""Order, parents, counts and text form of choices."""

import example_spaces
import pytest

from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf


def _nested_space():
    bottleneck = spec.Bottleneck(
        kernel_size=OneOf((3, 5), OPERATION),
        expansion=OneOf((spec.Expansion(1), spec.Expansion(2), spec.Expansion(3)), FILTERS),
        squeeze_and_excite=OneOf((False, True), OPERATION),
    )
    block = spec.Block(
        (spec.Residual(OneOf((bottleneck, spec.Zero()), OPERATION)),), OneOf((8,), FILTERS)
    )
    return spec.SearchSpace("nested", (spec.Block((spec.Conv(3),), 8), block))


def test_nested_choices_stand_before_the_choice_that_holds_them():
    choices = traversal.choices_of(_nested_space())
    layer = "blocks/1/layers/0/layer"
    assert [choice.path for choice in choices] == [
        f"{layer}/choices/0/kernel_size",
        f"{layer}/choices/0/expansion",
        f"{layer}/choices/0/squeeze_and_excite",
        layer,
        "blocks/1/filters",
    ]
    assert [choice.num_options for choice in choices] == [2, 3, 2, 2, 1]
    assert [choice.tag for choice in choices] == [
        OPERATION, FILTERS, OPERATION, OPERATION, FILTERS
    ]  # fmt: skip
    assert [choice.parent for choice in choices] == [(3, 0), (3, 0), (3, 0), None, None]


def test_parent_is_the_nearest_choice():
    inner = OneOf((spec.Conv(OneOf((1, 3), OPERATION)), spec.Zero()), OPERATION)
    choices = traversal.choices_of(OneOf((spec.Zero(), inner), OPERATION))
    assert [choice.parent for choice in choices] == [(1, 0), (2, 1), None]


def test_order_agrees_with_the_option_counts_of_the_published_space():
    # Stem filters, sepconv kernel and filters, then per bottleneck kernel, expansion, skip.
    bottlenecks = {1: [3, 2, 1], 4: [3, 2, 1] + [3, 2, 2] * 3}
    expected = [1, 3, 1]
    for layers in (4, 4, 4, 4, 4, 1):
        expected += bottlenecks[layers] + [1]
    expected.append(1)
    choices = traversal.choices_of(search_space.get("proxylessnas_search"))
    assert [choice.num_options for choice in choices] == expected


@pytest.mark.parametrize("seed", range(5))
def test_num_distinct_counts_networks_that_differ(seed):
    space = example_spaces.random_space(seed, max_architectures=800)
    networks = {traversal.prune(space, row) for row in example_spaces.all_indices(space)}
    assert traversal.num_distinct(space) == len(networks)


def test_indices_text_round_trip():
    assert traversal.parse_indices(" 0:12:3 ") == (0, 12, 3)
    assert traversal.format_indices((0, 12, 3)) == "0:12:3"
    assert traversal.parse_indices("") == ()
    assert traversal.format_indices(()) == ""


@pytest.mark.parametrize("text", ["0:a", "0::1", "0,1", "1.5"])
def test_unreadable_indices(text):
    with pytest.raises(InputError, match="one integer per choice"):
        traversal.parse_indices(text)


def test_indices_must_fit_the_space():
    space = _nested_space()
    assert traversal.validate_indices(space, [1, 2, 1, 1, 0]) == (1, 2, 1, 1, 0)
    with pytest.raises(InputError, match="4 indices were given, but nested has 5 choices"):
        traversal.validate_indices(space, (0, 0, 0, 0))
    with pytest.raises(InputError, match="1 index was given, but nested has 5 choices; give one"):
        traversal.validate_indices(space, (0,))
    with pytest.raises(InputError, match="index 3 at position 1 .*expansion.* allows 0 to 2"):
        traversal.validate_indices(space, (0, 3, 0, 0, 0))
    with pytest.raises(InputError, match="index -1 at position 0"):
        traversal.validate_indices(space, (-1, 0, 0, 0, 0))


def test_a_space_without_choices_takes_no_indices():
    network = spec.SearchSpace("network", (spec.Block((spec.Conv(3),), 8),))
    assert traversal.validate_indices(network, ()) == ()
    with pytest.raises(InputError, match="1 index was given, but network has no choices"):
        traversal.validate_indices(network, (0,))


def test_prune_selects_at_every_depth():
    space = _nested_space()
    pruned = traversal.prune(space, (1, 2, 1, 0, 0))
    assert traversal.choices_of(pruned) == ()
    assert pruned.blocks[1] == spec.Block(
        (spec.Residual(spec.Bottleneck(5, spec.Expansion(3), True)),), 8
    )
    skipped = traversal.prune(space, (1, 2, 1, 1, 0))
    assert skipped.blocks[1] == spec.Block((spec.Residual(spec.Zero()),), 8)


def test_one_of_refuses_nonsense():
    with pytest.raises(ValueError, match="at least one"):
        OneOf((), OPERATION)
    with pytest.raises(ValueError, match="tag"):
        OneOf((1, 2), "operations")
