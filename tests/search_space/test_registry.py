"""Spaces by name, a user's own, and the filters multiplier."""

import pytest

from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import registry, spec
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf

_OWN_MODULE = """
from tunas_tf.search_space import spec

def tiny():
    return spec.SearchSpace("anything", (spec.Block((spec.Conv(3),), 8),))

def wrong():
    return "no space"

constant = 3
"""


@pytest.fixture(name="own_module")
def _own_module(tmp_path, monkeypatch):
    (tmp_path / "own_spaces.py").write_text(_OWN_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_published_spaces_are_registered_under_their_names():
    assert "proxylessnas_search" in search_space.names()
    for name in search_space.names():
        space = search_space.get(name)
        assert space.name == name
        if space.reference_indices:
            search_space.validate_indices(space, space.reference_indices)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="no search space 'nothing'.*proxylessnas_search"):
        search_space.get("nothing")


def test_own_space_is_named_by_where_it_is_defined(own_module):
    space = search_space.get("own_spaces:tiny")
    assert space.name == "own_spaces:tiny"
    assert space.blocks[0].filters == 8
    assert search_space.get("own_spaces:tiny", 3.0).blocks[0].filters == 24


@pytest.mark.parametrize(
    "ssd, message",
    [
        ("own_spaces:missing", "cannot be imported"),
        ("no_such_module:tiny", "cannot be imported"),
        (":tiny", "cannot be imported"),
        (".own_spaces:tiny", "cannot be imported"),
        ("own_spaces:wrong", "gives a str"),
        ("own_spaces:constant", "gives a int"),
    ],
)
def test_own_space_that_does_not_work(own_module, ssd, message):
    with pytest.raises(InputError, match=message):
        search_space.get(ssd)


def test_scale_changes_filters_and_integer_expansions_only():
    bottleneck = spec.Bottleneck(
        kernel_size=OneOf((3, 5), OPERATION),
        expansion=OneOf((spec.Expansion(3), 40), FILTERS),
        strides=2,
    )
    blocks = (spec.Block((bottleneck, spec.Conv(3)), OneOf((16, 24), FILTERS)),)
    scaled = registry.scale(spec.SearchSpace("s", blocks), 0.5).blocks[0]
    assert scaled.filters.choices == (8, 16)  # 24 / 2 = 12, halfway, goes up.
    assert scaled.layers[0].expansion.choices == (spec.Expansion(3), 24)  # 20 goes up.
    assert scaled.layers[0].kernel_size.choices == (3, 5)
    assert scaled.layers[0].strides == 2
    assert scaled.layers[1] == spec.Conv(3)


def test_ratios_follow_the_scaled_filters():
    space = search_space.get("proxylessnas_search", 0.5)
    assert [b.filters.choices[0] for b in space.blocks] == [
        16, 8, 16, 24, 40, 48, 96, 160, 640
    ]  # fmt: skip
    network = search_space.resolve(space, space.reference_indices)
    first = network.blocks[2].layers[0]
    assert (first.kernel_size, first.expansion) == (5, 24)  # 3 x 8 filters.


@pytest.mark.parametrize("multiplier", [0.0, -1.0, float("nan"), float("inf")])
def test_multiplier_must_be_a_positive_number(multiplier):
    with pytest.raises(InputError, match="filters_multiplier"):
        search_space.get("proxylessnas_search", multiplier)
