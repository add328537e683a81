"""From an image to the network's input, for training and for evaluation.

An image is either encoded (a string: JPEG, PNG, BMP) or decoded (uint8 [height, width, 3]).
Photos are cropped by a window (y, x, height, width in pixels, int32 [4]) and resized; of
a JPEG only the window is decoded. Small images, where cropping would lose too much,
are shifted by a few pixels instead. Random functions take a stateless seed, int [2].
"""

from collections.abc import Callable

import tensorflow as tf

__all__ = [
    "centre_window",
    "crop",
    "decode",
    "evaluation_image",
    "normalise",
    "random_window",
    "training_image",
]

# Of ImageNet's red, green and blue, on pixels between 0 and 1.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)

# The random crop: share of the area, and width / height.
_AREA = (0.08, 1.0)
_ASPECT = (3 / 4, 4 / 3)
_ATTEMPTS = 10

# An evaluation at 224 crops 224/256 of the shorter side.
_CROP_MARGIN = 32

# Small images move by up to this many pixels in each direction.
_MAX_SHIFT = 4


def _palette(bmp: tf.Tensor) -> tf.Tensor:
    """The colours of a BMP of 8 bits per pixel, uint8 [number of colours, 3].

    They are (blue, green, red, 0), and lie between the header, which follows 14 bytes and
    begins with its length, and the pixels, whose place is at byte 10.
    """
    pixels_start, header_length = tf.unstack(
        tf.io.decode_raw(tf.strings.substr(bmp, 10, 8), tf.int32), num=2
    )
    start = 14 + header_length
    colours = tf.io.decode_raw(tf.strings.substr(bmp, start, pixels_start - start), tf.uint8)
    return tf.reshape(colours, [-1, 4])[:, 2::-1]


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """JPEG, PNG, BMP or GIF bytes -> uint8 [height, width, 3]."""

    def from_bmp():
        # 1, 3 or 4 channels: unlike the other decoders this one does not convert them.
        pixels = tf.io.decode_bmp(encoded)[..., :3]
        return tf.cond(
            tf.shape(pixels)[2] == 1,
            lambda: tf.gather(_palette(encoded), tf.cast(pixels[..., 0], tf.int32)),
            lambda: pixels,
        )

    def from_others():
        return tf.io.decode_image(encoded, channels=3, expand_animations=False)

    is_bmp = tf.strings.substr(encoded, 0, 2) == b"BM"
    image = tf.cond(is_bmp, from_bmp, from_others)
    return tf.ensure_shape(image, [None, None, 3])


def centre_window(size: tf.Tensor, image_size: int) -> tf.Tensor:
    """The central square of image_size / (image_size + 32) of the shorter side.

    Args:
      size: (height, width) of the image, int32 [2].
      image_size: side of the network's input.
    """
    side = tf.maximum(1, tf.reduce_min(size) * image_size // (image_size + _CROP_MARGIN))
    return tf.concat([(size - side + 1) // 2, [side, side]], axis=0)


def random_window(size: tf.Tensor, seed: tf.Tensor, image_size: int) -> tf.Tensor:
    """A window of random area, shape and place; `centre_window` if ten attempts fail."""
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        image_size=tf.concat([size, [3]], axis=0),
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=seed,
        min_object_covered=0.0,
        aspect_ratio_range=_ASPECT,
        area_range=_AREA,
        max_attempts=_ATTEMPTS,
    )
    # When all attempts fail, TensorFlow returns the whole image.
    failed = tf.reduce_all(extent[:2] == size)
    window = tf.concat([begin[:2], extent[:2]], axis=0)
    return tf.where(failed, centre_window(size, image_size), window)


def crop(image: tf.Tensor, window_of: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Cuts out the window that `window_of` returns for the image's (height, width).

    Returns:
      uint8 [window height, window width, 3].
    """

    def from_pixels(pixels):
        y, x, height, width = tf.unstack(window_of(tf.shape(pixels)[:2]))
        return pixels[y : y + height, x : x + width]

    def from_jpeg():
        window = window_of(tf.io.extract_jpeg_shape(image)[:2])
        return tf.io.decode_and_crop_jpeg(image, window, channels=3)

    if image.dtype != tf.string:
        return from_pixels(image)
    return tf.cond(tf.io.is_jpeg(image), from_jpeg, lambda: from_pixels(decode(image)))


def _shift(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Moves the image by up to four pixels; the border is filled with its mirror image."""
    margin = [_MAX_SHIFT, _MAX_SHIFT]
    padded = tf.pad(image, [margin, margin, [0, 0]], mode="REFLECT")
    y, x = tf.unstack(tf.random.stateless_uniform([2], seed, 0, 2 * _MAX_SHIFT + 1, tf.int32))
    height, width = tf.unstack(tf.shape(image)[:2])
    return tf.ensure_shape(padded[y : y + height, x : x + width], image.shape)


def normalise(pixels: tf.Tensor) -> tf.Tensor:
    """Values from 0 to 255 [..., 3] -> float32 with about mean 0 and deviation 1."""
    return (tf.cast(pixels, tf.float32) / 255.0 - _MEAN) / _DEVIATION


def _finish(image: tf.Tensor, image_size: int) -> tf.Tensor:
    """Resizes and normalises: float32 [image_size, image_size, 3]."""
    if image.shape[:2] != [image_size, image_size]:
        image = tf.image.resize(image, [image_size, image_size], method="bicubic")
    return normalise(image)


def training_image(
    image: tf.Tensor, seed: tf.Tensor, image_size: int, small: bool, flip: bool
) -> tf.Tensor:
    """A randomly changed image, float32 [image_size, image_size, 3].

    Args:
      image: encoded, or uint8 [height, width, 3].
      seed: int [2]; the same seed changes the image in the same way.
      image_size: side of the network's input.
      small: shift the image rather than crop it.
      flip: mirror every other image.
    """
    place_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    if small:
        image = _shift(decode(image) if image.dtype == tf.string else image, place_seed)
    else:
        image = crop(image, lambda size: random_window(size, place_seed, image_size))
    if flip:
        image = tf.image.stateless_random_flip_left_right(image, flip_seed)
    return _finish(image, image_size)


def evaluation_image(image: tf.Tensor, image_size: int, small: bool) -> tf.Tensor:
    """The image as it is evaluated, float32 [image_size, image_size, 3].

    Args:
      image: encoded, or uint8 [height, width, 3].
      image_size: side of the network's input.
      small: take the whole image rather than the centre.
    """
    if not small:
        image = crop(image, lambda size: centre_window(size, image_size))
    elif image.dtype == tf.string:
        image = decode(image)
    return _finish(image, image_size)
