"""Integers for real numbers."""

import numpy as np
import pytest

from tunas_tf.export.quantization import Affine


def test_by_hand():
    affine = Affine(scale=0.5, zero_point=-1)
    values = [0.0, 1.0, -1.0, 0.24, 0.26, 1000.0, -1000.0]
    integers = affine.quantize(np.array(values))
    assert integers.dtype == np.int8
    assert integers.tolist() == [-1, 1, -3, -1, 0, 127, -128]
    reals = affine.dequantize(integers)
    assert reals.dtype == np.float32
    assert reals.tolist() == [0.0, 1.0, -1.0, 0.0, 0.5, 64.0, -63.5]


@pytest.mark.parametrize("dtype, zero_point", [("int8", 17), ("uint8", 128), ("int16", 0)])
def test_error_is_half_a_step_within_the_range(dtype, zero_point):
    affine = Affine(0.037, zero_point, dtype)
    limits = np.iinfo(dtype)
    low, high = affine.dequantize(np.array([limits.min, limits.max]))
    values = np.random.default_rng(0).uniform(low, high, 1000)
    assert np.abs(affine.dequantize(affine.quantize(values)) - values).max() <= 0.037 / 2 * 1.001
