"""Whether a .tflite file computes what its detector computes."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import tensorflow as tf

from object_detection import modeling
from object_detection.export import postprocessing
from object_detection.metrics import CocoEvaluation
from object_detection.modeling import Definition
from tunas_tf.common.errors import InputError
from tunas_tf.export.runtime import TFLiteFunction, TFLiteNetwork
from tunas_tf.export.verification import Difference, Differences, require_close

__all__ = [
    "Comparison",
    "compare",
    "detection_agreement",
    "require_joined",
    "require_same",
    "split_levels",
]

# Largest difference without quantisation, in parts of the largest value. The last feature maps of
# a detector lie behind so many layers that rounding errors of float32 grow to 1.2e-4 of it
# (measured with random weights, which amplify them more than trained ones).
_TOLERANCE = 5e-4

# What random raw outputs are drawn with, for the operator alone.
_SEED, _NUM_RANDOM = 0, 4

# Detections may differ where two boxes overlap by just as much as is allowed. Boxes in shares of
# the image.
_MIN_AGREEMENT = 0.99
_BOX_TOLERANCE, _SCORE_TOLERANCE = 1e-4, 1e-5


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How the raw outputs of a file and of Keras, in float32, differ on some images.

    Attributes:
      num_images: how many images.
      outputs: name of each raw output -> how much they differ.
      keras_ap, tflite_ap: COCO's average precision of the detections; None without labels.
    """

    num_images: int
    outputs: Mapping[str, Difference]
    keras_ap: float | None
    tflite_ap: float | None


