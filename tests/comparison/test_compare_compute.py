"""The accounting of compute, against counts by hand."""

import numpy as np
import pytest

from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.comparison.compute import SupernetCount, search_madds, training_madds
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf

# At 16 x 16 pixels: stem 9 * 3 * 8 at 8 x 8; classifier of 2 classes 8 * 2.
STEM, CLASSIFIER = 64 * 9 * 3 * 8, 16
# At 8 x 8, expanded to the largest, 16 filters: both 1x1 convolutions, and kernels 3 and 5.
POINTWISE = 64 * (8 * 16 + 16 * 8)
KERNEL_3, KERNEL_5 = 64 * 9 * 16, 64 * 25 * 16


def _count_of(execution: str) -> SupernetCount:
    """Choices: kernel size, expansion, whether the layer is there."""
    bottleneck = spec.Bottleneck(
        OneOf((3, 5), OPERATION), OneOf((spec.Expansion(1), spec.Expansion(2)), FILTERS)
    )
    blocks = (
        spec.Block((spec.Conv(3, 2), spec.Activation("relu")), 8),
        spec.Block(
            (spec.Residual(OneOf((bottleneck, spec.Zero()), OPERATION)), spec.GlobalPool()), 8
        ),
    )
    return SupernetCount(spec.SearchSpace("small", blocks), 16, 2, execution)


@pytest.fixture(name="count")
def _count() -> SupernetCount:
    return _count_of("mask")


@pytest.mark.parametrize(
    "in_use, layer",
    [
        # A narrow network costs as much as a wide one: kernels are masked.
        ([(0,), (0,), (0,)], POINTWISE + KERNEL_3),
        ([(1,), (1,), (0,)], POINTWISE + KERNEL_5),
        ([(1,), (1,), (1,)], 0),
        # In warmup both kernel sizes run, but the 1x1 convolutions once.
        ([(0, 1), (1,), (0,)], POINTWISE + KERNEL_3 + KERNEL_5),
        ([(0, 1), (0, 1), (0, 1)], POINTWISE + KERNEL_3 + KERNEL_5),
        ([(0,), (1,), (0, 1)], POINTWISE + KERNEL_3),
    ],
)
def test_a_sample(count, in_use, layer):
    assert count.forward(in_use) == STEM + layer + CLASSIFIER


@pytest.mark.parametrize(
    "in_use, layer",
    [
        # Half of the filters between the 1x1 convolutions.
        ([(0,), (0,), (0,)], (POINTWISE + KERNEL_3) / 2),
        ([(0,), (1,), (0,)], POINTWISE + KERNEL_3),
        # In warmup the larger of both.
        ([(0,), (0, 1), (0,)], POINTWISE + KERNEL_3),
        ([(0, 1), (0,), (0, 1)], (POINTWISE + KERNEL_3 + KERNEL_5) / 2),
    ],
)
def test_a_sample_of_slices(in_use, layer):
    assert _count_of("slice").forward(in_use) == STEM + layer + CLASSIFIER


def test_choices_between_layers_share_nothing():
    """Two bottlenecks with a kernel size each have 1x1 convolutions of their own."""
    options = tuple(spec.Bottleneck(kernel, spec.Expansion(2)) for kernel in (3, 5))
    blocks = (
        spec.Block((spec.Conv(3, 2),), 8),
        spec.Block((OneOf(options, OPERATION), spec.GlobalPool()), 8),
    )
    count = SupernetCount(spec.SearchSpace("two", blocks), 16, 2, "mask")
    expected = STEM + 2 * POINTWISE + KERNEL_3 + KERNEL_5 + CLASSIFIER
    assert count.forward([(0, 1)]) == expected


