"""Whether a .tflite file computes what its Keras network computes."""

import dataclasses
import math
from typing import Callable, Iterable, Optional

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.export.runtime import TFLiteNetwork

__all__ = [
    "Comparison",
    "MAX_ACCURACY_LOSS",
    "accuracy_loss",
    "compare",
    "float32_tolerance",
    "require_same",
]

# The accuracy that int8 may cost before it is worth a warning.
MAX_ACCURACY_LOSS = 0.02

# Relative errors from which on a file is broken. Measured on untrained networks of all spaces,
# which amplify errors more than trained ones: up to 0.03 for float16, 0.5 for the others.
_MAX_RELATIVE_ERROR = {"float16": 0.1, "dynamic": 1.0, "int8": 1.0}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How the logits of a file and of Keras, in float32, differ on some images.

    Attributes:
      num_images: how many images.
      max_difference: largest absolute difference of two logits.
      largest_logit: largest absolute logit of Keras.
      relative_error: root mean square of the differences, over the standard deviation of the
        logits of Keras; unrelated numbers have 1 or more.
      top1_agreement: share of the images for which both name the same class.
      keras_accuracy, tflite_accuracy: share of the images for which the class is right; None
        without labels.
    """

    num_images: int
    max_difference: float
    largest_logit: float
    relative_error: float
    top1_agreement: float
    keras_accuracy: Optional[float]
    tflite_accuracy: Optional[float]


class _Sums:
    """What a comparison is computed from, batch by batch."""

    def __init__(self):
        self.images = self.values = self.agreements = self.keras_right = self.tflite_right = 0
        self.logits = self.squared_logits = self.squared_differences = 0.0
        self.max_difference = self.largest_logit = 0.0
        self.labelled = True

    def add(self, expected: np.ndarray, found: np.ndarray, labels: Optional[np.ndarray]) -> None:
        expected, found = expected.astype(np.float64), found.astype(np.float64)
        difference = np.abs(found - expected)
        self.images += len(expected)
        self.values += expected.size
        self.logits += expected.sum()
        self.squared_logits += np.square(expected).sum()
        self.squared_differences += np.square(difference).sum()
        self.max_difference = max(self.max_difference, float(difference.max()))
        self.largest_logit = max(self.largest_logit, float(np.abs(expected).max()))
        expected_classes, found_classes = expected.argmax(axis=-1), found.argmax(axis=-1)
        self.agreements += int((expected_classes == found_classes).sum())
        if labels is None:
            self.labelled = False
            return
        self.keras_right += int((expected_classes == labels).sum())
        self.tflite_right += int((found_classes == labels).sum())

    def comparison(self) -> Comparison:
        mean = self.logits / self.values
        variance = max(0.0, self.squared_logits / self.values - mean**2)
        mean_square = self.squared_differences / self.values
        relative = math.sqrt(mean_square / variance) if variance else math.inf
        return Comparison(
            num_images=self.images,
            max_difference=self.max_difference,
            largest_logit=self.largest_logit,
            relative_error=relative if mean_square else 0.0,
            top1_agreement=self.agreements / self.images,
            keras_accuracy=self.keras_right / self.images if self.labelled else None,
            tflite_accuracy=self.tflite_right / self.images if self.labelled else None,
        )


def compare(
    network: tf_keras.Model,
    tflite_network: TFLiteNetwork,
    batches: Iterable[tuple[np.ndarray, Optional[np.ndarray]]],
    on_batch: Callable[[int], None] = lambda num_images: None,
) -> Comparison:
    """Runs both networks on the same images.

    Args:
      network: images -> logits.
      tflite_network: the converted network.
      batches: of (images float32 [batch, height, width, 3], labels [batch] or None).
      on_batch: called after every batch with the number of its images.

    Raises:
      InputError: the shapes of the logits differ, or a logit is not finite.
    """
    infer = tf.function(
        lambda images: network(images, training=False), autograph=False
    ).get_concrete_function(tf.TensorSpec((None, *tflite_network.input.shape[1:])))
    sums = _Sums()
    for images, labels in batches:
        expected = infer(tf.convert_to_tensor(images)).numpy()
        found = tflite_network(images)
        if expected.shape != found.shape:
            raise InputError(
                f"the conversion failed: the file returns {found.shape} where the network returns "
                f"{expected.shape}; please report it with the network."
            )
        for source, logits in (("network", expected), ("file", found)):
            if not np.isfinite(logits).all():
                raise InputError(
                    f"the {source} returns logits that are no finite numbers; export a checkpoint "
                    "of a training that has not diverged."
                )
        sums.add(expected, found, labels)
        on_batch(len(images))
    return sums.comparison()


def float32_tolerance(largest_logit: float) -> float:
    """The largest difference that the order of float32 additions explains.

    1e-4 for logits from 0.1 to 10, as trained networks have them. Smaller ones must agree to a
    thousandth, or 1e-4 would say nothing; larger ones to 1e-5 of the largest, as float32 has no
    more digits.
    """
    return max(min(1e-4, 1e-3 * largest_logit), 1e-5 * largest_logit)


def require_same(comparison: Comparison, quantize: str) -> None:
    """Raises InputError if a file does not do what its network does.

    Without quantisation the logits must be equal within `float32_tolerance`; with it they must
    be related at all, as how exact they are depends on the network.
    """
    if quantize == "none":
        found, name = comparison.max_difference, "largest difference"
        allowed = float32_tolerance(comparison.largest_logit)
    else:
        found, name = comparison.relative_error, "relative error"
        allowed = _MAX_RELATIVE_ERROR[quantize]
    if not found <= allowed:
        raise InputError(
            f"the file does not compute what the network does: the {name} of the logits is "
            f"{found:.3g}, at most {allowed:.3g} is allowed, with quantisation {quantize} and "
            f"logits up to {comparison.largest_logit:.3g}; "
            + ("please report it." if quantize == "none" else "use another quantisation.")
        )


def accuracy_loss(comparison: Comparison) -> Optional[float]:
    """By how much the file is less accurate than Keras: 0.02 is two points."""
    if comparison.keras_accuracy is None or comparison.tflite_accuracy is None:
        return None
    return comparison.keras_accuracy - comparison.tflite_accuracy
