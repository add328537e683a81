"""Settings that follow from others: the published values, and what a flag overrules."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import CostModel
from tunas_tf.cost_model.tables import Table
from tunas_tf.search_space import spec
from tunas_tf.search_space.architecture import Architecture
from tunas_tf.training import recipe

STEM = spec.Block((spec.Conv(3, 2), spec.Activation("relu")), 8)
POOL = spec.Block((spec.Conv(1), spec.Activation("relu"), spec.GlobalPool()), 16)
LAST = spec.Block((spec.Conv(1, batch_norm=False), spec.Activation("swish6")), 32)


def network(*blocks) -> Architecture:
    return Architecture("test", (), blocks)


@pytest.mark.parametrize(
    "given, ssd, on_tpu, expected",
    [
        ("true", "proxylessnas_search", False, True),
        ("true", "mobilenet_v3_like_search", True, True),
        ("false", "mobilenet_v3_like_search", True, False),
        ("ontpu", "proxylessnas_search", True, True),
        ("ontpu", "proxylessnas_search", False, False),
        ("auto", "mobilenet_v3_like_search", True, True),
        ("auto", "mobilenet_v3_like_search", False, False),
        ("auto", "proxylessnas_search", True, False),
        ("auto", "proxylessnas_search", False, False),
    ],
)
def test_precision(given, ssd, on_tpu, expected):
    assert recipe.uses_bfloat16(given, ssd, on_tpu) is expected


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="'True'; use one of auto, true, false, ontpu"):
        recipe.uses_bfloat16("True", "proxylessnas_search", False)


def test_weight_decay():
    assert recipe.weight_decay(None, bfloat16=False) == 4e-5
    assert recipe.weight_decay(None, bfloat16=True) == 3e-5
    assert recipe.weight_decay(0.0, bfloat16=True) == 0.0  # Given, although it is false.


@pytest.mark.parametrize(
    "blocks, expected",
    [
        ((STEM, POOL), False),
        ((STEM, POOL, LAST), True),
        ((STEM, LAST), False),  # No pool at all.
        ((STEM, POOL, spec.Block((spec.Activation("relu"),), 16)), False),
    ],
)
def test_a_convolution_after_the_pool_is_the_head_of_mobilenet_v3(blocks, expected):
    assert recipe.has_mobilenet_v3_head(network(*blocks)) is expected


def test_heads_of_published_networks():
    found = {}
    for ssd in ("proxylessnas_search", "mobilenet_v2", "mobilenet_v3_large"):
        space = search_space.get(ssd)
        architecture = search_space.resolve(space, space.reference_indices)
        found[ssd] = recipe.has_mobilenet_v3_head(architecture)
    assert found == {
        "proxylessnas_search": False,
        "mobilenet_v2": False,
        "mobilenet_v3_large": True,
    }


@pytest.mark.parametrize(
    "given, epochs, blocks, expected",
    [
        (None, 90, (STEM, POOL), 0.0),
        (None, 90, (STEM, POOL, LAST), 0.0),
        (None, 149.9, (STEM, POOL), 0.0),
        (None, 150, (STEM, POOL), 0.15),
        (None, 360, (STEM, POOL, LAST), 0.25),
        (0.0, 360, (STEM, POOL, LAST), 0.0),
        (0.4, 90, (STEM, POOL), 0.4),
    ],
)
def test_dropout(given, epochs, blocks, expected):
    assert recipe.dropout_rate(given, epochs, network(*blocks)) == expected


def test_steps_of_the_published_recipe():
    # 1,231,121 images without those of the reward; 90 * 1231121 / 4096 = 27050.998.
    assert recipe.total_steps(90, 1_281_167 - 50_046, 4096) == 27_050
    assert recipe.total_steps(0.5, 10, 5) == 1
    with pytest.raises(InputError, match="less than one step of 5; give more epochs"):
        recipe.total_steps(0.49, 10, 5)
    with pytest.raises(InputError, match="finite"):
        recipe.total_steps(math.inf, 10, 5)


def test_the_target_is_the_cost_of_the_reference_network():
    searched = spec.Block(POOL.layers, spec.OneOf((8, 16), spec.FILTERS))
    space = spec.SearchSpace("small", (STEM, searched), reference_indices=(1,))
    cost_model = CostModel("test", "ms", space, (Table((0,), np.array([2.0, 5.0])),), 1.0)
    assert recipe.cost_target(None, cost_model) == 6.0
    assert recipe.cost_target(3.0, cost_model) == 3.0
    without = dataclasses.replace(
        cost_model, space=dataclasses.replace(space, reference_indices=())
    )
    with pytest.raises(InputError, match="small has no reference network"):
        recipe.cost_target(None, without)
    assert recipe.cost_target(3.0, without) == 3.0


def test_the_recipe_is_known_without_tensorflow():
    script = "import sys, tunas_tf.training.recipe; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_execution():
    assert recipe.execution("auto", False, on_tpu=False) == ("slice", False)
    assert recipe.execution("auto", False, on_tpu=True) == ("mask", True)
    assert recipe.execution("mask", True, on_tpu=False) == ("mask", True)
    with pytest.raises(InputError, match="TPUs need static shapes; use auto or mask"):
        recipe.execution("slice", False, on_tpu=True)
    with pytest.raises(InputError, match="execution is 'fast'; use one of auto, mask, slice"):
        recipe.execution("fast", False, on_tpu=False)
