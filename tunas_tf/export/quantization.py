"""The number formats of exported networks. No TensorFlow."""

import dataclasses

import numpy as np

__all__ = [
    "ENOUGH_REPRESENTATIVE_IMAGES",
    "NUM_REPRESENTATIVE_IMAGES",
    "QUANTIZATIONS",
    "Affine",
]

# Name of each quantisation: what it does.
QUANTIZATIONS = {
    "none": "float32 weights and arithmetic",
    "float16": "float16 weights, float32 arithmetic, or float16 where a device has it",
    "dynamic": "int8 weights, float32 activations that are quantised on the fly",
    "int8": "int8 weights, activations, input and output",
}

# That the ranges of int8 are taken from, where a dataset has as many.
NUM_REPRESENTATIVE_IMAGES = 200
# The ranges of fewer images are those of these images, rather than of the dataset.
ENOUGH_REPRESENTATIVE_IMAGES = 100


@dataclasses.dataclass(frozen=True)
class Affine:
    """real = scale * (integer - zero_point): how an integer tensor stands for real numbers.

    Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR 2018, equation 1. Example: with scale 0.5 and zero
    point -1, `quantize(1.0)` is 1 and `dequantize(1)` is 1.0.

    Attributes:
      scale: the step between two neighbouring numbers.
      zero_point: the integer that stands for 0.
      dtype: of the integers, as NumPy calls it.
    """

    scale: float
    zero_point: int
    dtype: str = "int8"

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """The nearest integers, clipped to the range of the type; halves go to even."""
        limits = np.iinfo(self.dtype)
        integers = np.round(np.asarray(values) / self.scale) + self.zero_point
        return np.clip(integers, limits.min, limits.max).astype(self.dtype)

    def dequantize(self, integers: np.ndarray) -> np.ndarray:
        """The real numbers, float32."""
        real = self.scale * (np.asarray(integers, np.float32) - self.zero_point)
        return real.astype(np.float32)
