"""A small `coco/2017`, made as the real one is: zips of JPEGs and JSON, read by TFDS's builder.

Each class that occurs has its own colour, and its objects are bright discs and blocks on dark
noise, each in its own quarter of the image, so that networks learn and pixels tell where they
are. Some images have no objects, some a crowd, one is grey, and all differ in size.
"""

import io
import json
import os
import pathlib
import zipfile
from unittest import mock

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image, ImageDraw
from tensorflow_datasets.core.download import checksums
from tensorflow_datasets.object_detection import coco as tfds_coco

from object_detection.data import coco
from tunas_tf.data.tfds_files import quiet_tfds

__all__ = ["COLOURS", "NUM_IMAGES", "build", "photo", "write_archives"]

NUM_IMAGES = {"train2017": 60, "val2017": 20, "test2017": 6}

# RGB of the category ids that occur: the first and the last, and some beside gaps.
COLOURS = {
    1: (255, 60, 60),
    11: (60, 255, 60),
    13: (80, 110, 255),
    25: (255, 230, 60),
    46: (60, 240, 240),
    90: (255, 80, 240),
}
_NUM_CROWD_MEMBERS = 12
_ROOT = "http://images.cocodataset.org"


def _draw(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], disc: bool, colour) -> None:
    """Fills (left, top, right, bottom), of which the last row and column are outside."""
    left, top, right, bottom = box
    shape = draw.ellipse if disc else draw.rectangle
    shape((left, top, right - 1, bottom - 1), fill=colour)


def photo(random: np.random.Generator) -> tuple[Image.Image, list[dict]]:
    """An image with sides of 80 to 200 pixels, and its annotations without ids."""
    width, height = (int(side) for side in random.integers(80, 201, 2))
    noise = random.normal(random.uniform(20, 60, 3), 8, (height, width, 3))
    image = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    annotations = []
    for quarter in random.permutation(4)[: random.integers(0, 5)]:
        category = int(random.choice(list(COLOURS)))
        extent = np.array([width, height]) // 2
        corner = extent * [quarter % 2, quarter // 2]
        size = random.integers(16, extent - 3)
        left, top = (int(v) for v in corner + random.integers(1, extent - size))
        right, bottom = left + int(size[0]), top + int(size[1])
        is_crowd, disc = random.random() < 0.1, random.random() < 0.5
        area = size.prod() * (np.pi / 4 if disc else 1)
        if is_crowd:
            # Two of its members reach to the corners.
            places = [*random.uniform(0, 1, (_NUM_CROWD_MEMBERS, 2)).tolist(), [0, 0], [1, 1]]
            for x, y in places:
                x, y = round(left + x * (size[0] - 4)), round(top + y * (size[1] - 4))
                _draw(draw, (x, y, x + 4, y + 4), False, COLOURS[category])
            area = 16 * len(places)
        else:
            _draw(draw, (left, top, right, bottom), disc, COLOURS[category])
        annotations.append(
            {
                "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
                "area": round(float(area), 4),
                "category_id": category,
                "iscrowd": int(is_crowd),
            }
        )
    return image, annotations


def _images_and_json(folder: str) -> tuple[dict[str, bytes], dict]:
    """(JPEGs by name, the annotation file) of "train2017", "val2017" or "test2017"."""
    random = np.random.default_rng([2017, list(NUM_IMAGES).index(folder)])
    # Ids of COCO have gaps, too.
    image_ids = np.sort(random.choice(np.arange(1, 600_000), NUM_IMAGES[folder], replace=False))
    files, images, annotations = {}, [], []
    for image_id in image_ids.tolist():
        image, objects = photo(random)
        name = f"{image_id:012}.jpg"
        encoded = io.BytesIO()
        (image.convert("L") if image_id == image_ids[3] else image).save(
            encoded, "JPEG", quality=95, subsampling=0
        )
        files[f"{folder}/{name}"] = encoded.getvalue()
        images.append(
            {"id": image_id, "file_name": name, "width": image.width, "height": image.height}
        )
        for one in objects:
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **one})
    categories = [
        {"id": number, "name": name} for number, name in zip(coco.CATEGORY_IDS, coco.CATEGORY_NAMES)
    ]
    description = {"images": images, "categories": categories}
    if folder != "test2017":
        description["annotations"] = annotations
    return files, description


def _write_zip(path: pathlib.Path, files: dict[str, bytes | str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_archives(directory: pathlib.Path) -> dict[str, dict]:
    """Writes the five archives that COCO is published as.

    Returns:
      The annotation files "train2017", "val2017" and "test2017", as Python objects.
    """
    directory.mkdir(parents=True)
    described = {}
    for folder in NUM_IMAGES:
        files, described[folder] = _images_and_json(folder)
        _write_zip(directory / f"{folder}.zip", files)
    _write_zip(
        directory / "annotations_trainval2017.zip",
        {
            f"annotations/instances_{folder}.json": json.dumps(described[folder])
            for folder in ("train2017", "val2017")
        },
    )
    _write_zip(
        directory / "image_info_test2017.zip",
        {"annotations/image_info_test2017.json": json.dumps(described["test2017"])},
    )
    return described


def build(directory: str | os.PathLike) -> str:
    """Makes archives and dataset below `directory`; returns the dataset_dir that has it.

    The annotation files lie beside it, in `directory`/instances_train2017.json and so on.
    """
    archives = pathlib.Path(directory) / "archives"
    for folder, described in write_archives(archives).items():
        (pathlib.Path(directory) / f"instances_{folder}.json").write_text(json.dumps(described))
    dataset_dir = str(pathlib.Path(directory) / "datasets")
    urls = {
        f"{_ROOT}/{'zips' if path.stem in NUM_IMAGES else 'annotations'}/{path.name}": path
        for path in archives.iterdir()
    }
    # The builder's own are those of the real archives.
    own_checksums = mock.patch.object(
        tfds_coco.Coco,
        "url_infos",
        {url: checksums.compute_url_info(path) for url, path in urls.items()},
    )
    config = tfds.download.DownloadConfig(manual_dir=archives, num_shards=2, try_download_gcs=False)
    with quiet_tfds(), own_checksums:
        tfds.builder("coco/2017", data_dir=dataset_dir).download_and_prepare(download_config=config)
    return dataset_dir
