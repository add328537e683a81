"""Cost models by name or path: which networks they price, and what they refuse."""

import dataclasses

import example_spaces
import numpy as np
import pytest

from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import files, tables
from tunas_tf.search_space import spec


@pytest.fixture(name="mixed_file")
def _mixed_file(tmp_path) -> str:
    """A file with figures for `mixed`: its multiply-adds at 64 pixels."""
    path = str(tmp_path / "mixed.json")
    files.save(cost_model.get("madds", example_spaces.mixed_space(), 64, 10), path, {})
    return path


def test_a_path_gives_the_model_of_the_file(mixed_file):
    space = example_spaces.mixed_space()
    expected = cost_model.get("madds", space, 64, 10)
    everything = example_spaces.all_indices(space)
    # The figures hold as they are, whatever the images and classes.
    for arguments in ((), (32, 5)):
        model = cost_model.get(mixed_file, space, *arguments)
        np.testing.assert_array_equal(model.cost(everything), expected.cost(everything))
    assert set(cost_model.ignored_inputs(mixed_file)) == {"image_size", "num_classes"}


def test_the_reference_network_is_that_of_the_given_space(mixed_file):
    indices = (1, 1, 1, 0, 1, 0, 0, 1, 2, 0, 1)
    space = dataclasses.replace(example_spaces.mixed_space(), reference_indices=indices)
    expected = float(cost_model.get("madds", space, 64, 10).cost(indices))
    assert cost_model.get(mixed_file, space).reference_cost() == expected
    assert cost_model.get(mixed_file, example_spaces.mixed_space()).reference_cost() != expected


def test_image_size_of_the_figures():
    space = search_space.get("proxylessnas_search")
    assert cost_model.get("pixel1", space).image_size == 224
    assert cost_model.get("madds", space, image_size=96).image_size is None


def _with_block(number, **changes) -> spec.SearchSpace:
    space = example_spaces.mixed_space()
    blocks = list(space.blocks)
    blocks[number] = dataclasses.replace(blocks[number], **changes)
    return dataclasses.replace(space, blocks=tuple(blocks))


@pytest.mark.parametrize(
    "make_space, message",
    [
        (
            lambda: dataclasses.replace(_with_block(1, filters=24), name="other"),
            "networks of mixed, not of other",
        ),
        (lambda: _with_block(1, filters=24), "blocks/1/filters was 16 and is 24"),
        (
            lambda: _with_block(2, filters=spec.OneOf((16, 24), spec.FILTERS)),
            "blocks/2/filters/choices/2 was 40 and is nothing",
        ),
        (
            lambda: _with_block(3, layers=(spec.Conv(3),)),
            "blocks/3/layers/0/type was Bottleneck and is Conv",
        ),
        (
            lambda: dataclasses.replace(example_spaces.mixed_space(), filter_base=4),
            "filter_base was 8 and is 4",
        ),
    ],
)
def test_other_spaces_are_refused(mixed_file, make_space, message):
    with pytest.raises(InputError, match=f"cost model {mixed_file} has figures for .*{message}"):
        cost_model.get(mixed_file, make_space())


@pytest.mark.parametrize(
    "ssd", ["proxylessnas_doubled_every_block_search", "proxylessnas_doubled_every_stride2_search"]
)
def test_figures_of_searched_filters_price_spaces_with_fixed_ones(ssd):
    space = search_space.get(ssd)
    enlarged = search_space.get("proxylessnas_enlarged_search")
    of_enlarged = cost_model.get("x86_litert", enlarged)
    model = cost_model.get("x86_litert", space)
    num_options = [choice.num_options for choice in search_space.choices_of(space)]
    generator = np.random.default_rng(0)
    for _ in range(5):
        indices = tuple(generator.integers(num_options).tolist())
        same = search_space.locate(enlarged, search_space.resolve(space, indices))
        assert float(model.cost(indices)) == pytest.approx(float(of_enlarged.cost(same)))
    assert cost_model.default_name(space) == "x86_litert"
    assert model.reference_cost() == pytest.approx(float(model.cost(space.reference_indices)))


