"""Running the contents of a .tflite file on this machine, with LiteRT."""

import os
from typing import NamedTuple, Optional

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tunas_tf.export.quantization import Affine
from tunas_tf.export.quiet import quiet_native_code

__all__ = ["TFLiteNetwork", "TensorInfo"]


class TensorInfo(NamedTuple):
    """The input or the output of a file.

    Attributes:
      name: of the tensor.
      shape: [1, ...].
      dtype: "float32" or "int8".
      affine: what the integers stand for; None for float32.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    affine: Optional[Affine]


def _tensor_info(details: dict) -> TensorInfo:
    scale, zero_point = details["quantization"]
    dtype = np.dtype(details["dtype"]).name
    # A scale of 0 is LiteRT's way to say that there is none.
    affine = Affine(float(scale), int(zero_point), dtype) if scale else None
    return TensorInfo(details["name"], tuple(map(int, details["shape"])), dtype, affine)


class TFLiteNetwork:
    """A converted network; called with images, it returns what the network computes.

    Attributes:
      input, output: its tensors.
    """

    def __init__(self, tflite: bytes):
        """Loads the contents of a file, for all CPU cores."""
        with quiet_native_code():
            self._interpreter = Interpreter(
                model_content=tflite, num_threads=os.cpu_count() or 1
            )
            self._interpreter.allocate_tensors()
        (input_details,) = self._interpreter.get_input_details()
        (output_details,) = self._interpreter.get_output_details()
        self.input, self.output = _tensor_info(input_details), _tensor_info(output_details)
        self._input_index, self._output_index = input_details["index"], output_details["index"]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Images float32 [batch, height, width, channels] -> float32 [batch, ...], one by one.

        Where input or output are integers, they are converted to and from real numbers.
        """
        if self.input.affine is not None:
            images = self.input.affine.quantize(images)
        outputs = []
        for image in images:
            self._interpreter.set_tensor(self._input_index, image[np.newaxis])
            self._interpreter.invoke()
            outputs.append(self._interpreter.get_tensor(self._output_index)[0])
        stacked = np.stack(outputs)
        return stacked if self.output.affine is None else self.output.affine.dequantize(stacked)
