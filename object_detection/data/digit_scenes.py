"""`digit_scenes`: the embedded detection dataset, a TFDS builder that needs no download.

Ten classes, made from the 1,797 real handwritten digits (8 x 8 grey levels, UCI
"Optical Recognition of Handwritten Digits") that scikit-learn carries. Each image shows up to
eight digits, 32 to 110 pixels high, lighter or darker than a textured 160 x 160 ground and
partly in front of each other. One image in twenty is empty, one in fifty has a block of
small digits that is marked as a crowd. The features are those of COCO.
"""

import functools
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from object_detection.data import scenes
from tunas_tf.data import digits, embedded

__all__ = ["NUM_EXAMPLES", "DigitScenes", "example", "prepare"]

NUM_EXAMPLES = {"train": 12_000, "test": 500}

_SEED = 20200414
_SPLIT_SEEDS = {"train": 0, "test": 1}

# Ids of objects are unique in a split, and not 0, which pycocotools takes for "none".
_MAX_OBJECTS = 10


@functools.cache
def _handwriting(split: str) -> tuple[np.ndarray, np.ndarray]:
    """(scans [n, 8, 8] with values 0 to 1, labels [n]); none is in both splits."""
    # scikit-learn takes a second to import, and only making the dataset needs it.
    from sklearn import datasets

    bundled, scans = datasets.load_digits(), digits.scans_of(split)
    return bundled.images[scans] / 16.0, bundled.target[scans]


def example(split: str, index: int) -> tuple[np.ndarray, list[scenes.SceneObject]]:
    """Image uint8 [160, 160, 3] and objects of example `index`, a function of its arguments."""
    random = np.random.default_rng((_SEED, _SPLIT_SEEDS[split], index))
    return scenes.scene(random, *_handwriting(split))


class DigitScenes(tfds.core.GeneratorBasedBuilder):
    """Several handwritten digits in a 160 x 160 colour image; 12,000 train, 500 test."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.1.0": "More images, of larger, less turned digits that minutes of training can learn.",
        "1.0.0": "Initial release.",
    }

    def _info(self) -> tfds.core.DatasetInfo:
        side = scenes.IMAGE_SIZE
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(side, side, 3), encoding_format="jpeg"),
                    "image/filename": tfds.features.Text(),
                    "image/id": np.int64,
                    "objects": tfds.features.Sequence(
                        {
                            "area": np.int64,
                            "bbox": tfds.features.BBoxFeature(),
                            "id": np.int64,
                            "is_crowd": np.bool_,
                            "label": tfds.features.ClassLabel(num_classes=10),
                        }
                    ),
                }
            ),
            homepage="https://archive.ics.uci.edu/dataset/80",
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # Nothing is downloaded.
        return {split: self._generate_examples(split) for split in NUM_EXAMPLES}

    def _generate_examples(self, split: str):
        for index in range(NUM_EXAMPLES[split]):
            image, objects = example(split, index)
            yield (
                index,
                {
                    "image": image,
                    "image/filename": f"{split}_{index:06}.jpg",
                    "image/id": index,
                    "objects": [
                        {
                            "area": found.area,
                            "bbox": tfds.features.BBox(*np.divide(found.box, scenes.IMAGE_SIZE)),
                            "id": index * _MAX_OBJECTS + number,
                            "is_crowd": found.is_crowd,
                            "label": found.label,
                        }
                        for number, found in enumerate(objects, start=1)
                    ],
                },
            )


def prepare(dataset_dir: str) -> None:
    """Writes the dataset below `dataset_dir`, unless it is there."""
    embedded.prepare(DigitScenes, dataset_dir)
