"""Search spaces with networks that cannot be built are refused, with the place."""

import json

import example_spaces
import pytest

from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec, validation
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf

_STEM = spec.Block((spec.Conv(3, strides=2), spec.Activation("relu")), 8)
_NARROW_OR_WIDE = OneOf((8, 16), FILTERS)


def _space(*layers, filters=8, stem=_STEM) -> spec.SearchSpace:
    return spec.SearchSpace("own", (stem, spec.Block(layers, filters)))


def _choice(*options) -> OneOf:
    return OneOf(options, OPERATION)


@pytest.mark.parametrize(
    "space",
    [
        _space(spec.Residual(spec.Conv(3)), spec.GlobalPool()),
        _space(spec.Endpoint(), spec.Conv(3)),
        _space(spec.Activation("swish6"), filters=OneOf((8,), FILTERS)),
        _space(_choice(spec.Conv(3, 2), spec.Bottleneck(3, 16, strides=2))),
        _space(_choice(_choice(spec.Conv(3), spec.Zero()), spec.Residual(spec.Conv(1)))),
        _space(spec.Conv(_choice(3, 5)), spec.Residual(spec.Zero()), filters=_NARROW_OR_WIDE),
        _space(spec.Bottleneck(3, OneOf((spec.Expansion(0.5), 24), FILTERS), _choice(False, True))),
        example_spaces.mixed_space(),
        *(example_spaces.random_space(seed) for seed in range(3)),
    ],
)
def test_sound_spaces(space):
    validation.check(space)


@pytest.mark.parametrize(
    "layers, message",
    [
        # Unequal sizes of feature maps.
        ([spec.Residual(spec.Conv(3, 2))], "Residual at blocks/1/layers/0 changes the size"),
        (
            [spec.Residual(_choice(spec.Bottleneck(3, 16, strides=2), spec.Zero()))],
            "options at blocks/1/layers/0/layer have different strides",
        ),
        (
            [spec.Residual(_choice(spec.Conv(3, 2), spec.Bottleneck(3, 16, strides=2)))],
            "within the Residual at blocks/1/layers/0 changes the size",
        ),
        (
            [spec.Conv(1), _choice(spec.Conv(3, 2), spec.Zero())],
            "options at blocks/1/layers/1 have different strides; give all of them the same",
        ),
        (
            [_choice(spec.Conv(3), _choice(spec.Conv(5, 2), spec.SeparableConv(3, 2)))],
            "options at blocks/1/layers/0 have different strides",
        ),
        (
            [spec.Residual(_choice(spec.Residual(spec.Conv(3)), spec.Zero()))],
            "the Residual at blocks/1/layers/0 holds another Residual; leave one of them out",
        ),
        # What no network may lack.
        (
            [spec.Residual(spec.Endpoint())],
            "Endpoint at blocks/1/layers/0/layer is within another layer",
        ),
        (
            [_choice(spec.Endpoint(), spec.Zero())],
            "Endpoint at blocks/1/layers/0/choices/0 is within another layer",
        ),
        ([_choice(spec.GlobalPool(), spec.Conv(1))], "layers/0 have different strides"),
        # Fields.
        ([spec.Activation("Relu")], "kind at blocks/1/layers/0 is 'Relu'; .* one of relu, relu6"),
        ([spec.SeparableConv(3, activation="swish")], "activation at .*'swish'; it must be one"),
        ([spec.Conv(0)], "kernel_size at blocks/1/layers/0 is 0; it must be an integer above 0"),
        ([spec.Conv(_choice(3, "5"))], "kernel_size at .* or a OneOf of these"),
        ([spec.Conv(3, strides=_choice(1, 2))], "strides at .*; it must be an integer above 0.$"),
        ([spec.Bottleneck(3, 6.0)], "expansion at .* is 6.0; it must be a number of filters or"),
        ([spec.Bottleneck(3, spec.Expansion(-1))], "expansion at .*ratio=-1.*above 0"),
        ([spec.Bottleneck(3, 16, "yes")], "squeeze_and_excite at .* is 'yes'; .* True or False"),
        (
            [spec.TuckerBottleneck(3, spec.Expansion(1), 0)],
            "output_compression at blocks/1/layers/0 is 0",
        ),
        ([_choice(spec.Conv(3), spec.Conv(3, batch_norm=1))], "batch_norm at .*/choices/1 is 1"),
        # Layers and blocks.
        ([3], "3 at blocks/1/layers/0 is no layer"),
        ([spec.Expansion(3)], "at blocks/1/layers/0 is no layer"),
        ([spec.Residual(_choice(3, 5))], "3 at blocks/1/layers/0/layer/choices/0 is no layer"),
        ([], "blocks/1 has no layers"),
    ],
)
def test_layers_that_do_not_work(layers, message):
    with pytest.raises(InputError, match=message):
        validation.check(_space(*layers))


