"""Boxes against pixels, on images that show where each of their pixels comes from."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from object_detection.data import preprocessing

_SIZE = 160


def _objects(boxes, classes=None, is_crowd=None, areas=None):
    number = len(boxes)
    return {
        "boxes": tf.constant(boxes, tf.float32, [number, 4]),
        "classes": tf.constant(classes or [1] * number, tf.int32, [number]),
        "is_crowd": tf.constant(is_crowd or [False] * number, tf.bool, [number]),
        "areas": tf.constant(areas or [0.0] * number, tf.float32, [number]),
    }


def _evaluated(image, objects, image_size=_SIZE, max_num_boxes=8, **arguments):
    image, labels = preprocessing.evaluation_example(
        image, objects, image_size=image_size, max_num_boxes=max_num_boxes, **arguments
    )
    return image.numpy(), {key: value.numpy() for key, value in labels.items()}


def _trained(image, objects, seed, flip=True, image_size=_SIZE, max_num_boxes=8, **arguments):
    image, labels = preprocessing.training_example(
        image,
        objects,
        tf.constant([7, seed]),
        flip=flip,
        image_size=image_size,
        max_num_boxes=max_num_boxes,
        **arguments,
    )
    return image.numpy(), {key: value.numpy() for key, value in labels.items()}


def _coordinates(height, width):
    """An image uint8 [height, width, 3]: red is x and green is y, both from 0 to 255."""
    y, x = np.mgrid[:height, :width]
    channels = 255 * (x + 0.5) / width, 255 * (y + 0.5) / height, np.zeros((height, width))
    return np.round(np.stack(channels, axis=2)).astype(np.uint8)


def _window(image):
    """(top, left, bottom, right) of what is seen of `_coordinates`, as shares of all of it.

    The left side of a mirrored image is the larger one.
    """
    place = (image + 1) / 2
    centres = (np.arange(_SIZE) + 0.5) / _SIZE
    inner = slice(8, -8)  # Resizing repeats the outermost pixels.
    x_slope, left = np.polyfit(centres[inner], place[:, inner, 0].mean(axis=0), 1)
    y_slope, top = np.polyfit(centres[inner], place[inner, :, 1].mean(axis=1), 1)
    return np.array([top, left, top + y_slope, left + x_slope])


_BOXES = np.array(
    [[0.1, 0.2, 0.5, 0.4], [0.55, 0.05, 0.95, 0.6], [0.3, 0.7, 0.4, 0.8], [0.0, 0.0, 1.0, 1.0]]
)


def _expected_boxes(window):
    """Those of `_BOXES` of which at least half is in the window, {index: pixels of the input}.

    Without those that are too close to a half to tell.
    """
    top, left, bottom, right = window
    mirrored = left > right
    if mirrored:
        left, right = right, left
    inner = np.clip(_BOXES, [top, left, top, left], [bottom, right, bottom, right])
    shares = (inner[:, 2:] - inner[:, :2]).prod(axis=1) / (_BOXES[:, 2:] - _BOXES[:, :2]).prod(
        axis=1
    )
    boxes = (inner - [top, left, top, left]) / np.tile([bottom - top, right - left], 2)
    if mirrored:
        boxes = np.stack([boxes[:, 0], 1 - boxes[:, 3], boxes[:, 2], 1 - boxes[:, 1]], axis=1)
    certain = {index: _SIZE * boxes[index] for index in np.flatnonzero(shares > 0.53)}
    possible = np.flatnonzero(shares > 0.47)
    return certain, {index + 1 for index in possible}


def test_boxes_follow_crops_and_mirrors():
    """The window is read from the pixels, and the boxes are computed from that in NumPy."""
    image = _coordinates(240, 360)
    objects = _objects(_BOXES.tolist(), classes=[1, 2, 3, 4])
    windows, kept = [], []
    for seed in range(120):
        pixels, labels = _trained(image, objects, seed)
        window = _window(pixels)
        certain, possible = _expected_boxes(window)
        found = {c - 1: box for c, box in zip(labels["classes"], labels["boxes"]) if c}
        assert set(certain) <= set(found) and {index + 1 for index in found} <= possible
        for index, box in certain.items():
            np.testing.assert_allclose(found[index], box, atol=1.5)
        windows.append(window)
        kept.append(len(found))
    windows = np.array(windows)
    mirrored = windows[:, 1] > windows[:, 3]
    assert 0.35 < mirrored.mean() < 0.65
    areas = np.abs((windows[:, 2:] - windows[:, :2]).prod(axis=1))
    whole = areas > 0.98
    assert 0.1 < whole.mean() < 0.4  # 0.15 are not cropped at all; some crops are of everything.
    assert areas.min() < 0.3 and set(kept) >= {2, 3, 4}


def test_coloured_block_is_where_its_box_says():
    image = np.full((200, 300, 3), 20, np.uint8)
    image[60:140, 90:180] = (240, 30, 30)
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "JPEG", quality=98, subsampling=0)
    objects = _objects([[60 / 200, 90 / 300, 140 / 200, 180 / 300]])
    seen = 0
    for seed in range(60):
        pixels, labels = _trained(tf.constant(encoded.getvalue()), objects, seed)
        if not labels["classes"].any():
            continue
        rows, columns = np.nonzero((pixels[..., 0] > 0) & (pixels[..., 1] < 0))
        block = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        np.testing.assert_allclose(labels["boxes"][0], block, atol=1.5)
        seen += 1
    assert seen > 45


def test_encoded_and_decoded_images_give_the_same():
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "PNG")
    objects = _objects(_BOXES.tolist())
    for seed in range(5):
        from_pixels = _trained(tf.constant(image), objects, seed)
        from_bytes = _trained(tf.constant(encoded.getvalue()), objects, seed)
        np.testing.assert_array_equal(from_pixels[0], from_bytes[0])
        np.testing.assert_array_equal(from_pixels[1]["boxes"], from_bytes[1]["boxes"])


def test_training_is_a_function_of_the_seed():
    image, objects = tf.constant(_coordinates(90, 120)), _objects(_BOXES.tolist())
    first, again, other = (_trained(image, objects, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1]["boxes"], again[1]["boxes"])
    assert (first[0] != other[0]).any()


def test_without_flip_nothing_is_mirrored():
    image, objects = tf.constant(_coordinates(90, 120)), _objects(_BOXES.tolist())
    for seed in range(30):
        _, left, _, right = _window(_trained(image, objects, seed, flip=False)[0])
        assert left < right


def test_image_without_objects_is_cropped_all_the_same():
    image = tf.constant(_coordinates(90, 120))
    for seed in range(10):
        pixels, labels = _trained(image, _objects([]), seed)
        assert np.isfinite(pixels).all()
        assert all((value == 0).all() for value in labels.values())
    assert (_evaluated(image, _objects([]))[1]["boxes"] == 0).all()


def test_a_crowd_alone_does_not_guide_the_crop():
    """As in an image without objects; with an object instead, windows are others."""
    image = tf.constant(_coordinates(90, 120))
    small = [[0.8, 0.8, 0.9, 0.9]]
    crowd, nothing, real = (
        [_window(_trained(image, objects, seed)[0]) for seed in range(8)]
        for objects in (_objects(small, is_crowd=[True]), _objects([]), _objects(small))
    )
    np.testing.assert_array_equal(crowd, nothing)
    assert not np.array_equal(crowd, real)


def test_evaluation_stretches_the_image():
    image, objects = tf.constant(_coordinates(80, 320)), _objects(_BOXES.tolist(), [1, 2, 3, 4])
    pixels, labels = _evaluated(image, objects)
    assert pixels.shape == (160, 160, 3) and pixels.dtype == np.float32
    np.testing.assert_allclose(_window(pixels), [0, 0, 1, 1], atol=0.01)
    np.testing.assert_allclose(labels["boxes"][:4], 160 * _BOXES, atol=1e-4)
    np.testing.assert_array_equal(labels["classes"], [1, 2, 3, 4, 0, 0, 0, 0])
    np.testing.assert_allclose(labels["scale"], [2.0, 0.5])
    np.testing.assert_array_equal(labels["boxes"][4:], 0)


def test_aspect_ratio_can_be_kept():
    image = tf.constant(np.full((80, 320, 3), 255, np.uint8))
    objects = _objects([[0.25, 0.5, 0.75, 1.0]])
    pixels, labels = _evaluated(image, objects, keep_aspect_ratio=True)
    assert (pixels[:40] == 1.0).all() and (pixels[40:] == 0.0).all()
    np.testing.assert_allclose(labels["boxes"][0], [10, 80, 30, 160], atol=1e-4)
    np.testing.assert_allclose(labels["scale"], [0.5, 0.5])
    for seed in range(20):
        pixels, labels = _trained(image, objects, seed, keep_aspect_ratio=True)
        picture = pixels[..., 0] == 1.0
        rows, columns = picture.any(axis=1).sum(), picture.any(axis=0).sum()
        assert max(rows, columns) == 160 and picture[:rows, :columns].all()
        assert picture.sum() == rows * columns
        assert labels["boxes"][:, 2].max() <= rows and labels["boxes"][:, 3].max() <= columns


def test_pixels_are_scaled_from_minus_one_to_one():
    image = tf.constant([[[0, 255, 51]]], tf.uint8)
    np.testing.assert_allclose(preprocessing.normalise(image)[0, 0], [-1, 1, -0.6], atol=1e-6)
    pixels, _ = _evaluated(tf.tile(image, [30, 20, 1]), _objects([]))
    np.testing.assert_allclose(pixels[70, 20], [-1, 1, -0.6], atol=1e-6)


def test_areas_are_in_pixels_of_the_input():
    """A 40 x 80 image at 160: 4 times as high, twice as wide, so 8 times the area."""
    image = tf.constant(_coordinates(40, 80))
    box = [0.25, 0.25, 0.75, 0.75]  # 20 x 40 pixels.
    areas = [600.0, 0.0, float("nan"), float("inf"), -5.0]
    _, labels = _evaluated(image, _objects([box] * 5, areas=areas))
    np.testing.assert_allclose(labels["areas"][:5], [4800, 6400, 6400, 6400, 6400], rtol=1e-5)


def test_area_of_a_cropped_object_shrinks_with_its_box():
    image = tf.constant(_coordinates(160, 160))
    for seed in range(20):
        _, labels = _trained(image, _objects([[0.25, 0.25, 0.75, 0.75]], areas=[1600.0]), seed)
        extents = labels["boxes"][:, 2:] - labels["boxes"][:, :2]
        np.testing.assert_allclose(labels["areas"], 0.25 * extents.prod(axis=1), rtol=1e-4)


def test_of_too_many_objects_the_largest_are_kept_and_crowds_last():
    sides = [0.1, 0.5, 0.3, 0.9, 0.4, 0.2]
    objects = _objects(
        [[0, 0, side, side] for side in sides],
        classes=[1, 2, 3, 4, 5, 6],
        is_crowd=[False, False, False, True, False, True],
    )
    image = tf.constant(_coordinates(40, 80))
    expected = [[2, 5], [2, 3, 5], [1, 2, 3, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 0]]
    for classes in expected:
        _, labels = _evaluated(image, objects, max_num_boxes=len(classes))
        np.testing.assert_array_equal(labels["classes"], classes)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 2)])
def test_tiny_images(size):
    image = tf.constant(_coordinates(*size))
    for seed in range(5):
        pixels, labels = _trained(image, _objects(_BOXES.tolist()), seed)
        assert np.isfinite(pixels).all()
        assert all(np.isfinite(value).all() for value in labels.values())
