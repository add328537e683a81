"""Running a file: batches, and integers at both ends."""

import numpy as np
import random_networks
import tiny_tflite
from ai_edge_litert.interpreter import Interpreter

from tunas_tf.export.quantization import Affine
from tunas_tf.export.runtime import TFLiteNetwork


def test_a_batch_is_its_images_one_by_one():
    network = TFLiteNetwork(tiny_tflite.convolution())
    assert network.input.shape == (1, 16, 16, 3) and network.output.shape == (1, 16, 16, 8)
    assert network.input.affine is None and network.output.affine is None
    images = random_networks.images(3, 16)
    found = network(images)
    assert found.shape == (3, 16, 16, 8)
    for image, output in zip(images, found):
        np.testing.assert_array_equal(network(image[np.newaxis])[0], output)


def test_integers_at_both_ends():
    tflite = tiny_tflite.quantized_convolution()
    network = TFLiteNetwork(tflite)
    images = np.random.default_rng(1).random((2, 16, 16, 3), np.float32)

    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = source["quantization"]
    assert network.input.affine == Affine(scale, zero_point, "int8")
    for image, output in zip(images, network(images)):
        integers = np.rint(image / scale + zero_point).clip(-128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], integers[np.newaxis])
        interpreter.invoke()
        integers = interpreter.get_tensor(target["index"])[0].astype(np.float64)
        out_scale, out_zero_point = target["quantization"]
        np.testing.assert_allclose(output, (integers - out_zero_point) * out_scale, rtol=1e-5)
