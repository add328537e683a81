"""The pieces of a network add up to the network."""

import example_spaces
import numpy as np
import pytest

from tunas_tf import search_space
from tunas_tf.cost_model import units
from tunas_tf.search_space import arithmetic, operations, spec, traversal

SPACES = (
    "proxylessnas_search",
    "proxylessnas_enlarged_search",
    "mobilenet_v3_like_search",
    "mobiledet_edgetpu_search",
)


def _madds(operation) -> int:
    if isinstance(operation, operations.Convolution):
        area = operation.kernel_size**2 * operation.size**2
        return area * operation.input_filters * operation.filters
    if isinstance(operation, operations.Depthwise):
        return operation.kernel_size**2 * operation.size**2 * operation.filters
    return 0


@pytest.mark.parametrize("ssd", (*SPACES, "mixed"))
def test_pieces_add_up_to_the_network(ssd):
    space = example_spaces.mixed_space() if ssd == "mixed" else search_space.get(ssd)
    slots = units.unit_slots(space, 96, 10)
    choices = traversal.choices_of(space)
    generator = np.random.default_rng(3)
    for _ in range(5):
        indices = [int(generator.integers(choice.num_options)) for choice in choices]
        found = units.units_of(space, slots, indices)
        expected = arithmetic.count(search_space.resolve(space, indices), 96, 10)
        assert sum(_madds(o) for unit in found for o in unit.operations()) == expected.madds


def test_activations_and_pools_belong_to_the_layer_before():
    space = search_space.get("proxylessnas_search")
    found = units.units_of(space, units.unit_slots(space, 224, 1001), space.reference_indices)
    assert found[0] == units.Unit((spec.Conv(3, 2), spec.Activation("relu")), 3, 32, 224)
    head, classifier = found[-2:]
    assert head == units.Unit(
        (spec.Conv(1), spec.Activation("relu"), spec.GlobalPool()), 320, 1280, 7
    )
    assert classifier.layers[0] == spec.Conv(1, batch_norm=False)
    assert (classifier.input_filters, classifier.filters, classifier.input_size) == (1280, 1001, 1)
    # Stem, separable convolution, 21 bottlenecks, head, classifier.
    assert len(found) == 25
    skipped = [unit for unit in found if not unit.operations()]
    assert len(skipped) == 2  # ProxylessNAS-Mobile skips two layers.
