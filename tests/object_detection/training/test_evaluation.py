"""The figures of a detector that finds what there is, from raw outputs to COCO's AP."""

import numpy as np
import pytest
import raw_outputs
import tensorflow as tf

from object_detection import data, modeling
from object_detection.training.evaluation import evaluate

_SIZE = 128
_DEFINITION = modeling.define("ssdlite")


class _Oracle:
    """A network that answers with the objects of the images, batch by batch in their order."""

    def __init__(self, dataset, batch_size: int, leaves_out: int | None = None):
        """
        Args:
          dataset: whose "test" it is asked for.
          batch_size: images that it is shown at once.
          leaves_out: a class that it does not know.
        """
        self._num_classes = dataset.num_classes
        self._leaves_out = leaves_out
        batches = dataset.evaluation_batches("test", batch_size).as_numpy_iterator()
        self._labels = iter([labels for _, labels, _ in batches])
        example = self._of_objects(np.zeros((0, 4), np.float32), [])
        self._levels = {name: list(levels) for name, levels in example.items()}

    def _of_objects(self, boxes, classes):
        return raw_outputs.perfect_outputs(_DEFINITION, _SIZE, self._num_classes, boxes, classes)

    def _next(self):
        labels = next(self._labels)
        images = []
        for boxes, classes in zip(labels["boxes"], labels["classes"]):
            is_known = (classes > 0) & (classes != self._leaves_out)
            images.append(self._of_objects(boxes[is_known], classes[is_known]))
        return [
            np.concatenate([image[name][level] for image in images])
            for name, levels in self._levels.items()
            for level in levels
        ]

    def __call__(self, images, training):
        assert not training
        number = sum(map(len, self._levels.values()))
        answers = iter(tf.numpy_function(self._next, [], [tf.float32] * number))
        outputs = {}
        for name, levels in self._levels.items():
            outputs[name] = {level: next(answers) for level in levels}
            example = self._of_objects(np.zeros((0, 4), np.float32), [])[name]
            for level, value in outputs[name].items():
                value.set_shape([images.shape[0], *example[level].shape[1:]])
        return outputs


def _evaluate(dataset, batch_size, **arguments):
    network = _Oracle(dataset, batch_size, **arguments)
    return evaluate(network, _DEFINITION, dataset, "test", batch_size, 0, "none.png")


def test_digits_that_are_all_found(digit_scenes_dir):
    dataset = data.load("digit_scenes", digit_scenes_dir, _SIZE)
    found = _evaluate(dataset, 16)
    assert found["num_examples"] == 60
    assert found["ap"] == pytest.approx(1.0, abs=0.01)
    assert found["ap50"] == pytest.approx(1.0, abs=0.01)
    # Of ten classes one is never found.
    without = _evaluate(dataset, 16, leaves_out=dataset.class_names.index("7"))
    assert without["ap_per_class"]["7"] == 0.0
    assert without["ap"] == pytest.approx(0.9 * found["ap"], abs=0.01)


@pytest.mark.parametrize("keep_aspect_ratio", [False, True])
def test_objects_of_coco(coco_dir, keep_aspect_ratio):
    """Images of other sizes than the network's, with crowds."""
    dataset = data.load("coco/2017", coco_dir, _SIZE, keep_aspect_ratio=keep_aspect_ratio)
    found = _evaluate(dataset, 4)
    assert found["num_examples"] == dataset.num_examples("test") > 0
    assert found["ap50"] == pytest.approx(1.0, abs=0.02)
