"""The networks that a calibration measures."""

import dataclasses

import numpy as np
import pytest

from tunas_tf import search_space
from tunas_tf.calibration import plan
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import arithmetic, spec

_SPACE = search_space.get("quickstart_search")


def _plan(seed, space=_SPACE):
    return plan.make_plan(space, 64, 10, 50, 12, 24, seed=seed)


def _mean_kernel_size(network) -> float:
    layers = [placed.layer for placed in network.layers()]
    return float(
        np.mean([each.kernel_size for each in layers if isinstance(each, spec.Bottleneck)])
    )


def test_networks_of_the_validation_take_no_part_in_the_fit():
    chosen = _plan(3)
    fit, validation = (
        {network.blocks for network in networks}
        for networks in (chosen.fit_networks, chosen.validation_networks)
    )
    assert len(fit) == len(chosen.fit_networks) == 12
    assert len(validation) == len(chosen.validation_networks) == 24
    assert not fit & validation


@pytest.mark.parametrize("seed", range(4))
def test_both_sets_are_spread_over_the_space(seed):
    chosen = _plan(seed)
    # By the layers of quickstart_search, whose networks have 3.0 to 17.6 million multiply-adds.
    # Nine of ten uniform draws have 4.9 to 11.5 million, and mean kernels near 5.
    for networks in (chosen.fit_networks, chosen.validation_networks):
        millions = [arithmetic.count(network, 64, 10).madds / 1e6 for network in networks]
        assert min(millions) < 4.5 and max(millions) > 13
        assert max(np.diff(sorted(millions))) < 6
        kernels = [_mean_kernel_size(network) for network in networks]
        assert min(kernels) < 3.5 and max(kernels) > 6.3
        # A device that gets warmer while they are measured is no reason for large ones to be slow.
        assert abs(np.corrcoef(millions, np.arange(len(millions)))[0, 1]) < 0.7


@pytest.mark.parametrize("seed", range(4))
def test_the_reference_network_is_the_first_of_the_validation_only(seed):
    chosen = _plan(seed)
    reference = search_space.resolve(_SPACE, _SPACE.reference_indices).blocks
    assert chosen.has_reference
    assert [network.blocks for network in chosen.networks].count(reference) == 1
    assert chosen.validation_networks[0].blocks == reference


def test_a_space_may_have_no_reference_network():
    chosen = _plan(0, dataclasses.replace(_SPACE, reference_indices=()))
    assert not chosen.has_reference
    assert len(chosen.fit_networks) == 12 and len(chosen.validation_networks) == 24


def test_a_seed_is_a_plan():
    assert _plan(5) == _plan(5)
    assert _plan(5).networks != _plan(6).networks


def test_all_networks_of_a_small_space_can_be_measured():
    block = spec.Block((spec.Conv(spec.OneOf((1, 3, 5, 7), spec.OPERATION)),), 8)
    space = spec.SearchSpace("small", (block, spec.Block((spec.GlobalPool(),), 8)), (1,))
    chosen = plan.make_plan(space, 8, 2, 50, 2, 2, seed=0)
    assert len({network.blocks for network in chosen.networks}) == 4
    with pytest.raises(InputError, match="4 were found.* fit with 2 of them and validate with 3"):
        plan.make_plan(space, 8, 2, 50, 2, 3, seed=0)


def test_a_space_with_too_few_networks_is_refused():
    with pytest.raises(InputError, match="too few different networks .1 were found"):
        _plan(3, search_space.get("mobilenet_v2"))
