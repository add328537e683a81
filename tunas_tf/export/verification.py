"""Whether a .tflite file computes what its Keras network computes."""

import dataclasses
import math
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.export.runtime import TFLiteNetwork

__all__ = [
    "MAX_ACCURACY_LOSS",
    "Comparison",
    "Difference",
    "Differences",
    "accuracy_loss",
    "compare",
    "float32_tolerance",
    "require_close",
    "require_same",
]

# The accuracy that int8 may cost before it is worth a warning.
MAX_ACCURACY_LOSS = 0.02

# Relative errors from which on a file is broken. Measured on untrained networks of all spaces,
# which amplify errors more than trained ones: up to 0.03 for float16, 0.5 for the others.
_MAX_RELATIVE_ERROR = {"float16": 0.1, "dynamic": 1.0, "int8": 1.0}


@dataclasses.dataclass(frozen=True)
class Difference:
    """How an output of a file and of Keras, in float32, differ.

    Attributes:
      max_difference: largest absolute difference of two values.
      largest_value: largest absolute value of Keras.
      relative_error: root mean square of the differences, over the standard deviation of the
        values of Keras; unrelated numbers have 1 or more.
    """

    max_difference: float
    largest_value: float
    relative_error: float


class Differences:
    """What a `Difference` is computed from, batch by batch.

    Attributes:
      images: that were added so far.
    """

    def __init__(self, name: str):
        """Starts without images; `name` says in messages what the values are."""
        self._name = name
        self.images = self._number = 0
        self._sum = self._squares = self._squared_differences = 0.0
        self._max_difference = self._largest_value = 0.0

    def add(self, expected: np.ndarray, found: np.ndarray) -> None:
        """Adds the values of Keras and of the file, [batch, ...] each.

        Raises:
          InputError: the shapes differ, or a value is not finite.
        """
        if expected.shape != found.shape:
            raise InputError(
                f"the conversion failed: the file returns {found.shape} where the network returns "
                f"{expected.shape}; please report it with the network."
            )
        for source, values in (("network", expected), ("file", found)):
            if not np.isfinite(values).all():
                raise InputError(
                    f"the {source} returns {self._name} that are no finite numbers; export a "
                    "checkpoint of a training that has not diverged."
                )
        expected, found = expected.astype(np.float64), found.astype(np.float64)
        difference = np.abs(found - expected)
        self.images += len(expected)
        self._number += expected.size
        self._sum += expected.sum()
        self._squares += np.square(expected).sum()
        self._squared_differences += np.square(difference).sum()
        self._max_difference = max(self._max_difference, float(difference.max()))
        self._largest_value = max(self._largest_value, float(np.abs(expected).max()))

    def difference(self) -> Difference:
        """Of all that was added.

        Raises:
          InputError: that was nothing.
        """
        if not self._number:
            raise InputError(
                "there is no image to compare the file with the network on: none could be "
                "decoded; give another --dataset, or none."
            )
        mean = self._sum / self._number
        variance = max(0.0, self._squares / self._number - mean**2)
        mean_square = self._squared_differences / self._number
        relative = math.sqrt(mean_square / variance) if variance else math.inf
        return Difference(
            max_difference=self._max_difference,
            largest_value=self._largest_value,
            relative_error=relative if mean_square else 0.0,
        )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How the logits of a file and of Keras, in float32, differ on some images.

    Attributes:
      num_images: how many images.
      max_difference, largest_logit, relative_error: as of a `Difference`.
      top1_agreement: share of the images for which both name the same class.
      keras_accuracy, tflite_accuracy: share of the images for which the class is right; None
        without labels.
    """

    num_images: int
    max_difference: float
    largest_logit: float
    relative_error: float
    top1_agreement: float
    keras_accuracy: float | None
    tflite_accuracy: float | None


class _Sums:
    """What a comparison is computed from, batch by batch."""

    def __init__(self):
        self.differences = Differences("logits")
        self.agreements = self.keras_right = self.tflite_right = 0
        self.labelled = True

    def add(self, expected: np.ndarray, found: np.ndarray, labels: np.ndarray | None) -> None:
        self.differences.add(expected, found)
        expected_classes, found_classes = expected.argmax(axis=-1), found.argmax(axis=-1)
        self.agreements += int((expected_classes == found_classes).sum())
        if labels is None:
            self.labelled = False
            return
        self.keras_right += int((expected_classes == labels).sum())
        self.tflite_right += int((found_classes == labels).sum())

    def comparison(self) -> Comparison:
        difference, images = self.differences.difference(), self.differences.images
        return Comparison(
            num_images=images,
            max_difference=difference.max_difference,
            largest_logit=difference.largest_value,
            relative_error=difference.relative_error,
            top1_agreement=self.agreements / images,
            keras_accuracy=self.keras_right / images if self.labelled else None,
            tflite_accuracy=self.tflite_right / images if self.labelled else None,
        )


def compare(
    network: tf_keras.Model,
    tflite_network: TFLiteNetwork,
    batches: Iterable[tuple[np.ndarray, np.ndarray | None]],
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
        sums.add(expected, tflite_network(images), labels)
        on_batch(len(images))
    return sums.comparison()


def float32_tolerance(largest_logit: float) -> float:
    """The largest difference that the order of float32 additions explains.

    1e-4 for logits from 0.1 to 10, as trained networks have them. Smaller ones must agree to a
    thousandth, or 1e-4 would say nothing; larger ones to 1e-5 of the largest, as float32 has no
    more digits.
    """
    return max(min(1e-4, 1e-3 * largest_logit), 1e-5 * largest_logit)


def require_close(difference: Difference, quantize: str, name: str, tolerance: float) -> None:
    """Raises InputError if a file does not do what its network does.

    Args:
      difference: of an output.
      quantize: how the file is quantised.
      name: what its values are.
      tolerance: largest difference without quantisation. With it, values must be related at all,
        as how exact they are depends on the network.
    """
    if quantize == "none":
        found, measure, allowed = difference.max_difference, "largest difference", tolerance
    else:
        found, measure = difference.relative_error, "relative error"
        allowed = _MAX_RELATIVE_ERROR[quantize]
    if not found <= allowed:
        raise InputError(
            f"the file does not compute what the network does: the {measure} of the {name} is "
            f"{found:.3g}, at most {allowed:.3g} is allowed, with quantisation {quantize} and "
            f"{name} up to {difference.largest_value:.3g}; "
            + ("please report it." if quantize == "none" else "use another quantisation.")
        )


def require_same(comparison: Comparison, quantize: str) -> None:
    """Raises InputError if a file does not do what its classifier does.

    Without quantisation the logits must be equal within `float32_tolerance`.
    """
    difference = Difference(
        comparison.max_difference, comparison.largest_logit, comparison.relative_error
    )
    require_close(difference, quantize, "logits", float32_tolerance(comparison.largest_logit))


def accuracy_loss(comparison: Comparison) -> float | None:
    """By how much the file is less accurate than Keras: 0.02 is two points."""
    if comparison.keras_accuracy is None or comparison.tflite_accuracy is None:
        return None
    return comparison.keras_accuracy - comparison.tflite_accuracy