def test_the_widest_networks_cost_what_they_cost_alone():
    space = search_space.get("mobiledet_edgetpu_search")
    cost_model = cost_model_lib.get("madds", space, 64, 10)
    choices = traversal.choices_of(space)
    generator = np.random.default_rng(0)
    count = SupernetCount(space, 64, 10, "mask")
    sliced = SupernetCount(space, 64, 10, "slice")
    for _ in range(5):
        indices = [int(generator.integers(choice.num_options)) for choice in choices]
        assert sliced.network(indices) == cost_model.cost(indices)
        for position, choice in enumerate(choices):
            if choice.tag == FILTERS:
                options = choice.one_of.choices
                indices[position] = max(
                    range(len(options)), key=lambda i: getattr(options[i], "ratio", options[i])
                )
        assert count.network(indices) == cost_model.cost(indices)


def _search(count, probabilities, delay, warmup) -> float:
    return search_madds(
        count,
        probabilities,
        total_steps=10,
        train_batch_size=8,
        reward_batch_size=4,
        rl_delay_steps_fraction=delay,
        increase_ops_warmup_steps_fraction=warmup,
        increase_filters_warmup_steps_fraction=0.0,
    )


def test_a_search_that_knows_from_the_start(count):
    """Ten steps, each of three passes over 8 images and one over 4, with kernel 5."""
    certain = [np.array([0.0, 1.0]), np.array([1.0, 0.0]), np.array([1.0, 0.0])]
    uniform_at_first = _search(count, certain, delay=0.0, warmup=0.0)
    # It learns evenly: half of the time, on average, as if it knew; else uniform.
    # P(layer) moves from 1/2 to 1, P(kernel 5 | layer) likewise: integrals over the search.
    with_layer, kernel_5 = 3 / 4, np.mean(((1 + np.linspace(0, 1, 10_001)) / 2) ** 2)
    expected = STEM + CLASSIFIER + with_layer * (POINTWISE + KERNEL_3)
    expected += kernel_5 * (KERNEL_5 - KERNEL_3)
    assert uniform_at_first == pytest.approx(expected * 10 * (3 * 8 + 4), rel=0.05)


def test_warmup_runs_all_options(count):
    uniform = [np.array([0.5, 0.5])] * 3
    without = _search(count, uniform, delay=1.0, warmup=0.0)
    sample = STEM + CLASSIFIER + (POINTWISE + (KERNEL_3 + KERNEL_5) / 2) / 2
    assert without == pytest.approx(sample * 10 * 28, rel=0.05)
    # With warmup up to the end a choice is replaced in half of the steps on average.
    times = (np.arange(10_000) + 0.5) / 10_000
    replaced = 1 - times
    layer = replaced + (1 - replaced) / 2
    kernels = replaced * (KERNEL_3 + KERNEL_5) + (1 - replaced) * (KERNEL_3 + KERNEL_5) / 2
    expected = STEM + CLASSIFIER + np.mean(layer * (POINTWISE + kernels))
    assert _search(count, uniform, delay=1.0, warmup=1.0) == pytest.approx(expected * 280, rel=0.05)


def test_a_training():
    assert training_madds(1000, total_steps=5, batch_size=8) == 3 * 1000 * 5 * 8


def test_filter_warmup_takes_the_largest_where_kernels_are_sliced():
    narrow = [np.array([1.0, 0.0])] * 3  # Kernel 3, expansion 1, the layer is there.

    def of(filters_warmup: float) -> float:
        return search_madds(
            _count_of("slice"),
            narrow,
            total_steps=10,
            train_batch_size=8,
            reward_batch_size=4,
            rl_delay_steps_fraction=1.0,
            increase_ops_warmup_steps_fraction=0.0,
            increase_filters_warmup_steps_fraction=filters_warmup,
        )

    # Uniform to the end: the layer in half of the steps, the mean of both kernels.
    widest = (POINTWISE + (KERNEL_3 + KERNEL_5) / 2) / 2
    # Half of the width and all of it in turn; in warmup, half of the steps, all of it.
    for filters_warmup, width in ((0.0, 0.75), (1.0, 0.875)):
        expected = (STEM + CLASSIFIER + width * widest) * 10 * (3 * 8 + 4)
        assert of(filters_warmup) == pytest.approx(expected, rel=0.05)
