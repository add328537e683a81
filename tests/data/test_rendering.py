import math

import numpy as np
import pytest

from tunas_tf.data import rendering


def _painted(place: rendering.Placement) -> np.ndarray:
    """Where a glyph that is all ink lands on an empty canvas, [40, 40]."""
    canvas = np.zeros((40, 40, 3))
    rendering.paint(canvas, np.ones((30, 30)), place, np.array([1.0, 0.5, 0.25]))
    np.testing.assert_allclose(canvas[..., 1], canvas[..., 0] / 2)
    np.testing.assert_allclose(canvas[..., 2], canvas[..., 0] / 4)
    return canvas[..., 0]


def test_upright_glyph_covers_its_box():
    coverage = _painted(rendering.Placement(y=10, x=25, height=8, width=12, angle=0.0))
    expected = np.zeros((40, 40))
    expected[6:14, 19:31] = 1.0
    np.testing.assert_allclose(coverage, expected)


def test_turned_glyph_keeps_area_and_centre():
    place = rendering.Placement(y=18, x=21.5, height=20, width=12, angle=math.radians(25))
    coverage = _painted(place)
    centres = np.arange(40) + 0.5
    assert coverage.sum() == pytest.approx(240, rel=0.02)
    assert (coverage.sum(axis=1) * centres).sum() / coverage.sum() == pytest.approx(18, abs=0.05)
    assert (coverage.sum(axis=0) * centres).sum() / coverage.sum() == pytest.approx(21.5, abs=0.05)


def test_a_quarter_turn_exchanges_height_and_width():
    upright = _painted(rendering.Placement(y=20, x=20, height=20, width=8, angle=0.0))
    turned = _painted(rendering.Placement(y=20, x=20, height=8, width=20, angle=math.pi / 2))
    np.testing.assert_allclose(turned, upright, atol=1e-6)


def test_glyph_that_leaves_the_canvas_is_cut_off():
    coverage = _painted(rendering.Placement(y=0, x=40, height=10, width=10, angle=0.0))
    expected = np.zeros((40, 40))
    expected[:5, 35:] = 1.0
    np.testing.assert_allclose(coverage, expected)


def test_enlarged_scans_are_paper_and_ink():
    scans = np.zeros((2, 8, 8))
    scans[1, 2:6, 2:6] = 1.0
    blank, square = rendering.enlarge(scans)
    assert blank.max() == 0.0
    assert square.shape == (60, 60)
    assert square[30, 30] == 1.0
    assert square[:10].max() == square[:, -10:].max() == 0.0


def test_scene_depends_on_the_generator_alone():
    glyphs = rendering.enlarge(np.random.default_rng(0).random((5, 8, 8)))

    def scene(seed):
        return rendering.scene(np.random.default_rng(seed), glyphs[0], glyphs, 48)

    assert scene(1).shape == (48, 48, 3) and scene(1).dtype == np.uint8
    np.testing.assert_array_equal(scene(1), scene(1))
    assert (scene(1) != scene(2)).mean() > 0.5
