"""Scenes against their own pixels: on a flat ground everything else is ink."""

import collections

import numpy as np
import pytest
from sklearn import datasets

from object_detection.data import scenes

_DIGITS = datasets.load_digits()
_SCANS, _LABELS = _DIGITS.images / 16.0, _DIGITS.target


def _scene(seed):
    return scenes.scene(np.random.default_rng(seed), _SCANS, _LABELS)


@pytest.fixture
def flat(monkeypatch):
    """Grounds of one colour, without noise."""
    monkeypatch.setattr(scenes, "_TEXTURE", (0.0, 0.0))
    monkeypatch.setattr(scenes, "_NOISE", (0.0, 0.0))


def _difference(image):
    """[160, 160]: how much a pixel differs from the ground, the most frequent colour."""
    colours, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    ground = colours[counts.argmax()].astype(float)
    return np.abs(image - ground).max(axis=2)


def _inside(objects, margin):
    mask = np.zeros((160, 160), bool)
    for found in objects:
        top, left, bottom, right = found.box
        mask[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = True
    return mask


def test_all_ink_is_inside_of_boxes(flat):
    for seed in range(20):
        image, objects = _scene(seed)
        assert not (_difference(image) > 0)[~_inside(objects, margin=4)].any()
        # What boxes leave out are faint edges: at most half of the strongest contrast.
        outside = _difference(image)[~_inside(objects, margin=0)]
        assert outside.max(initial=0) <= 0.5 * _difference(image).max()


def test_boxes_are_tight(flat, monkeypatch):
    """Around a single digit: half of the contrast is seen in every row at the border."""
    monkeypatch.setattr(scenes, "_MAX_DIGITS", 1)
    monkeypatch.setattr(scenes, "_CROWD_SHARE", 0.0)
    number = 0
    for seed in range(60):
        image, objects = _scene(seed)
        for found in objects:
            ink = _difference(image)
            rows, columns = np.nonzero(ink > 0.5 * ink.max())
            half = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            np.testing.assert_allclose(found.box, half, atol=3)
            assert found.area == pytest.approx((ink > 0.3 * ink.max()).sum(), rel=0.1, abs=5)
            number += 1
    assert number > 50


def test_digits_are_readable(flat, monkeypatch):
    """A scene's digit, read by the nearest of all scans, is the one that its label says."""
    monkeypatch.setattr(scenes, "_MAX_DIGITS", 1)
    monkeypatch.setattr(scenes, "_CROWD_SHARE", 0.0)
    monkeypatch.setattr(scenes, "_MAX_ANGLE", 0.0)
    monkeypatch.setattr(scenes, "_HEIGHT", (60.0, 90.0))

    def cropped(picture):
        rows, columns = np.nonzero(picture > 0.4 * picture.max())
        picture = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        places = [np.linspace(0, side - 1, 10).round().astype(int) for side in picture.shape]
        grid = picture[np.ix_(*places)]
        return (grid / np.linalg.norm(grid)).ravel()

    references = np.stack([cropped(scan) for scan in _SCANS])
    right = number = 0
    for seed in range(80):
        image, objects = _scene(seed)
        for found in objects:
            top, left, bottom, right_side = found.box
            picture = _difference(image)[top:bottom, left:right_side]
            right += _LABELS[(references @ cropped(picture)).argmax()] == found.label
            number += 1
    assert number > 70 and right > 0.8 * number


def test_variety():
    """Sizes, numbers, empty scenes, crowds, dark on light and light on dark."""
    number = 300
    found = [_scene(seed) for seed in range(number)]
    digits = [one for _, objects in found for one in objects if not one.is_crowd]
    heights = np.array([one.box[2] - one.box[0] for one in digits])
    # 32 to 110 pixels of ink; up to 0.4 of it may be hidden, and it may be turned.
    assert heights.min() >= 16 and heights.max() <= 140
    assert (heights < 45).mean() > 0.1 and (heights > 80).mean() > 0.1
    counts = collections.Counter(len(objects) for _, objects in found)
    assert set(range(9)) <= set(counts) and max(counts) <= 9  # Eight digits and a crowd.
    assert 0.02 < counts[0] / number < 0.09
    crowds = [one for _, objects in found for one in objects if one.is_crowd]
    assert 0.005 < len(crowds) / number < 0.05
    assert {one.label for one in digits} == set(range(10))
    brighter = []
    for image, objects in found:
        ground = np.median(image, axis=(0, 1)).mean()
        for one in objects:
            top, left, bottom, right = one.box
            centre = image[top:bottom, left:right].mean(axis=2)
            ink = centre.ravel()[np.abs(centre - ground).argmax()]
            brighter.append(ink > ground)
    assert 0.3 < np.mean(brighter) < 0.7


def _block(rows, columns):
    layer = np.zeros((160, 160), np.float32)
    layer[slice(*rows), slice(*columns)] = 1.0
    return layer


def test_objects_remain_visible():
    """An object of 100 rows: 30 may be hidden, and then 10 more, but not 15."""
    canvas = scenes.Canvas(np.random.default_rng(0))
    canvas.add(_block((20, 120), (50, 60)), 1.0, 3, is_crowd=False)
    assert not canvas.fits(_block((20, 65), (0, 160)))
    first = _block((20, 50), (0, 160))
    assert canvas.fits(first)
    canvas.add(first, 1.0, 5, is_crowd=False)
    assert not canvas.fits(_block((105, 160), (0, 160)))
    last = _block((111, 160), (0, 160))
    assert canvas.fits(last)
    canvas.add(last, 1.0, 5, is_crowd=True)
    assert canvas.objects() == [
        scenes.SceneObject((50, 50, 111, 60), 3, False, 610),
        scenes.SceneObject((20, 0, 50, 160), 5, False, 30 * 160),
        scenes.SceneObject((111, 0, 160, 160), 5, True, 49 * 160),
    ]


def test_part_outside_of_the_image_counts_as_hidden():
    canvas = scenes.Canvas(np.random.default_rng(0))
    canvas.add(_block((0, 100), (50, 60)), 0.7, 3, is_crowd=False)
    assert canvas.fits(_block((0, 10), (0, 160)))  # 0.63 of it remain.
    assert not canvas.fits(_block((0, 20), (0, 160)))  # 0.56.


def test_a_crowd_is_one_object_of_many_digits(flat, monkeypatch):
    monkeypatch.setattr(scenes, "_CROWD_SHARE", 1.0)
    monkeypatch.setattr(scenes, "_MAX_DIGITS", 1)
    crowds = []
    for seed in range(10):
        image, objects = _scene(seed)
        for one in objects:
            if one.is_crowd:
                top, left, bottom, right = one.box
                ink = _difference(image)[top:bottom, left:right] > 0
                assert 0.1 < ink.mean() < 0.7  # Ground shows between the digits.
                assert min(bottom - top, right - left) >= 30
                crowds.append(one)
    assert len(crowds) >= 8