def split_levels(
    definition: Definition, image_size: int, outputs: Mapping[str, np.ndarray]
) -> dict[str, dict[str, tf.Tensor]]:
    """Flat raw outputs as `modeling.detect` takes them: {name: {level: [batch, h, w, ...]}}.

    Args:
      definition, image_size: the detector.
      outputs: {name: [batch, anchors, values]}.
    """
    levels: dict[str, dict[str, tf.Tensor]] = {name: {} for name in outputs}
    start = 0
    for level, boxes in modeling.multilevel_anchors(definition, image_size).items():
        side = boxes.shape[0]
        end = start + boxes.size // 4
        for name, values in outputs.items():
            shape = [len(values), side, side, boxes.shape[-1] // 4 * values.shape[-1]]
            levels[name][level] = tf.reshape(values[:, start:end], shape)
        start = end
    return levels


def compare(
    infer: Callable[[tf.Tensor], Mapping[str, tf.Tensor]],
    tflite_network: TFLiteNetwork,
    batches: Iterable[tuple[np.ndarray, dict[str, np.ndarray] | None]],
    definition: Definition,
    class_names: tuple[str, ...] | None = None,
    on_batch: Callable[[int], None] = lambda num_images: None,
) -> Comparison:
    """Runs detector and file on the same images.

    Args:
      infer: images -> flat raw outputs by name.
      tflite_network: the converted network, with raw outputs.
      batches: of (images float32 [batch, size, size, 3], labels as of evaluation batches).
      definition: the detector.
      class_names: of all classes, to measure the average precision of both; None: do not.
      on_batch: called after every batch with the number of its images.

    Raises:
      InputError: the outputs have other names or shapes, or a value is not finite.
    """
    image_size = tflite_network.input.shape[1]
    function = tf.function(infer, autograph=False).get_concrete_function(
        tf.TensorSpec((None, image_size, image_size, 3))
    )
    detect = tf.function(
        lambda outputs: modeling.detect(outputs, definition, image_size), autograph=False
    )
    names = (postprocessing.CLASS_LOGITS, postprocessing.BOXES)
    if sorted(tflite_network.outputs) != sorted(names):
        raise InputError(
            f"the conversion failed: the file returns {', '.join(tflite_network.outputs)} rather "
            f"than {', '.join(names)}; please report it with the network."
        )
    differences = {name: Differences(name) for name in names}
    evaluations = [CocoEvaluation(class_names[1:]) for _ in range(2)] if class_names else []
    for images, labels in batches:
        expected = {name: x.numpy() for name, x in function(tf.constant(images)).items()}
        found = tflite_network.run(images)
        for name in names:
            differences[name].add(expected[name], found[name])
        for evaluation, outputs in zip(evaluations, (expected, found)):
            assert labels is not None, "class names were given, so there are labels"
            evaluation.update(detect(split_levels(definition, image_size, outputs)), labels)
        on_batch(len(images))
    precisions = [evaluation.result()["ap"] for evaluation in evaluations] or [None, None]
    return Comparison(
        num_images=differences[names[0]].images,
        outputs={name: differences[name].difference() for name in names},
        keras_ap=precisions[0],
        tflite_ap=precisions[1],
    )


def require_same(comparison: Comparison, quantize: str) -> None:
    """Raises InputError if a file does not do what its detector does."""
    for name, difference in comparison.outputs.items():
        require_close(difference, quantize, name, _TOLERANCE * difference.largest_value)


def _agreement(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> float:
    """Share of the detections of one image that are the same.

    Both are outputs of a file with post-processing. The scores must be the same one by one;
    detections of equal scores may have any order.
    """
    number = int(expected["num_detections"])
    if int(found["num_detections"]) != number:
        return 0.0
    if not number:
        return 1.0

    def differences(name):  # [expected, found] or, of boxes, [expected, found, 4]
        return np.abs(expected[name][:number, None] - found[name][None, :number])

    scores = differences("detection_scores")
    is_same = scores <= _SCORE_TOLERANCE
    is_same &= differences("detection_classes") == 0
    is_same &= differences("detection_boxes").max(axis=-1) <= _BOX_TOLERANCE
    return float(np.mean(is_same.any(axis=1) & (np.diag(scores) <= _SCORE_TOLERANCE)))


def _random_outputs(definition: Definition, image_size: int, num_classes: int):
    """Raw outputs of an image, again and again, without equal scores as untrained ones have.

    Many boxes reach beyond the image, or suppress each other. All have an area in the image:
    their centers move by less than half of their sides.
    """
    generator = np.random.default_rng(_SEED)
    num_anchors = len(modeling.flat_anchors(definition, image_size))
    limits = np.array(definition.box_coder_weights or (1.0,) * 4) * (0.3, 0.3, 0.4, 0.4)
    while True:
        logits = generator.normal(-3, 1.5, (1, num_anchors, num_classes))
        boxes = generator.uniform(-limits, limits, (1, num_anchors, 4))
        yield {
            postprocessing.CLASS_LOGITS: logits.astype(np.float32),
            postprocessing.BOXES: boxes.astype(np.float32),
        }


def detection_agreement(
    tflite: bytes,
    definition: Definition,
    image_size: int,
    num_classes: int,
    score_threshold: float,
) -> float:
    """Share of the detections in random raw outputs that `modeling.detect` finds too.

    Args:
      tflite: what `postprocessing.convert_detect` returned for the other arguments.

    Raises:
      InputError: they are too few.
    """
    function = TFLiteFunction(tflite, min(os.cpu_count() or 1, postprocessing.MAX_THREADS))
    shares = []
    for outputs in itertools.islice(
        _random_outputs(definition, image_size, num_classes), _NUM_RANDOM
    ):
        levels = split_levels(definition, image_size, outputs)
        detections = {
            name: values[0].numpy()
            for name, values in modeling.detect(levels, definition, image_size).items()
        }
        expected = {
            "detection_boxes": detections["boxes"] / image_size,
            "detection_classes": detections["classes"],
            "detection_scores": detections["scores"],
            "num_detections": np.sum(detections["scores"] >= score_threshold),
        }
        found = {name: values[0] for name, values in function(**outputs).items()}
        shares.append(_agreement(expected, found))
    share = float(np.mean(shares))
    if share < _MIN_AGREEMENT:
        raise InputError(
            f"{postprocessing.OPERATOR} finds other objects than the detector in Keras: "
            f"{share:.1%} of its detections are the same; export with --nopostprocess, and please "
            "report it."
        )
    return share


def require_joined(raw: bytes, detect: bytes, joined: bytes, images: np.ndarray) -> None:
    """Raises InputError if a joined file does not find what its two parts do in a row.

    Args:
      raw: the file with raw outputs, float32.
      detect: what `postprocessing.convert_detect` returned.
      joined: of both.
      images: float32 [batch, size, size, 3].
    """
    # On one thread: then detections of equal scores have one order.
    function = TFLiteFunction(detect)
    outputs, found = (TFLiteNetwork(tflite, num_threads=1).run(images) for tflite in (raw, joined))
    for index in range(len(images)):
        expected = function(**{name: values[index, None] for name, values in outputs.items()})
        of_image = {name: values[index] for name, values in found.items()}
        if _agreement({name: x[0] for name, x in expected.items()}, of_image) < _MIN_AGREEMENT:
            raise InputError(
                "the conversion failed: the file finds other objects than its two parts; export "
                "with --nopostprocess, and please report it."
            )
