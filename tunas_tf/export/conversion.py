"""From a Keras network to the contents of a .tflite file."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.export import operators
from tunas_tf.export.quantization import QUANTIZATIONS
from tunas_tf.export.quiet import quiet_native_code

__all__ = ["INPUT", "OUTPUT", "Shape", "convert", "convert_function"]

# Height, width and channels of the input, or of several by name; and an example of them.
Shape = tuple[int, int, int] | Mapping[str, tuple[int, int, int]]
Image = np.ndarray | Mapping[str, np.ndarray]

# What the input, and a single output, are called in the signature of a file.
INPUT, OUTPUT = "images", "logits"


def convert(
    network: Callable[..., tf.Tensor | Mapping[str, tf.Tensor]],
    input_shape: Shape | None = None,
    quantize: str = "none",
    representative_images: Iterable[Image] | None = None,
    signature: bool = True,
    float_outputs: bool = False,
) -> bytes:
    """Converts a network for inference, with builtin operations only and a batch of 1.

    Batch norm and the activations that have no operation of their own become part of the
    convolutions. With "int8" input and output are int8 as well, as accelerators without
    floating point want it; `runtime.TFLiteNetwork` knows their scales.

    Args:
      network: a Keras model with one input, or a function of a tensor. It returns a tensor, or
        several by name.
      input_shape: (height, width, channels) of the input; may be left out for a Keras model of
        fixed input size. Of a network that takes a dictionary, that of each input by name.
      quantize: a key of `QUANTIZATIONS`.
      representative_images: float32 [height, width, channels] each, prepared like those that
        the network will see: "int8" takes the ranges of all activations from them. One is
        enough where only the latency matters.
      signature: whether the file names its input "images" and its output "logits", or as the
        network does, in a "serving_default" signature. Without it the conversion takes half the
        time: for the many small networks that are measured.
      float_outputs: whether the outputs are float32 with "int8" too.

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
    converter = _converter(_inference_function(network, shape), signature)
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if representative_images is not None:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.float32 if float_outputs else tf.int8
        images = _checked_images(representative_images, shape)
        # By name, as the order of the inputs in a signature is not known; without one it is that
        # of the names.
        if not signature:
            images = [list(image.values()) for image in images]
        converter.representative_dataset = lambda: images
    tflite = _run(converter)
    operators.require_builtin(tflite)
    return tflite


def convert_function(function: Any, custom_operators: Iterable[str] = ()) -> bytes:
    """Converts a concrete function without variables, in float32.

    Args:
      function: of tensors to tensors by name; the file has the same names in its signature.
      custom_operators: names of operators outside of TFLite's builtin ones that the file must
        have. The function's calls of a `tf.function` that `experimental_implements` one become it.

    Raises:
      InputError: the file has others.
    """
    converter = _converter(function, signature=True)
    converter.allow_custom_ops = bool(custom_operators)
    tflite = _run(converter)
    operators.require_builtin(tflite, custom_operators)
    return tflite


def _input_shape(network, input_shape: Shape | None) -> Shape:
    """The given shape, else that of the Keras model."""
    shape: Any = input_shape
    if shape is None and isinstance(network, tf_keras.Model):
        shape = network.input_shape[1:]
    for each in shape.values() if isinstance(shape, Mapping) else [shape]:
        if each is None or len(each) != 3 or not all(each):
            raise InputError(
                f"the input shape is {each}; give the height, width and channels of the images."
            )
    return shape


def _inference_function(network, shape: Shape) -> Any:
    """A concrete function: images [1, height, width, channels] -> outputs by name."""

    def infer(images):
        if isinstance(network, tf_keras.layers.Layer):
            outputs = network(images, training=False)
        else:
            outputs = network(images)
        return outputs if isinstance(outputs, Mapping) else {OUTPUT: outputs}

    def images_of(shape, name):
        return tf.TensorSpec((1, *map(int, shape)), tf.float32, name=name)

    if isinstance(shape, Mapping):
        images = {name: images_of(each, name) for name, each in shape.items()}
    else:
        images = images_of(shape, INPUT)
    return tf.function(infer, autograph=False).get_concrete_function(images)


def _checked_images(images: Iterable[Image], shape: Shape) -> list:
    """Examples as the converter takes them: a batch of 1 for each input by name, sorted."""
    shapes = shape if isinstance(shape, Mapping) else {INPUT: shape}
    checked = []
    for image in images:
        by_name = image if isinstance(image, Mapping) else {INPUT: image}
        examples = {name: np.asarray(by_name[name], np.float32) for name in sorted(shapes)}
        checked.append({name: example[np.newaxis] for name, example in examples.items()})
        for name, example in examples.items():
            if example.shape != tuple(shapes[name]):
                raise InputError(
                    f"a representative image has the shape {example.shape}; the network's input "
                    f"is {tuple(shapes[name])}."
                )
    if not checked:
        raise InputError("there are no representative images; give some.")
    return checked


def _converter(function: Any, signature: bool) -> tf.lite.TFLiteConverter:
    # Of the Keras model itself the converter would follow every attribute, which takes a minute.
    module = tf.Module()
    module.captured_variables = list(function.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    converter.experimental_lower_to_saved_model = signature
    converter.exclude_conversion_metadata = not signature
    return converter


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
