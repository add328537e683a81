"""Activations by name."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.layers import activation

INPUTS = [-4.0, -3.0, -1.5, 0.0, 1.5, 3.0, 8.0]


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("relu", [0, 0, 0, 0, 1.5, 3, 8]),
        ("relu6", [0, 0, 0, 0, 1.5, 3, 6]),
        # -1.5 * 1.5 / 6 and 1.5 * 4.5 / 6; the identity from 3 on.
        ("swish6", [0, 0, -0.375, 0, 1.125, 3, 8]),
        ("sigmoid", [0.017986, 0.047426, 0.182426, 0.5, 0.817574, 0.952574, 0.999665]),
    ],
)
def test_values(kind, expected):
    np.testing.assert_allclose(activation(kind)(tf.constant(INPUTS)), expected, atol=1e-6)


def test_dtype_is_kept():
    for kind in ("relu", "relu6", "swish6", "sigmoid"):
        assert activation(kind)(tf.ones([2], tf.bfloat16)).dtype == tf.bfloat16


def test_unknown_name_says_what_is_allowed():
    with pytest.raises(InputError, match="'gelu'.*relu, relu6, sigmoid, swish6"):
        activation("gelu")
