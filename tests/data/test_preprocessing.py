import io

import miniature_imagenet
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tunas_tf.data import preprocessing


def _pixels(height, width, seed=0):
    """A smooth random image: JPEG keeps it nearly unchanged."""
    coarse = np.random.default_rng(seed).random((4, 4, 3)) * 255
    return tf.cast(tf.image.resize(coarse, (height, width)), tf.uint8).numpy()


def _encoded(pixels, file_format, mode="RGB"):
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, file_format)
    return tf.constant(file.getvalue())


def _normalised(pixels):
    return (pixels / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


def _shifted_copies(pixels):
    """The 81 images that moving by up to four pixels can give."""
    height, width, _ = pixels.shape
    padded = np.pad(pixels, ((4, 4), (4, 4), (0, 0)), mode="reflect")
    return [padded[y : y + height, x : x + width] for y in range(9) for x in range(9)]


def test_normalise():
    assert preprocessing.normalise(tf.constant([[0, 255, 102]], tf.uint8)).numpy() == pytest.approx(
        np.array([[-0.485 / 0.229, 0.544 / 0.224, -0.006 / 0.225]]), abs=1e-5
    )


@pytest.mark.parametrize("file_format", ["PNG", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_decode_gives_three_channels(file_format, mode):
    pixels = _pixels(9, 7)
    expected = np.array(Image.fromarray(pixels).convert(mode).convert("RGB"))
    decoded = preprocessing.decode(_encoded(pixels, file_format, mode))
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("num_colours", [2, 256])
def test_bmp_with_a_palette(num_colours):
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, num_colours, (5, 7), np.uint8), "P")
    image.putpalette(random.integers(0, 256, 3 * num_colours).tolist())
    file = io.BytesIO()
    image.save(file, "BMP")
    encoded = tf.constant(file.getvalue())
    expected = np.array(image.convert("RGB"))
    np.testing.assert_array_equal(preprocessing.decode(encoded), expected)
    (mapped,) = tf.data.Dataset.from_tensors(encoded).map(preprocessing.decode)
    np.testing.assert_array_equal(mapped, expected)


@pytest.mark.parametrize(
    ("size", "image_size", "window"),
    [
        ((256, 256), 224, (16, 16, 224, 224)),
        ((500, 375), 224, (86, 24, 328, 328)),  # 375 * 224 / 256 = 328.1
        ((40, 80), 8, (16, 36, 8, 8)),
        ((1, 1), 32, (0, 0, 1, 1)),
    ],
)
def test_centre_window(size, image_size, window):
    np.testing.assert_array_equal(
        preprocessing.centre_window(tf.constant(size), image_size), window
    )


def test_random_windows_have_the_published_areas_and_shapes():
    height, width = 300, 400
    seeds = tf.stack([tf.range(400), tf.range(400)], axis=1)
    windows = tf.map_fn(
        lambda seed: preprocessing.random_window(tf.constant([height, width]), seed, 224), seeds
    ).numpy()
    y, x, window_height, window_width = windows.T
    assert (y >= 0).all() and (y + window_height <= height).all()
    assert (x >= 0).all() and (x + window_width <= width).all()
    area = window_height * window_width / (height * width)
    aspect = window_width / window_height
    assert 0.075 < area.min() < 0.12 and 0.9 < area.max() <= 1.0
    assert 0.74 < aspect.min() < 0.78 and 1.28 < aspect.max() < 1.35
    assert len(set(map(tuple, windows))) > 390


def test_impossible_random_window_is_the_centre():
    size = tf.constant([10, 400])  # No window of 8 % of this area is less than 4/3 wide.
    window = preprocessing.random_window(size, tf.constant([1, 2]), 224)
    np.testing.assert_array_equal(window, preprocessing.centre_window(size, 224))


def test_crop_cuts_the_same_window_from_every_form():
    pixels = _pixels(60, 80)
    expected = pixels[5:37, 10:58]

    def window_of(size):
        np.testing.assert_array_equal(size, [60, 80])
        return tf.constant([5, 10, 32, 48])

    for image in (tf.constant(pixels), _encoded(pixels, "PNG"), _encoded(pixels, "BMP")):
        np.testing.assert_array_equal(preprocessing.crop(image, window_of), expected)
    from_jpeg = preprocessing.crop(_encoded(pixels, "JPEG"), window_of).numpy()
    assert np.abs(from_jpeg.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("window", [(0, 0, 96, 123), (13, 22, 40, 81), (16, 8, 64, 64)])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_decoded_over_a_window_is_the_window_of_the_decoded_jpeg(window, subsampling):
    pixels = np.random.default_rng(5).integers(0, 256, (96, 123, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", subsampling=subsampling)
    encoded = tf.constant(file.getvalue())
    y, x, height, width = window
    expected = tf.io.decode_jpeg(encoded, channels=3).numpy()[y : y + height, x : x + width]
    cropped = preprocessing.crop(encoded, lambda size: tf.constant(window)).numpy()
    assert cropped.shape == expected.shape
    # Where colours are stored at half the size, the window's rim lacks the colours beside it.
    rim = 1 if subsampling and window[:2] != (0, 0) else 0
    inner = (slice(rim, height - rim), slice(rim, width - rim))
    np.testing.assert_array_equal(cropped[inner], expected[inner])


def _bicubic_weights(size_in, size_out):
    """[size_out, size_in]: Keys' cubic convolution (a = -1/2), pixel centres at i + 1/2."""
    centres = (np.arange(size_out)[:, None] + 0.5) * size_in / size_out
    t = np.abs(centres - (np.arange(size_in) + 0.5))
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    weights = np.where(t <= 1, near, np.where(t < 2, far, 0.0))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("image_size", [16, 64, 224])
def test_evaluation_of_a_jpeg(image_size):
    """Against another decoder, and the crop and the resizing written out as matrices.

    Also what is made smaller is sampled at single points, as published, not averaged.
    """
    photo = miniature_imagenet.photo(np.random.default_rng(3), miniature_imagenet.SYNSETS[3])
    file = io.BytesIO()
    # Colours at full size: see the test of windows above.
    Image.open(io.BytesIO(photo)).save(file, "JPEG", subsampling=0)
    pixels = np.asarray(Image.open(file), np.float64)
    height, width, _ = pixels.shape
    side = int(min(height, width) * image_size / (image_size + 32))
    y, x = round((height - side) / 2 + 0.25), round((width - side) / 2 + 0.25)
    weights = _bicubic_weights(side, image_size)
    resized = np.einsum("ij,jkc,lk->ilc", weights, pixels[y : y + side, x : x + side], weights)
    image = preprocessing.evaluation_image(tf.constant(file.getvalue()), image_size, small=False)
    # The decoders differ by up to 5 levels of 255. Other filters, or a window one pixel aside,
    # differ by more than 0.25.
    np.testing.assert_allclose(image, _normalised(resized), atol=0.12)


def test_evaluation_takes_the_centre_of_a_photo():
    pixels = _pixels(256, 300)
    image = preprocessing.evaluation_image(_encoded(pixels, "PNG"), 224, small=False)
    np.testing.assert_allclose(image, _normalised(pixels[16:240, 38:262]), atol=1e-4)


def test_evaluation_leaves_a_small_image_as_it_is():
    pixels = _pixels(32, 32)
    image = preprocessing.evaluation_image(tf.constant(pixels), 32, small=True)
    np.testing.assert_allclose(image, _normalised(pixels), atol=1e-5)


@pytest.mark.parametrize("small", [False, True])
def test_resizing_keeps_a_plain_image_plain(small):
    pixels = np.full((48, 40, 3), 90, np.uint8)
    image = preprocessing.training_image(
        _encoded(pixels, "PNG"), tf.constant([0, 1]), 56, small, flip=True
    )
    assert image.shape == (56, 56, 3)
    np.testing.assert_allclose(image - _normalised(pixels)[0, 0], 0.0, atol=1e-4)


def test_small_images_are_shifted_and_never_flipped_unless_asked():
    pixels = _pixels(16, 16)
    allowed = [_normalised(copy) for copy in _shifted_copies(pixels)]
    flipped = [_normalised(copy[:, ::-1]) for copy in _shifted_copies(pixels)]

    def position(image, candidates):
        distances = [np.abs(image - candidate).max() for candidate in candidates]
        return int(np.argmin(distances)) if min(distances) < 1e-4 else None

    def train(index, flip):
        seed = tf.constant([3, index])
        return preprocessing.training_image(tf.constant(pixels), seed, 16, True, flip).numpy()

    places = [position(train(index, flip=False), allowed) for index in range(60)]
    assert None not in places and len(set(places)) > 25
    mirrored = [position(train(index, flip=True), flipped) is not None for index in range(60)]
    assert 15 < sum(mirrored) < 45


def test_training_is_a_function_of_the_seed():
    pixels = _encoded(_pixels(90, 120), "JPEG")

    def train(seed):
        return preprocessing.training_image(pixels, tf.constant(seed), 32, False, True).numpy()

    np.testing.assert_array_equal(train([1, 2]), train([1, 2]))
    assert np.abs(train([1, 2]) - train([1, 3])).max() > 0.01
    assert np.abs(train([1, 2]) - train([2, 2])).max() > 0.01
