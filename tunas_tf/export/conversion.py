"""From a Keras network to the contents of a .tflite file."""

import re
import warnings
from typing import Any, Callable, Iterable, Optional

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.export import operators
from tunas_tf.export.quantization import QUANTIZATIONS
from tunas_tf.export.quiet import quiet_native_code

__all__ = ["INPUT", "OUTPUT", "convert"]

# What input and output are called in the signature of a file.
INPUT, OUTPUT = "images", "logits"


def convert(
    network: Callable[..., tf.Tensor],
    input_shape: Optional[tuple[int, int, int]] = None,
    quantize: str = "none",
    representative_images: Optional[Iterable[np.ndarray]] = None,
    signature: bool = True,
) -> bytes:
    """Converts a network for inference, with builtin operations only and a batch of 1.

    Batch norm and the activations that have no operation of their own become part of the
    convolutions. With "int8" input and output are int8 as well, as accelerators without
    floating point want it; `runtime.TFLiteNetwork` knows their scales.

    Args:
      network: a Keras model with one input, or a function of a tensor.
      input_shape: (height, width, channels) of the input; may be left out for a Keras model of
        fixed input size.
      quantize: a key of `QUANTIZATIONS`.
      representative_images: float32 [height, width, channels] each, prepared like those that
        the network will see: "int8" takes the ranges of all activations from them. One is
        enough where only the latency matters.
      signature: whether the file names its input "images" and its output "logits" in a
        "serving_default" signature. Without it the conversion takes half the time: for the
        many small networks that are measured.

    Raises:
      InputError: the arguments do not fit, or the network needs other operations.
    """
    if quantize not in QUANTIZATIONS:
        raise InputError(
            f"there is no quantisation {quantize!r}; use one of {', '.join(QUANTIZATIONS)}."
        )
    if (quantize == "int8") != (representative_images is not None):
        raise InputError(
            f"representative images are for int8, and needed there; quantize is {quantize!r}."
        )
    shape = _input_shape(network, input_shape)
    function = _inference_function(network, shape)
    # Of the Keras model itself the converter would follow every attribute, which takes a minute.
    module = tf.Module()
    module.captured_variables = list(function.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    converter.experimental_lower_to_saved_model = signature
    converter.exclude_conversion_metadata = not signature
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        images = _checked_images(representative_images, shape)
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in images)
    tflite = _run(converter)
    operators.require_builtin(tflite)
    return tflite


def _input_shape(network, input_shape: Optional[tuple]) -> tuple:
    """The given shape, else that of the Keras model."""
    shape = input_shape
    if shape is None and isinstance(network, tf_keras.Model):
        shape = network.input_shape[1:]
    if shape is None or len(shape) != 3 or not all(shape):
        raise InputError(
            f"the input shape is {shape}; give the height, width and channels of the images."
        )
    return tuple(map(int, shape))


def _inference_function(network, shape: tuple) -> Any:
    """A concrete function: images [1, height, width, channels] -> {"logits": ...}."""

    def infer(images):
        if isinstance(network, tf_keras.layers.Layer):
            return {OUTPUT: network(images, training=False)}
        return {OUTPUT: network(images)}

    images = tf.TensorSpec((1, *shape), tf.float32, name=INPUT)
    return tf.function(infer, autograph=False).get_concrete_function(images)


def _checked_images(images: Iterable[np.ndarray], shape: tuple) -> list[np.ndarray]:
    checked = [np.asarray(image, np.float32) for image in images]
    if not checked:
        raise InputError("there are no representative images; give some.")
    for image in checked:
        if image.shape != shape:
            raise InputError(
                f"a representative image has the shape {image.shape}; the network's input is "
                f"{shape}."
            )
    return checked


def _run(converter: tf.lite.TFLiteConverter) -> bytes:
    try:
        with quiet_native_code(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It warns of calibration without a signature.
            return converter.convert()
    except Exception as error:  # The converter's own type of exception is not public.
        missing = re.search(r"^(?:Custom|Flex) ops: (.+)$", str(error), re.MULTILINE)
        if missing is None:
            raise
        raise InputError(
            f"the network needs {missing[1]}, which TFLite does not have built in; build it from "
            "other operations."
        ) from None
