"""Contents of small .tflite files, made by TensorFlow's converter."""

import functools

import numpy as np
import tensorflow as tf


def _converter(function, *input_specs):
    concrete = tf.function(function).get_concrete_function(*input_specs)
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())


def _convolution(filters):
    def convolve(images):
        kernel = np.random.default_rng(0).normal(size=(3, 3, images.shape[-1], filters))
        return tf.nn.relu(tf.nn.conv2d(images, kernel.astype(np.float32), 1, "SAME"))

    return convolve


@functools.cache
def convolution(size=16, input_filters=3, filters=8, batch=1) -> bytes:
    """A 3x3 convolution of images [batch, size, size, input_filters]."""
    images = tf.TensorSpec((batch, size, size, input_filters))
    return _converter(_convolution(filters), images).convert()


@functools.cache
def quantized_convolution(dtype=tf.int8) -> bytes:
    """An int8 convolution of images [1, 16, 16, 3] of type `dtype`."""
    converter = _converter(_convolution(8), tf.TensorSpec((1, 16, 16, 3)))
    images = np.random.default_rng(0).random((4, 1, 16, 16, 3), np.float32)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = dtype
    return converter.convert()


@functools.cache
def lookup() -> bytes:
    """Looks four indices, int32, up in ten numbers."""
    numbers = tf.range(10.0)
    return _converter(lambda i: tf.gather(numbers, i), tf.TensorSpec((4,), tf.int32)).convert()


@functools.cache
def inverse_matrix() -> bytes:
    """Needs TensorFlow's own MatrixInverse."""
    converter = _converter(tf.linalg.inv, tf.TensorSpec((4, 4)))
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    return converter.convert()
