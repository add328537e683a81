"""Curves and heat maps."""

import numpy as np
import pages
import pytest

from tunas_tf.reporting import charts
from tunas_tf.reporting.run_files import Curve


def _curve(values, steps=None) -> Curve:
    values = np.asarray(values, float)
    return Curve(np.arange(1, len(values) + 1) if steps is None else np.asarray(steps), values)


def test_moving_mean():
    flat = charts.moving_mean(_curve(np.full(100, 3.0)))
    np.testing.assert_allclose(flat.values, 3.0)
    line = charts.moving_mean(_curve(np.arange(100.0)))
    np.testing.assert_allclose(line.values[5:-5], np.arange(5.0, 95.0))
    # A loop of one step weighs a twentieth of a loop of 20.
    last = charts.moving_mean(_curve([0.0, 1.0, 22.0], [20, 40, 41])).values[-1]
    assert last == pytest.approx((20 * 1.0 + 1 * 22.0) / 21)


def test_noise_is_smoothed():
    noise = np.random.default_rng(0).normal(size=2000)
    assert charts.moving_mean(_curve(noise)).values.std() < 0.2


def test_curves_say_what_they_show():
    series = [
        charts.Series("sampled", _curve(np.linspace(9e6, 7e6, 3000)), True),
        charts.Series("expected", _curve(np.linspace(8e6, 7e6, 3000))),
    ]
    uri = charts.curves(series, "cost (multiply-adds)", 3000, target=7e6, tolerance=0.01)
    texts = pages.texts_of(pages.svg_of(uri))
    assert {"step", "cost (multiply-adds)", "sampled", "expected", "target"} <= set(texts)
    assert "9 M" in texts
    # Thousands of points are thinned.
    assert len(uri) < 100_000


def test_one_point_is_enough():
    uri = charts.curves([charts.Series("loss", _curve([2.0]), True)], "loss", 100)
    assert "loss" in pages.texts_of(pages.svg_of(uri))


def test_pictures_do_not_change_from_call_to_call():
    series = [charts.Series("loss", _curve([2.0, 1.0]))]
    assert charts.curves(series, "loss", 2) == charts.curves(series, "loss", 2)


def test_heat_map():
    steps = np.array([1, 5, 20, 40])
    rows = np.array([[0.5, 0.5], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9]])
    strips = [
        charts.Strip("layer 0: expansion", ["×3", "×6"], 1, rows),
        charts.Strip("filters", ["16", "24"], None, rows),
    ]
    texts = pages.texts_of(pages.svg_of(charts.heat_map(steps, strips, 100)))
    assert {"layer 0: expansion", "filters", "×3", "▸ ×6", "24", "probability"} <= set(texts)
    one = charts.heat_map(steps[:1], [charts.Strip("t", ["a", "b"], 0, rows[:1])], 100)
    assert "▸ a" in pages.texts_of(pages.svg_of(one))
