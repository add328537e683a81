"""From an image and its objects to the network's input and labels.

Objects are a dictionary of tensors, one row each: "boxes" float32 [n, 4] (ymin, xmin, ymax,
xmax as shares of the image, with an area), "classes" int32 [n], "is_crowd" bool [n], "areas"
float32 [n] in pixels of the image, 0 if not known. Images are encoded or uint8
[height, width, 3]. What is random takes a stateless seed, int [2].
"""

import tensorflow as tf
from official.vision.configs import common as configs
from official.vision.ops import augment, box_ops, preprocess_ops

from tunas_tf.data import preprocessing

__all__ = ["evaluation_example", "normalise", "training_example"]

# The random crop of SSD (Liu et al., "SSD: Single shot multibox detector", ECCV 2016, section
# 2.2): the figures, and the rule of what remains of objects, are those of official.vision.
_CROP = configs.SSDRandomCrop()
_MIN_COVERED = [case.min_object_covered for case in _CROP.ssd_random_crop_params]
_MIN_OVERLAP = [case.min_box_overlap for case in _CROP.ssd_random_crop_params]
_PROBABILITY = [case.prob_to_apply for case in _CROP.ssd_random_crop_params]
_ATTEMPTS = 100


def normalise(pixels: tf.Tensor) -> tf.Tensor:
    """Values from 0 to 255 -> float32 from -1 to 1."""
    return tf.cast(pixels, tf.float32) / 127.5 - 1.0


def _image_size(image: tf.Tensor) -> tf.Tensor:
    """(height, width), int32 [2]; of a JPEG without decoding it."""
    if image.dtype != tf.string:
        return tf.shape(image)[:2]
    return tf.cond(
        tf.io.is_jpeg(image),
        lambda: tf.io.extract_jpeg_shape(image)[:2],
        lambda: tf.shape(preprocessing.decode(image))[:2],
    )


def _box_areas(boxes: tf.Tensor) -> tf.Tensor:
    """[n, 4] -> [n], in the unit of the boxes."""
    return tf.reduce_prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def _covered_shares(objects: dict[str, tf.Tensor], size: tf.Tensor) -> tf.Tensor:
    """[n]: which share of its box an object itself takes; all of it if that is not known."""
    box_areas = _box_areas(objects["boxes"]) * tf.cast(tf.reduce_prod(size), tf.float32)
    shares = tf.math.divide_no_nan(objects["areas"], box_areas)
    return tf.where((shares > 0.0) & (shares < 1.0), shares, 1.0)


