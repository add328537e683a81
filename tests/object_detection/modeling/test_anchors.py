"""Anchors, against boxes computed by hand."""

import numpy as np
import pytest

from object_detection import modeling
from object_detection.modeling.definitions import RetinaNet, SSDLite


def _sides(boxes):
    return boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]


def test_ssdlite():
    anchors = modeling.multilevel_anchors(SSDLite(), 320)
    shapes = {level: boxes.shape for level, boxes in anchors.items()}
    assert shapes == {
        "4": (20, 20, 12),
        "5": (10, 10, 24),
        "6": (5, 5, 24),
        "7": (3, 3, 24),
        "8": (2, 2, 24),
        "9": (1, 1, 24),
    }
    # Lowest level: a square of 0.1, and the scale 0.2 twice as wide and twice as high.
    second = anchors["4"][0, 1].reshape(3, 4)
    np.testing.assert_allclose(second[0], [8 - 16, 24 - 16, 8 + 16, 24 + 16])
    heights, widths = _sides(second)
    np.testing.assert_allclose(heights, [32, 64 / 2**0.5, 64 * 2**0.5], rtol=1e-5)
    np.testing.assert_allclose(widths, [32, 64 * 2**0.5, 64 / 2**0.5], rtol=1e-5)
    # Highest level: 0.95 in five shapes, and a square between that and the whole image.
    heights, widths = _sides(anchors["9"].reshape(6, 4))
    np.testing.assert_allclose(heights * widths, [304**2] * 5 + [304 * 320], rtol=1e-5)
    np.testing.assert_allclose(widths / heights, [1, 2, 1 / 2, 3, 1 / 3, 1], rtol=1e-5)
    # Scales between: (0.95 - 0.2) / 5 apart.
    first = [_sides(anchors[level].reshape(-1, 4))[0][0] / 320 for level in "56789"]
    np.testing.assert_allclose(first, [0.35, 0.5, 0.65, 0.8, 0.95], rtol=1e-5)


def test_retinanet():
    anchors = modeling.multilevel_anchors(RetinaNet(), 128)
    assert {level: boxes.shape[:2] for level, boxes in anchors.items()} == {
        "3": (16, 16), "4": (8, 8), "5": (4, 4), "6": (2, 2), "7": (1, 1)
    }  # fmt: skip
    heights, widths = _sides(anchors["4"][2, 3].reshape(9, 4))
    # Four times the stride, at three scales an octave.
    expected = np.repeat([(64 * 2 ** (i / 3)) ** 2 for i in range(3)], 3)
    np.testing.assert_allclose(heights * widths, expected, rtol=1e-5)
    np.testing.assert_allclose(widths / heights, [0.5, 1, 2] * 3, rtol=1e-5)


@pytest.mark.parametrize("definition", [SSDLite(), RetinaNet()])
def test_centers_tile_the_image(definition):
    for boxes in modeling.multilevel_anchors(definition, 96).values():
        side, _, values = boxes.shape
        boxes = boxes.reshape(side, side, values // 4, 4)
        y, x = boxes[..., ::2].mean(-1), boxes[..., 1::2].mean(-1)
        centers = (np.arange(side) + 0.5) * 96 / side
        np.testing.assert_allclose(y, np.broadcast_to(centers[:, None, None], y.shape), atol=1e-4)
        np.testing.assert_allclose(x, np.broadcast_to(centers[None, :, None], x.shape), atol=1e-4)
    flat = modeling.flat_anchors(definition, 96)
    last = modeling.multilevel_anchors(definition, 96)[str(definition.levels[-1])]
    np.testing.assert_array_equal(flat[-1], last[-1, -1, -4:])
