"""Detection goes on when an image cannot be decoded."""

import numpy as np
import pytest
import tensorflow as tf

from object_detection import modeling
from object_detection.data.detection import DetectionDataset
from object_detection.training.evaluation import evaluate

_BROKEN = 3  # Of the seven images.


class _Source:
    """Seven images with two objects each, one of which cannot be decoded."""

    def __init__(self, image_shape: tuple[int, int] | None):
        self.image_shape = image_shape

    def num_examples(self, split):
        del split
        return 7

    def origin(self, split):
        return split

    def most_objects(self, split, start, stop):
        del split, start, stop
        return 2

    def examples(self, split, start, stop, shuffle_seed=None):
        del split, shuffle_seed
        image = tf.io.encode_jpeg(np.full((40, 40, 3), 200, np.uint8)).numpy()
        images = [image if i != _BROKEN else image[:-100] for i in range(start, stop)]
        number = stop - start
        objects = {
            "boxes": np.tile([[0.1, 0.1, 0.9, 0.9], [0.2, 0.2, 0.6, 0.6]], (number, 1, 1)),
            "classes": np.ones((number, 2), np.int32),
            "is_crowd": np.zeros((number, 2), bool),
            "areas": np.zeros((number, 2), np.float32),
        }
        objects["boxes"] = objects["boxes"].astype(np.float32)
        ids = np.arange(start, stop, dtype=np.int64)
        return tf.data.Dataset.from_tensor_slices(
            {"image": images, "image_id": ids, "objects": objects}
        )


def _dataset(image_shape=None, on_broken="skip") -> DetectionDataset:
    return DetectionDataset(
        name="seven",
        dataset_dir="",
        num_classes=2,
        class_names=("background", "thing"),
        category_ids=(0, 1),
        image_size=32,
        max_num_boxes=4,
        keep_aspect_ratio=False,
        reward_fraction=0.2,
        num_reward_examples=1,
        flip=False,
        on_broken=on_broken,
        source=_Source(image_shape),
    )


@pytest.mark.parametrize("image_shape", [None, (40, 40)])
def test_training(image_shape, capfd):
    """Encoded images are decoded in the pipeline; small ones of one shape before it."""
    batches = _dataset(image_shape).training_batches("train", 7, seed=0, augment=False)
    images, labels = next(iter(batches))
    uniform = [i for i in range(7) if not np.any(images[i]) or np.allclose(images[i], -1.0)]
    assert len(uniform) == 1
    num_objects = tf.reduce_sum(tf.cast(labels["classes"] > 0, tf.int32), axis=1).numpy()
    if image_shape is None:  # Where boxes are prepared with the image, there are none.
        assert num_objects[uniform[0]] == 0
        assert sorted(num_objects) == [0] + [2] * 6
    assert "were replaced by uniform ones, 1 so far" in capfd.readouterr().err


def test_evaluation():
    (batch,) = _dataset().evaluation_batches("test", 8)
    _, labels, weights = batch
    assert weights.numpy().tolist() == [1.0] * 6 + [0.0] * 2
    assert labels["image_ids"].numpy()[:6].tolist() == [0, 1, 2, 4, 5, 6]


def test_figures_are_of_the_images_that_were_seen():
    definition = modeling.define("ssdlite")
    levels = modeling.multilevel_anchors(definition, 32)

    def blind(images, training):
        """Raw outputs of a detector that finds nothing."""
        del training

        def zeros(per_anchor):
            return {
                level: tf.zeros([len(images), *boxes.shape[:2], boxes.shape[2] // 4 * per_anchor])
                for level, boxes in levels.items()
            }

        return {"class_logits": zeros(2), "boxes": zeros(4)}

    for batch_size in (4, 8):
        result = evaluate(blind, definition, _dataset(), "test", batch_size, 0, "none.png")
        assert result["num_examples"] == 6


def test_who_wants_to_stop_does():
    with pytest.raises(tf.errors.InvalidArgumentError):
        next(iter(_dataset(on_broken="stop").training_batches("train", 7, seed=0)))
