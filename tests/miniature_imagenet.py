"""A small `imagenet2012`, made as the real one is: archives of JPEGs, read by TFDS's builder.

Eight of the thousand classes have images: a bright shape on dark noise, one shape and one
colour for each class, so that a network learns them in seconds. Sizes differ, as photos' do.
"""

import io
import os
import pathlib
import tarfile
from unittest import mock

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image, ImageDraw
from tensorflow_datasets.datasets.imagenet2012 import imagenet_common

from tunas_tf.data.tfds_files import quiet_tfds

__all__ = [
    "NUM_SHARDS",
    "NUM_TRAIN",
    "NUM_VALIDATION",
    "SYNSETS",
    "build",
    "photo",
    "write_archives",
]

NUM_TRAIN = 240
NUM_VALIDATION = 60
NUM_SHARDS = 4

# ImageNet's names of the classes with images, and what these show: (shape, RGB).
_CLASSES = {
    "n01440764": ("circle", (255, 60, 60)),  # The first class.
    "n01443537": ("square", (60, 255, 60)),
    "n02085620": ("triangle", (80, 110, 255)),
    "n02123045": ("cross", (255, 230, 60)),
    "n03445777": ("ring", (60, 240, 240)),
    "n04146614": ("bar", (255, 80, 240)),
    "n07747607": ("column", (255, 160, 40)),
    "n15075141": ("diamond", (235, 235, 235)),  # The last class.
}
SYNSETS = tuple(_CLASSES)

# Corners in the square from -1 to 1, for the shapes that are polygons.
_CORNERS = {
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "triangle": [(0, -1), (1, 1), (-1, 1)],
    "bar": [(-1, -0.3), (1, -0.3), (1, 0.3), (-1, 0.3)],
    "column": [(-0.3, -1), (0.3, -1), (0.3, 1), (-0.3, 1)],
    "diamond": [(0, -1), (1, 0), (0, 1), (-1, 0)],
}


def _draw(draw: ImageDraw.ImageDraw, shape: str, colour, centre, radius: float) -> None:
    def place(corners):
        return [tuple(radius * np.array(corner) + centre) for corner in corners]

    box = place([(-1, -1), (1, 1)])
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "ring":
        draw.ellipse(box, outline=colour, width=max(3, round(radius / 3)))
    elif shape == "cross":
        for line in ([(-1, -1), (1, 1)], [(-1, 1), (1, -1)]):
            draw.line(place(line), fill=colour, width=max(3, round(radius / 2)))
    else:
        draw.polygon(place(_CORNERS[shape]), fill=colour)


def photo(random: np.random.Generator, synset: str, grey: bool = False) -> bytes:
    """A JPEG of the class, with sides of 60 to 140 pixels."""
    shape, colour = _CLASSES[synset]
    width, height = random.integers(60, 141, 2)
    noise = random.normal(random.uniform(40, 90, 3), 12, (height, width, 3))
    image = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    radius = min(width, height) * random.uniform(0.25, 0.4)
    centre = np.array([width, height]) / 2 + random.uniform(-0.1, 0.1, 2) * min(width, height)
    _draw(ImageDraw.Draw(image), shape, colour, centre, radius)
    encoded = io.BytesIO()
    (image.convert("L") if grey else image).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def _tar(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return archive.getvalue()


def write_archives(directory: pathlib.Path) -> dict[str, str]:
    """Writes the two archives that ImageNet is published as.

    Returns:
      The class of each validation image, by file name.
    """
    directory.mkdir(parents=True)
    random = np.random.default_rng(2012)
    per_class = range(NUM_TRAIN // len(SYNSETS))
    train = {
        f"{synset}.tar": _tar(
            # ImageNet too has some grey JPEGs.
            {f"{synset}_{i}.JPEG": photo(random, synset, grey=i == 7) for i in per_class}
        )
        for synset in SYNSETS
    }
    labels = {
        f"ILSVRC2012_val_{i + 1:08}.JPEG": SYNSETS[random.integers(len(SYNSETS))]
        for i in range(NUM_VALIDATION)
    }
    validation = {name: photo(random, synset) for name, synset in labels.items()}
    (directory / "ILSVRC2012_img_train.tar").write_bytes(_tar(train))
    (directory / "ILSVRC2012_img_val.tar").write_bytes(_tar(validation))
    return labels


def build(directory: str | os.PathLike) -> str:
    """Makes archives and dataset below `directory`; returns the dataset_dir that has it."""
    archives = pathlib.Path(directory) / "archives"
    labels = write_archives(archives)
    dataset_dir = str(pathlib.Path(directory) / "datasets")
    config = tfds.download.DownloadConfig(
        manual_dir=archives, num_shards=NUM_SHARDS, try_download_gcs=False
    )
    # The builder's own list has the labels of the 50,000 real validation images.
    own_labels = mock.patch.object(imagenet_common, "get_validation_labels", lambda path: labels)
    with quiet_tfds(), own_labels:
        tfds.builder("imagenet2012", data_dir=dataset_dir).download_and_prepare(
            download_config=config
        )
    return dataset_dir
