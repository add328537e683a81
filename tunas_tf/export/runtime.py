"""Running the contents of a .tflite file on this machine, with LiteRT."""

import os
from typing import NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tunas_tf.export.quantization import Affine
from tunas_tf.export.quiet import quiet_native_code

__all__ = ["TFLiteFunction", "TFLiteNetwork", "TensorInfo"]


class TensorInfo(NamedTuple):
    """The input or an output of a file.

    Attributes:
      name: of the tensor.
      shape: [1, ...].
      dtype: "float32" or "int8".
      affine: what the integers stand for; None for float32.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    affine: Affine | None


def _tensor_info(details: dict) -> TensorInfo:
    scale, zero_point = details["quantization"]
    dtype = np.dtype(details["dtype"]).name
    # A scale of 0 is LiteRT's way to say that there is none.
    affine = Affine(float(scale), int(zero_point), dtype) if scale else None
    return TensorInfo(details["name"], tuple(map(int, details["shape"])), dtype, affine)


class TFLiteNetwork:
    """A converted network; called with images, it returns what the network computes.

    Attributes:
      input: its tensor.
      outputs: its tensors, by their names in the signature, or in the file if it has none.
    """

    def __init__(self, tflite: bytes, num_threads: int | None = None):
        """Loads the contents of a file, for so many threads; None: all CPU cores."""
        with quiet_native_code():
            self._interpreter = Interpreter(
                model_content=tflite, num_threads=num_threads or os.cpu_count() or 1
            )
            self._interpreter.allocate_tensors()
            details = {found["name"]: found for found in self._interpreter.get_output_details()}
            for signature in self._interpreter.get_signature_list():
                details = self._interpreter.get_signature_runner(signature).get_output_details()
        (input_details,) = self._interpreter.get_input_details()
        self.input = _tensor_info(input_details)
        self.outputs = {name: _tensor_info(output) for name, output in details.items()}
        self._input_index = input_details["index"]
        self._output_indices = {name: output["index"] for name, output in details.items()}

    @property
    def output(self) -> TensorInfo:
        """The output of a network that has one only."""
        (output,) = self.outputs.values()
        return output

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Images float32 [batch, height, width, channels] -> float32 [batch, ...] by name.

        The images are run one by one. Where input or outputs are integers, they are converted to
        and from real numbers.
        """
        if self.input.affine is not None:
            images = self.input.affine.quantize(images)
        outputs: dict[str, list] = {name: [] for name in self.outputs}
        for image in images:
            self._interpreter.set_tensor(self._input_index, image[np.newaxis])
            self._interpreter.invoke()
            for name, index in self._output_indices.items():
                outputs[name].append(self._interpreter.get_tensor(index)[0])
        found = {}
        for name, info in self.outputs.items():
            stacked = np.stack(outputs[name])
            found[name] = stacked if info.affine is None else info.affine.dequantize(stacked)
        return found

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """What `run` finds for a network that has one output only."""
        (output,) = self.run(images).values()
        return output


class TFLiteFunction:
    """A converted function of several tensors; called with them by name, it returns others.

    Attributes:
      inputs: its tensors by name.
    """

    def __init__(self, tflite: bytes, num_threads: int = 1):
        """Loads the contents of a file with a signature."""
        with quiet_native_code():
            interpreter = Interpreter(model_content=tflite, num_threads=num_threads)
            self._run = interpreter.get_signature_runner()
        inputs = self._run.get_input_details()
        self.inputs = {name: _tensor_info(details) for name, details in inputs.items()}

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Inputs and outputs by their names in the signature, without any conversion."""
        return self._run(**inputs)