@pytest.mark.parametrize(
    "filters, kept",
    [
        (spec.OneOf((40, 16), spec.FILTERS), (2, 0)),
        (spec.OneOf((40, 32), spec.FILTERS), None),
        (16, None),
    ],
)
def test_options_may_be_left_out_but_not_the_choice(mixed_file, filters, kept):
    """The third block of `mixed` has a choice of 16, 24 or 40 filters."""
    mixed = example_spaces.mixed_space()
    position = next(
        number
        for number, choice in enumerate(search_space.choices_of(mixed))
        if choice.path == "blocks/2/filters"
    )
    space = dataclasses.replace(_with_block(2, filters=filters), name="other")
    if kept is None:
        with pytest.raises(InputError, match="networks of mixed, not of other"):
            cost_model.get(mixed_file, space)
        return
    model = cost_model.get(mixed_file, space)
    everything = example_spaces.all_indices(space)
    there = np.array(everything)
    there[:, position] = np.take(kept, there[:, position])
    expected = cost_model.get("madds", mixed, 64, 10).cost(there)
    np.testing.assert_allclose(model.cost(everything), expected)


def test_unknown_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = example_spaces.mixed_space()
    network = search_space.resolve(space, (0,) * 11)
    for call in (
        lambda: cost_model.get("energy", space),
        lambda: cost_model.ignored_inputs("energy"),
        lambda: cost_model.architecture_cost("energy", network),
    ):
        message = "no cost model 'energy'; use one of pixel1, x86_litert, madds, params, or the "
        with pytest.raises(
            InputError, match=message + "path of a cost model file .there is no file"
        ):
            call()
    (tmp_path / "energy").write_text("{}")
    with pytest.raises(InputError, match="the cost model file energy cannot be used"):
        cost_model.get("energy", space)
    (tmp_path / "params").write_text("{}")  # Built-in names come first.
    assert cost_model.get("params", space).name == "params"
    with pytest.raises(InputError, match="the cost model file ./params cannot be used"):
        cost_model.get("./params", space)


@pytest.mark.parametrize("name", cost_model.NAMES)
def test_ignored_inputs_make_no_difference(name):
    space = search_space.get("proxylessnas_search")
    baseline = cost_model.get(name, space).reference_cost()
    changed = {
        "image_size": cost_model.get(name, space, image_size=96).reference_cost(),
        "num_classes": cost_model.get(name, space, num_classes=10).reference_cost(),
    }
    unchanged = {argument for argument, cost in changed.items() if cost == baseline}
    assert unchanged == set(cost_model.ignored_inputs(name))


@pytest.mark.parametrize("name", ["madds", "params"])
def test_architecture_cost_needs_no_space(name):
    space = example_spaces.mixed_space()  # Not registered: nobody can look it up.
    for indices in example_spaces.all_indices(space)[::97]:
        network = search_space.resolve(space, indices)
        expected = float(cost_model.get(name, space, 32, 5).cost(indices))
        assert cost_model.architecture_cost(name, network, 32, 5) == (expected, name)


def test_published_figures_price_networks_of_other_spaces():
    space = search_space.get("proxylessnas_search")
    reference = search_space.resolve(space, space.reference_indices)
    expected = cost_model.get("pixel1", space).reference_cost()
    assert expected == pytest.approx(84.416, abs=5e-4)
    assert cost_model.architecture_cost("pixel1", reference) == (expected, "ms")
    # The same network under its own name, as a network of the enlarged space, and as that of
    # a space that nobody knows.
    enlarged = search_space.get("proxylessnas_enlarged_search")
    for network in (
        search_space.resolve(search_space.get("proxylessnas_mobile"), ()),
        search_space.resolve(enlarged, enlarged.reference_indices),
        dataclasses.replace(reference, ssd="gone", indices=(5, 5)),
    ):
        assert cost_model.architecture_cost("pixel1", network) == (expected, "ms")


