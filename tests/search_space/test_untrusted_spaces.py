"""Spaces and networks from files that anybody may have written."""

import copy
import json

import example_spaces
import pytest

from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import registry, spec, validation

_SPACE = example_spaces.mixed_space()
_NETWORK = search_space.resolve(_SPACE, (0,) * 11)


def _stem(value) -> dict:
    return value["blocks"][0]["layers"][0]


def _first_choice(value) -> dict:
    """The first OneOf of a space, depth first."""
    if isinstance(value, dict):
        if value.get("type") == "OneOf":
            return value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        if found := _first_choice(item):
            return found
    return {}


def test_what_was_written_is_read():
    value = json.loads(json.dumps(architecture_lib.to_json(_SPACE)))
    assert architecture_lib.space_from_json(value) == _SPACE
    value = json.loads(json.dumps(architecture_lib.to_json(_NETWORK)))
    assert architecture_lib.network_from_json({**value, "cost": 1.0}) == _NETWORK


@pytest.mark.parametrize("name", search_space.names())
def test_every_space_and_its_networks_can_be_stored(name):
    space = search_space.get(name)
    assert (
        architecture_lib.space_from_json(json.loads(json.dumps(architecture_lib.to_json(space))))
        == space
    )
    choices = search_space.choices_of(space)
    network = search_space.resolve(space, [choice.num_options - 1 for choice in choices])
    assert (
        architecture_lib.network_from_json(
            json.loads(json.dumps(architecture_lib.to_json(network)))
        )
        == network
    )


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda v: _first_choice(v).update(choices="ab"), "the OneOf at .* has 'ab' as its choic"),
        (lambda v: _first_choice(v).update(choices=5), "the OneOf at .* has 5 as its choices"),
        (lambda v: _first_choice(v).update(choices=[[8]]), "is .*; it must be|is no layer"),
        (lambda v: _stem(v).update(kernel_size=2**31), "kernel_size at .*2,147,483,647 at most"),
        (lambda v: _stem(v).update(kernel_size=10**5000), "is a huge integer; it must be"),
        (lambda v: v["blocks"][0].update(filters=2**40), "filters at blocks/0 is 1099511627776; "),
        (lambda v: v.update(name="a\x1b[2J"), "its name is 'a.x1b.2J' rather than a line of text"),
        (lambda v: v.update(filter_base=0.5), "filter_base is 0.5; it must be an integer above 0"),
        (lambda v: v.update(reference_indices=["0"]), "reference_indices is .'0',.; it must be"),
        (lambda v: v.update(reference_indices="0"), "reference_indices is '0'; it must be a tuple"),
        (lambda v: v.update(type="Block"), "TypeError"),
        (lambda v: v.update(type="os.system"), "KeyError: 'os.system'"),
        (lambda v: v.update(__class__="x"), "TypeError: .*unexpected keyword argument"),
    ],
)
def test_damaged_spaces(damage, message):
    value = copy.deepcopy(json.loads(json.dumps(architecture_lib.to_json(_SPACE))))
    damage(value)
    with pytest.raises(ValueError, match=message):
        architecture_lib.space_from_json(value)


@pytest.mark.parametrize("ratio", [0, -1, 2**20 + 1, float("nan"), float("inf"), True, "1"])
def test_ratios(ratio):
    layer = spec.Bottleneck(3, spec.Expansion(ratio))
    space = spec.SearchSpace("own", (spec.Block((spec.Conv(3), layer), 8),))
    with pytest.raises(InputError, match="expansion at blocks/0/layers/1 is Expansion"):
        validation.check(space)


def test_layers_of_too_many_options():
    """Whoever tabulates costs would go through all of them."""

    def space(num_options, num_filters):
        kernels = spec.OneOf(tuple(range(1, 1 + num_options)), spec.OPERATION)
        ratios = tuple(spec.Expansion(i) for i in range(1, 101))
        layer = spec.Bottleneck(kernels, spec.OneOf(ratios, spec.FILTERS))
        filters = spec.OneOf(tuple(range(8, 8 + num_filters)), spec.FILTERS)
        return spec.SearchSpace("own", (spec.Block((spec.Conv(3), layer), filters),))

    validation.check(space(100, 10))
    with pytest.raises(InputError, match="of blocks/0/layers/1 .* 110000 combin.*100,000 at most"):
        validation.check(space(100, 11))


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda v: v.update(ssd=3), "its ssd is 3 rather than a line of text"),
        (lambda v: v.update(indices="0:x"), "indices '0:x' cannot be read"),
        (lambda v: v.update(blocks=[]), "blocks is "),
        (lambda v: _stem(v).update(strides=0), "strides at blocks/0/layers/0 is 0"),
        (
            lambda v: v["blocks"][1]["layers"].append(
                architecture_lib.to_json(spec.Bottleneck(3, spec.Expansion(3.0)))
            ),
            "it has an Expansion where a number of filters belongs",
        ),
    ],
)
def test_damaged_networks(damage, message):
    value = json.loads(json.dumps(architecture_lib.to_json(_NETWORK)))
    damage(value)
    with pytest.raises(ValueError, match=message):
        architecture_lib.network_from_json(value)


@pytest.mark.parametrize("multiplier", [1e6 + 1, 1e306])
def test_multipliers_have_a_limit(multiplier):
    registry.scale(_SPACE, 1e6)
    with pytest.raises(InputError, match="filters_multiplier is .* above 0, 1,000,000 at most"):
        registry.scale(_SPACE, multiplier)