@pytest.mark.parametrize(
    "layer",
    [
        spec.Residual(spec.Conv(3)),
        spec.GlobalPool(),
        spec.Activation("relu"),
        spec.Endpoint(),
        _choice(spec.Conv(3), spec.Residual(spec.Conv(3))),
    ],
)
def test_first_layers_that_keep_the_filters(layer):
    searched = spec.Block(_STEM.layers, _NARROW_OR_WIDE)
    validation.check(_space(layer))
    for space in (
        _space(layer, filters=16),
        _space(layer, filters=_NARROW_OR_WIDE),
        _space(layer, stem=searched),
        # Two choices between the same filters are made independently.
        _space(layer, filters=_NARROW_OR_WIDE, stem=searched),
    ):
        with pytest.raises(InputError, match="first layer of blocks/1 keeps the number of chann"):
            validation.check(space)
    with pytest.raises(InputError, match="first layer of blocks/0"):
        validation.check(spec.SearchSpace("own", (spec.Block((layer,), 8),)))
    # Behind a layer that sets them they may be searched.
    validation.check(_space(spec.Conv(1), layer, filters=_NARROW_OR_WIDE))


@pytest.mark.parametrize("filters", [0, -8, 16.0, "16", True, None, OneOf((8, 8.5), FILTERS)])
def test_filters_must_be_whole_numbers(filters):
    with pytest.raises(InputError, match="filters at blocks/1 is .*an integer above 0"):
        validation.check(_space(spec.Conv(3), filters=filters))


@pytest.mark.parametrize(
    "space, place, tag",
    [
        (_space(OneOf((spec.Conv(3), spec.Zero()), FILTERS)), "layers/0", OPERATION),
        (_space(spec.Residual(OneOf((spec.Conv(3),), FILTERS))), "layers/0/layer", OPERATION),
        (
            _space(_choice(spec.Conv(3), OneOf((spec.Conv(5), spec.Zero()), FILTERS))),
            "layers/0/choices/1",
            OPERATION,
        ),
        (_space(spec.SeparableConv(OneOf((3, 5), FILTERS))), "layers/0/kernel_size", OPERATION),
        (
            _space(spec.Bottleneck(3, 16, OneOf((False, True), FILTERS))),
            "layers/0/squeeze_and_excite",
            OPERATION,
        ),
        (_space(spec.FusedBottleneck(3, _choice(8, 16))), "layers/0/expansion", FILTERS),
        (
            _space(spec.TuckerBottleneck(3, _choice(8, 16), 8)),
            "layers/0/input_compression",
            FILTERS,
        ),
        (
            _space(spec.TuckerBottleneck(3, 8, _choice(spec.Expansion(1), 8))),
            "layers/0/output_compression",
            FILTERS,
        ),
        (_space(spec.Conv(3), filters=_choice(8, 16)), "filters", FILTERS),
    ],
)
def test_tag_must_say_what_is_chosen(space, place, tag):
    """The controller warms operations up in one way, filters in another."""
    message = f"the OneOf at blocks/1/{place} has the tag .*; it must be {tag!r}"
    with pytest.raises(InputError, match=message):
        validation.check(space)
    with pytest.raises(ValueError, match=message):
        architecture_lib.space_from_json(json.loads(json.dumps(architecture_lib.to_json(space))))


@pytest.mark.parametrize(
    "blocks, message",
    [
        ((), "blocks is .*give a tuple of at least one Block"),
        ([_STEM], "blocks is .*give a tuple"),
        (_STEM, "blocks is .*give a tuple"),
        ((_STEM, spec.Conv(3)), "blocks/1 is Conv.*give a Block"),
        ((spec.Block([spec.Conv(3)], 8),), "blocks/0 is Block.*a tuple of layers"),
    ],
)
def test_towers_of_another_form(blocks, message):
    with pytest.raises(InputError, match=message):
        validation.check(spec.SearchSpace("own", blocks))


def test_reference_network_must_be_one_of_the_space():
    blocks = _space(spec.Conv(_choice(3, 5))).blocks
    validation.check(spec.SearchSpace("own", blocks, reference_indices=(1,)))
    for indices in ((2,), (0, 0)):
        with pytest.raises(InputError, match="reference_indices do not fit: .* own "):
            validation.check(spec.SearchSpace("own", blocks, reference_indices=indices))


def test_lookup_refuses_such_a_space(monkeypatch):
    monkeypatch.setitem(
        search_space.registry._SPACES,  # pylint: disable=protected-access
        "unsound",
        lambda: _space(spec.Conv(0)),
    )
    with pytest.raises(InputError, match="'unsound' does not hold together: kernel_size at"):
        search_space.get("unsound")
