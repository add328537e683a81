"""Spaces by name, a user's own, and the filters multiplier."""

import sys

import pytest

from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import registry, spec
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf

_TINY = """
from tunas_tf.search_space import register, spec

@register
def tiny():
    return spec.SearchSpace("anything", (spec.Block((spec.Conv(3),), 8),))
"""


@pytest.fixture(name="write_module")
def _write_module(tmp_path, monkeypatch):
    """Writes a module into the current directory, and forgets about it after the test."""
    monkeypatch.chdir(tmp_path)
    known = dict(registry._SPACES)  # pylint: disable=protected-access
    monkeypatch.setattr(registry, "_SPACES", known)
    # As in a console script, whose path does not have the current directory.
    path = [entry for entry in sys.path if entry not in ("", str(tmp_path))]
    monkeypatch.setattr(sys, "path", path)
    written = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        written.append(name)

    yield write
    registry.import_module.cache_clear()
    for name in written:
        sys.modules.pop(name, None)


def test_published_spaces_are_registered_under_their_names():
    assert "proxylessnas_search" in search_space.names()
    for name in search_space.names():
        space = search_space.get(name)
        assert space.name == name
        # A space has a reference network; a network is one itself.
        assert bool(space.reference_indices) == bool(search_space.choices_of(space))
        search_space.validate_indices(space, space.reference_indices)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="no search space 'nothing'; use one of .*proxylessnas_s"):
        search_space.get("nothing")


@pytest.mark.parametrize(
    "typo, meant",
    [
        ("mobilenet_v3_larg", "mobilenet_v3_large"),
        ("proxylesnas_search", "proxylessnas_search"),
        ("mobiledet-edgetpu", "mobiledet_edgetpu"),
    ],
)
def test_typo_is_answered_with_the_close_name(typo, meant):
    with pytest.raises(InputError, match=f"no search space '{typo}'; did you mean {meant}\\? "):
        search_space.get(typo)


def test_own_space_has_the_name_of_its_function(write_module):
    write_module("own_spaces", _TINY)
    search_space.import_module("own_spaces")
    assert "tiny" in search_space.names()
    space = search_space.get("tiny")
    assert space.name == "tiny"
    assert space.blocks[0].filters == 8
    assert search_space.get("tiny", 3.0).blocks[0].filters == 24
    search_space.import_module("own_spaces")  # Once more changes nothing.


def test_module_that_somebody_imported_before(write_module):
    write_module("own_spaces", _TINY)
    search_space.import_module("own_spaces")
    registry.import_module.cache_clear()
    search_space.import_module("own_spaces")
    assert search_space.get("tiny").name == "tiny"


def test_module_that_collects_the_spaces_of_others(write_module):
    write_module("own_spaces", _TINY)
    write_module("collection", "import own_spaces")
    search_space.import_module("collection")
    assert "tiny" in search_space.names()
    search_space.import_module("collection")


@pytest.mark.parametrize(
    "text, message",
    [
        (_TINY.replace("@register", ""), "'faulty' registers no search space; put `@register`"),
        ("1 / 0", r"'faulty' cannot be imported \(ZeroDivisionError: division by zero\)"),
        ("def (", "'faulty' cannot be imported .SyntaxError"),
        ("import nowhere", "'faulty' cannot be imported .*No module named 'nowhere'"),
        (
            _TINY.replace("tiny", "proxylessnas_search"),
            "a search space 'proxylessnas_search' already; call yours something else",
        ),
    ],
)
def test_module_that_does_not_work(write_module, text, message):
    write_module("faulty", text)
    for _ in range(2):  # The second time is no better.
        with pytest.raises(InputError, match=message):
            search_space.import_module("faulty")
    assert search_space.get("proxylessnas_search").blocks[-1].filters.choices == (1280,)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.spaces", ".nowhere", "", "nowhere.py", "a b"])
def test_module_that_is_not_there(write_module, name):
    with pytest.raises(InputError, match=f"{name!r} cannot be imported .*give the name of a mod"):
        search_space.import_module(name)


def test_module_without_spaces_that_is_imported_already(write_module):
    with pytest.raises(InputError, match="'json' registers no search space"):
        search_space.import_module("json")


@pytest.mark.parametrize(
    "body, message",
    [
        ("return 'no space'", "the search space 'tiny' is a str; .* must return a SearchSpace"),
        ("return tiny", "the search space 'tiny' is a function"),
        ("return spec.SearchSpace()", "'tiny' cannot be built .TypeError: .*'name' and 'blocks'"),
        (
            "return spec.OneOf((3, 5), 'operation')",
            "'tiny' cannot be built .ValueError: OneOf tag is 'operation'; use 'op_indices'",
        ),
    ],
)
def test_function_that_gives_no_space(write_module, body, message):
    write_module("own_spaces", _TINY.partition("    return")[0] + f"    {body}\n")
    search_space.import_module("own_spaces")
    with pytest.raises(InputError, match=message):
        search_space.get("tiny")
    assert search_space.get("proxylessnas_search").name == "proxylessnas_search"


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