def _random_window(
    size: tf.Tensor, objects: dict[str, tf.Tensor], seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """SSD's crop.

    Returns:
      (y, x, height, width) int32 [4], and the share of a box that must be in this window for
      its object to remain.
    """
    case_seed, apply_seed, window_seed = tf.unstack(tf.random.split(seed, 3))
    case = tf.random.stateless_uniform([], case_seed, 0, len(_MIN_COVERED), tf.int32)
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        image_size=tf.concat([size, [3]], axis=0),
        # Crowds are ignored: a window that shows only one has nothing to learn from.
        bounding_boxes=tf.boolean_mask(objects["boxes"], ~objects["is_crowd"])[tf.newaxis],
        seed=window_seed,
        min_object_covered=tf.gather(_MIN_COVERED, case),
        aspect_ratio_range=_CROP.aspect_ratio_range,
        area_range=_CROP.area_range,
        max_attempts=_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    applied = tf.random.stateless_uniform([], apply_seed) < tf.gather(_PROBABILITY, case)
    window = tf.concat([begin[:2], extent[:2]], axis=0)
    whole = tf.concat([tf.zeros_like(size), size], axis=0)
    return tf.where(applied, window, whole), tf.gather(_MIN_OVERLAP, case)


def _crop_boxes(
    boxes: tf.Tensor, size: tf.Tensor, window: tf.Tensor, min_overlap: tf.Tensor
) -> tf.Tensor:
    """Boxes as shares of the window; boxes that do not remain get no area."""
    begin, extent = window[:2], window[2:]
    corners = tf.cast(tf.concat([begin, begin + extent], axis=0), tf.float32)
    window_box = box_ops.normalize_boxes(corners[tf.newaxis, tf.newaxis], size)
    boxes = augment.filter_boxes_by_ioa(boxes, window_box, min_overlap)
    return augment.crop_normalized_boxes(boxes, size, extent, begin)


def _rows(objects: dict[str, tf.Tensor], num_rows: int) -> dict[str, tf.Tensor]:
    """Exactly `num_rows` objects: first those with an area, of too many the largest; then zeros.

    Crowds are the first to go, as training ignores them.
    """
    box_areas = _box_areas(objects["boxes"])
    ranks = tf.where(objects["is_crowd"], -1.0 / (1.0 + box_areas), box_areas)
    kept = tf.argsort(ranks, direction="DESCENDING")
    kept = tf.boolean_mask(kept, tf.gather(box_areas, kept) > 0.0)[:num_rows]
    kept = tf.sort(kept)
    return {
        key: preprocess_ops.clip_or_pad_to_fixed_size(tf.gather(value, kept), num_rows)
        for key, value in objects.items()
    }


def _finish(
    image: tf.Tensor,
    objects: dict[str, tf.Tensor],
    image_size: int,
    max_num_boxes: int,
    keep_aspect_ratio: bool,
) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
    """Resizes and normalises.

    Args:
      image: uint8 [height, width, 3].
      objects: with "shares" of their boxes that they cover, rather than "areas".
      image_size: side of the network's input in pixels.
      max_num_boxes: rows of the labels.
      keep_aspect_ratio: fit the image into the input and fill up with grey at the right and
        at the bottom, rather than stretch it.

    Returns:
      Image float32 [image_size, image_size, 3]; labels; scale float32 [2] (y, x).
    """
    image, info = preprocess_ops.resize_and_crop_image(
        image, [image_size, image_size], padded_size=None, keep_aspect_ratio=keep_aspect_ratio
    )
    size, target, scale, offset = tf.unstack(info)
    image = normalise(image)
    if keep_aspect_ratio:
        image = tf.image.pad_to_bounding_box(image, 0, 0, image_size, image_size)
    boxes = box_ops.denormalize_boxes(objects["boxes"], size)
    boxes = preprocess_ops.resize_and_crop_boxes(boxes, scale, target, offset)
    labels = {
        "boxes": boxes,
        "classes": objects["classes"],
        "is_crowd": objects["is_crowd"],
        "areas": objects["shares"] * _box_areas(boxes),
    }
    image = tf.ensure_shape(image, [image_size, image_size, 3])
    return image, _rows(labels, max_num_boxes), scale


def training_example(
    image: tf.Tensor,
    objects: dict[str, tf.Tensor],
    seed: tf.Tensor,
    *,
    flip: bool,
    image_size: int,
    max_num_boxes: int,
    keep_aspect_ratio: bool = False,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """A randomly cropped and mirrored image with the objects that remain in it.

    Args:
      image: encoded, or uint8 [height, width, 3].
      objects: in it.
      seed: int [2]; the same seed changes the image in the same way.
      flip: mirror every other image.
      image_size: side of the network's input in pixels.
      max_num_boxes: rows of the labels; of more objects the largest are kept.
      keep_aspect_ratio: fit the image into the input rather than stretch it.

    Returns:
      Image float32 [image_size, image_size, 3] from -1 to 1, and labels: "boxes" float32
      [max_num_boxes, 4] in pixels of it, "classes" int32 [max_num_boxes], "is_crowd" bool
      [max_num_boxes], "areas" float32 [max_num_boxes]; rows without an object are zeros.
    """
    crop_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    size = _image_size(image)
    window, min_overlap = _random_window(size, objects, crop_seed)
    image = preprocessing.crop(image, lambda _: window)
    boxes = _crop_boxes(objects["boxes"], size, window, min_overlap)
    if flip:
        mirrored = tf.random.stateless_uniform([], flip_seed) < 0.5
        image = tf.cond(mirrored, lambda: tf.image.flip_left_right(image), lambda: image)
        boxes = tf.where(mirrored, box_ops.horizontal_flip_boxes(boxes), boxes)
    objects = {**objects, "boxes": boxes, "shares": _covered_shares(objects, size)}
    image, labels, _ = _finish(image, objects, image_size, max_num_boxes, keep_aspect_ratio)
    return image, labels


def evaluation_example(
    image: tf.Tensor,
    objects: dict[str, tf.Tensor],
    *,
    image_size: int,
    max_num_boxes: int,
    keep_aspect_ratio: bool = False,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The image as it is evaluated.

    Returns:
      As `training_example`, and the label "scale" float32 [2]: pixels of the network's input
      for each pixel of the image, y and x.
    """
    if image.dtype == tf.string:
        image = preprocessing.decode(image)
    objects = {**objects, "shares": _covered_shares(objects, tf.shape(image)[:2])}
    image, labels, scale = _finish(image, objects, image_size, max_num_boxes, keep_aspect_ratio)
    return image, {**labels, "scale": scale}
