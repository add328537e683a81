"""Costs in words."""

import pytest

from tunas_tf.cost_model import cost_text


@pytest.mark.parametrize(
    "cost, unit, short, long",
    [
        (6_725_568, "madds", "6.73 M multiply-adds", "6,725,568 multiply-adds"),
        (6_475_914.034, "madds", "6.48 M multiply-adds", "6,475,914 multiply-adds"),
        (3.2e9, "madds", "3.2 G multiply-adds", "3,200,000,000 multiply-adds"),
        (12.0, "madds", "12 multiply-adds", "12 multiply-adds"),
        (149_194, "params", "149 k parameters", "149,194 parameters"),
        (84.416241, "ms", "84.4 ms", "84.4162 ms"),
    ],
)
def test_costs_in_words(cost, unit, short, long):
    assert cost_text.short_cost(cost, unit) == short
    assert cost_text.long_cost(cost, unit) == long