@pytest.mark.parametrize(
    "make_network",
    [
        lambda: search_space.resolve(search_space.get("mobilenet_v2"), ()),
        lambda: search_space.resolve(search_space.get("proxylessnas_search", 2.0), (0,) * 73),
        lambda: search_space.resolve(example_spaces.mixed_space(), (0,) * 11),
    ],
)
def test_published_figures_refuse_networks_outside_their_space(make_network):
    with pytest.raises(InputError, match="pixel1 knows the networks of proxylessnas_search .*none"):
        cost_model.architecture_cost("pixel1", make_network())


def test_a_network_at_several_indices_costs_what_its_own_say(tmp_path):
    """Two expansions that round to the same filters, with figures that differ."""
    expansions = spec.OneOf((spec.Expansion(1.0), spec.Expansion(1.1)), spec.FILTERS)
    blocks = (
        spec.Block((spec.Conv(3, 2),), 8),
        spec.Block((spec.Bottleneck(3, expansions),), 8),
    )
    space = spec.SearchSpace("rounded", blocks)
    table = tables.Table((0,), np.array([1.0, 2.0]))
    path = str(tmp_path / "rounded.json")
    files.save(tables.CostModel("rounded", "mJ", space, (table,), 10.0), path, {})
    networks = [search_space.resolve(space, (index,)) for index in (0, 1)]
    assert networks[0].blocks == networks[1].blocks
    costs = [cost_model.architecture_cost(path, network) for network in networks]
    assert costs == [(11.0, "mJ"), (12.0, "mJ")]


_CALIBRATED = ("proxylessnas_search", "proxylessnas_enlarged_search", "mobilenet_v3_like_search")


@pytest.mark.parametrize("ssd", _CALIBRATED)
def test_shipped_latencies_of_an_x86_core(ssd):
    space = search_space.get(ssd)
    model = cost_model.get("x86_litert", space)
    assert (model.name, model.unit, model.image_size) == ("x86_litert", "ms", 224)
    num_options = [choice.num_options for choice in search_space.choices_of(space)]
    generator = np.random.default_rng(0)
    drawn = generator.integers(num_options, size=(2000, len(num_options)))
    latencies = model.cost(drawn)
    assert latencies.min() > 1 and np.all(np.isfinite(latencies))
    madds = cost_model.get("madds", space).cost(drawn)
    assert np.corrcoef(latencies, madds)[0, 1] > 0.5


def test_one_network_costs_about_the_same_in_both_spaces_that_hold_it():
    # Two calibrations, each with its own pieces and networks.
    network = search_space.resolve(search_space.get("proxylessnas_mobile"), ())
    costs = []
    for ssd in _CALIBRATED[:2]:
        space = search_space.get(ssd)
        indices = search_space.locate(space, network)
        costs.append(float(cost_model.get("x86_litert", space).cost(indices)))
    assert costs[0] == pytest.approx(costs[1], rel=0.08)


@pytest.mark.parametrize(
    "ssd, expected",
    [
        ("proxylessnas_search", "pixel1"),
        ("proxylessnas_enlarged_search", "x86_litert"),
        ("mobilenet_v3_like_search", "x86_litert"),
        ("quickstart_search", "madds"),
        ("mobiledet_edgetpu_search", "madds"),
    ],
)
def test_default_cost_model_of_a_space(ssd, expected):
    assert cost_model.default_name(search_space.get(ssd)) == expected
    # Other filters are other networks.
    assert cost_model.default_name(search_space.get(ssd, 0.5)) == "madds"


@pytest.mark.parametrize(
    "ssd, expected",
    [
        ("proxylessnas_mobile", "pixel1"),
        ("mobilenet_v2", "x86_litert"),
        ("proxylessnas_cpu", "madds"),
    ],
)
def test_default_cost_model_of_a_network(ssd, expected):
    network = search_space.resolve(search_space.get(ssd), ())
    assert cost_model.default_name(network) == expected
