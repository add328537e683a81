"""`digits`: the embedded dataset, a TFDS builder that needs no download.

Ten classes, made from the 1,797 real handwritten digits (8 x 8 grey levels, UCI
"Optical Recognition of Handwritten Digits") that scikit-learn carries. Each image shows
one digit, scaled, turned and coloured at random, on a textured 64 x 64 background and
on top of fragments of other digits.
"""

import functools
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from tunas_tf.data import embedded, rendering

__all__ = ["IMAGE_SIZE", "NUM_EXAMPLES", "Digits", "example", "prepare", "scans_of"]

IMAGE_SIZE = 64
NUM_EXAMPLES = {"train": 10_000, "test": 2_000}

# Scans that only the test split uses. The others are for training.
_NUM_TEST_SCANS = 297

_SEED = 20200613
_SPLIT_SEEDS = {"train": 0, "test": 1}


def scans_of(split: str) -> np.ndarray:
    """Positions in scikit-learn's list of the scans that `split` is made from."""
    # scikit-learn lists the digits writer by writer, so a slice would be a few writers.
    order = np.random.default_rng(_SEED).permutation(1797)
    return order[:_NUM_TEST_SCANS] if split == "test" else order[_NUM_TEST_SCANS:]


@functools.cache
def _glyphs(split: str) -> tuple[np.ndarray, np.ndarray]:
    """(glyphs [n, 60, 60], labels [n]) of the scans of `split`."""
    # scikit-learn takes a second to import, and only making the dataset needs it.
    from sklearn import datasets

    digits, scans = datasets.load_digits(), scans_of(split)
    return rendering.enlarge(digits.images[scans] / 16.0), digits.target[scans]


def example(split: str, index: int) -> tuple[np.ndarray, int]:
    """Image uint8 [64, 64, 3] and label of example `index`, a function of its arguments alone."""
    glyphs, labels = _glyphs(split)
    random = np.random.default_rng((_SEED, _SPLIT_SEEDS[split], index))
    scan = random.integers(len(glyphs))
    return rendering.scene(random, glyphs[scan], glyphs, IMAGE_SIZE), int(labels[scan])


class Digits(tfds.core.GeneratorBasedBuilder):
    """One handwritten digit in a cluttered 64 x 64 colour image; 10,000 train, 2,000 test."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "Initial release."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8, encoding_format="png"
                    ),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # Nothing is downloaded.
        return {split: self._generate_examples(split) for split in NUM_EXAMPLES}

    def _generate_examples(self, split: str):
        for index in range(NUM_EXAMPLES[split]):
            image, label = example(split, index)
            yield index, {"image": image, "label": label}


def prepare(dataset_dir: str) -> None:
    """Writes the dataset below `dataset_dir`, unless it is there."""
    embedded.prepare(Digits, dataset_dir)
