"""What check_data finds: in whole data, and in data damaged in one place."""

import io
import itertools
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tunas_tf import data
from tunas_tf.common.errors import InputError
from tunas_tf.data import inspection, inspection_report
from tunas_tf.data.tfds_files import quiet_tfds


@pytest.fixture(autouse=True)
def _short_measurement(monkeypatch):
    monkeypatch.setattr(inspection, "_START_SECONDS", 0.0)
    monkeypatch.setattr(inspection, "_MEASURED_SECONDS", 0.1)


def _inspect(name, directory, num_examples):
    dataset = data.load(name, str(directory), image_size=32, on_broken="keep")
    return inspection.inspect(dataset, num_examples)


def _jpegs(imagenet_dir, split):
    """The images of a split and their labels, decoded by another library."""
    examples = tfds.builder("imagenet2012", data_dir=imagenet_dir).as_dataset(
        split=split, decoders={"image": tfds.decode.SkipDecoding()}
    )
    return [
        (Image.open(io.BytesIO(example["image"])), int(example["label"]))
        for example in tfds.as_numpy(examples)
    ]


def test_every_example_of_imagenet(imagenet_dir):
    found = _inspect("imagenet2012", imagenet_dir, 0)
    assert [(split.name, split.origin, split.num_examples) for split in found.splits] == [
        ("train", "train", 240),
        ("search_train", "train[9:]", 231),
        ("search_validation", "train[:9]", 9),
        ("test", "validation", 60),
    ]
    assert [split.num_files for split in found.splits] == [4, 4, 1, 4]
    directory = pathlib.Path(imagenet_dir) / "imagenet2012" / "5.1.0"
    train, search_train, search_validation, test = (split.num_bytes for split in found.splits)
    assert train == sum(path.stat().st_size for path in directory.glob("*-train.*"))
    assert test == sum(path.stat().st_size for path in directory.glob("*-validation.*"))
    assert abs(search_train + search_validation - train) <= 1
    for images, split in zip(found.images, ("train", "validation")):
        expected = _jpegs(imagenet_dir, split)
        assert images.num_read == images.num_examples == len(expected)
        assert images.heights == sorted(image.height for image, _ in expected)
        assert images.widths == sorted(image.width for image, _ in expected)
        assert images.formats == {"JPEG": len(expected)} and images.broken == []
        labels = [label + 1 for _, label in expected]
        assert images.labels == {label: labels.count(label) for label in sorted(labels)}
    assert found.images_per_second > 0
    inspection_report.require_usable(found)


@pytest.mark.parametrize("num_examples", [1, 3, 4, 10, 59, 239, 240, 999])
def test_a_part_is_spread_over_the_files(imagenet_dir, num_examples):
    dataset = data.load("imagenet2012", imagenet_dir, image_size=32)
    parts = dataset.source.parts("train")
    assert [part[:2] for part in parts] == [(0, 60), (60, 120), (120, 180), (180, 240)]
    read = [
        index
        for start, stop in inspection._stretches(parts, num_examples)
        for index in range(start, stop)
    ]
    assert len(read) == len(set(read)) == min(num_examples, 240)
    per_file = np.bincount(np.array(read) // 60, minlength=4)
    assert per_file.max() - per_file.min() <= 1


def test_of_many_files_some_are_opened():
    parts = [inspection.Part(i * 100, i * 100 + 100, 1, 1) for i in range(1024)]
    stretches = list(inspection._stretches(parts, 256))
    assert len(stretches) == 32 and stretches[-1] == (99_200, 99_208)
    assert {stop - start for start, stop in stretches} == {8}
    assert {b[0] - a[0] for a, b in itertools.pairwise(stretches)} == {3200}
    # 6,400 images fill 64 files.
    whole_files = [(i, i + 100) for i in range(0, 102_400, 1600)]
    assert list(inspection._stretches(parts, 6400)) == whole_files


def test_files_of_different_lengths():
    """The short files of a split cannot give as many as the others."""
    parts = [
        inspection.Part(0, 3, 1, 1), inspection.Part(3, 23, 1, 1), inspection.Part(23, 43, 1, 1)
    ]  # fmt: skip
    assert list(inspection._stretches(parts, 30)) == [(0, 3), (3, 13), (23, 33)]
    assert list(inspection._stretches(parts, 0)) == [(0, 3), (3, 23), (23, 43)]


def _flip_a_bit(path: pathlib.Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_damage_inside_of_a_file(imagenet_dir, tmp_path):
    """Its size is right: only reading finds it."""
    shutil.copytree(imagenet_dir, tmp_path, dirs_exist_ok=True)
    version = tmp_path / "imagenet2012" / "5.1.0"
    shard = version / "imagenet2012-train.tfrecord-00001-of-00004"
    _flip_a_bit(shard, shard.stat().st_size - 100)
    # Among the first images of each file is none of the damage; training would come to it.
    with pytest.raises(InputError, match="not among those read is broken .corrupted record"):
        _inspect("imagenet2012", tmp_path, 40)
    with pytest.raises(InputError) as caught:
        _inspect("imagenet2012", tmp_path, 0)
    message = str(caught.value)
    assert f"the file {shard} is damaged, example 119 of train cannot be read (corrupted" in message
    assert f"delete {version} and prepare it with `tfds build imagenet2012" in message


def _encoded(size, file_format):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(file, file_format)
    return file.getvalue()


def _store(directory, splits):
    """Writes a dataset of encoded images as they are, whole or not."""
    with quiet_tfds():
        tfds.dataset_builders.store_as_tfds_dataset(
            name="photos",
            version="1.0.0",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "label": tfds.features.ClassLabel(num_classes=3),
                }
            ),
            split_datasets={
                split: [
                    (i, {"image": io.BytesIO(image), "label": label})
                    for i, (image, label) in enumerate(examples)
                ]
                for split, examples in splits.items()
            },
            data_dir=directory,
        )


def test_broken_images_are_named(tmp_path):
    whole = [(_encoded((20, 30), "JPEG"), 0), (_encoded((40, 30), "PNG"), 2)] * 8
    cut = whole[0][0][:300]
    _store(tmp_path, {"train": [*whole, (cut, 1), (b"no image", 1)]})
    found = _inspect("photos", tmp_path, 0)
    (images,) = found.images
    assert images.formats == {"JPEG": 8, "PNG": 8} and images.labels == {0: 8, 2: 8}
    assert [image.problem.startswith(("jpeg::Uncompress", "Unknown")) for image in images.broken]
    stored = tfds.as_numpy(
        tfds.builder_from_directory(tmp_path / "photos" / "1.0.0").as_dataset(
            split="train", decoders={"image": tfds.decode.SkipDecoding()}
        )
    )
    expected = [i for i, example in enumerate(stored) if example["image"] in (cut, b"no image")]
    assert [image.index for image in images.broken] == expected
    assert found.images_per_second is None
    with pytest.raises(InputError) as caught:
        inspection_report.require_usable(found)
    message = str(caught.value)
    assert "2 of 18 images of photos cannot be decoded: " in message
    assert all(f"train[{index}] in {tmp_path}" in message for index in expected)
    text = inspection_report.to_text(found)
    assert "cannot be decoded  2\n" in text and "images per second" not in text
    assert "no images to test with" in text


def test_broken_image_outside_of_what_was_read(tmp_path):
    whole = [(_encoded((20, 30), "JPEG"), 0)] * 15
    _store(tmp_path, {"train": [*whole, (b"no image", 1)]})
    with pytest.raises(InputError, match="not among those read .*--num_examples=0"):
        _inspect("photos", tmp_path, 1)


def test_test_images_without_labels(tmp_path):
    image = _encoded((20, 30), "PNG")
    _store(tmp_path, {"train": [(image, 0)] * 10, "test": [(image, 1), (image, -1)]})
    found = _inspect("photos", tmp_path, 0)
    assert inspection_report.to_json(found)["images"]["test"]["labels"] == [-1, 1]
    with pytest.raises(InputError, match="1 of 2 images of test have labels outside .*-1"):
        inspection_report.require_usable(found)


def test_folder_with_a_broken_image(tmp_path):
    for split, number in (("train", 4), ("val", 2)):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(number):
                (tmp_path / split / name / f"{i}.jpg").write_bytes(_encoded((20, 30 + i), "JPEG"))
    (tmp_path / "val" / "dog" / "1.jpg").write_bytes(b"")
    found = _inspect("image_folder", tmp_path, 0)
    assert [(split.origin, split.num_files) for split in found.splits] == [
        ("train", 8), ("train[1:]", 7), ("train[:1]", 1), ("val", 4)
    ]  # fmt: skip
    train, test = found.images
    assert (train.heights, train.widths) == ([20] * 8, sorted([30, 31, 32, 33] * 2))
    assert [(image.split, image.file) for image in test.broken] == [
        ("test", str(tmp_path / "val" / "dog" / "1.jpg"))
    ]
    assert test.broken[0].problem == "Input is empty"


def _write_images(directory, number, suffix=".jpg", **options):
    directory.mkdir(parents=True)
    for i in range(number):
        Image.new("RGB", (12, 10)).save(directory / f"{i}{suffix}", **options)


def test_class_sizes_of_a_folder(tmp_path):
    """Counted of all images, however few are read."""
    for name, number in (("common", 300), ("middle", 60), ("rare", 6)):
        _write_images(tmp_path / name, number)
    found = _inspect("image_folder", tmp_path, 3)
    splits = {split.name: split.num_examples for split in found.splits}
    assert {name: sum(sizes.values()) for name, sizes in found.class_sizes.items()} == splits
    assert found.class_sizes["train"] == {0: 270, 1: 54, 2: 5}
    assert found.class_sizes["test"] == {0: 30, 1: 6, 2: 1}
    dataset = found.dataset
    rewarded = [
        pathlib.Path(dataset.source.file_of("train", i)).parent.name
        for i in range(dataset.num_examples("search_validation"))
    ]
    sizes = [rewarded.count(name) for name in ("common", "middle", "rare")]
    assert found.class_sizes["search_validation"] == dict(enumerate(sizes))
    fewest = f"({('middle', 'rare')[sizes[1] > sizes[2]]}: {min(sizes)})"
    text = inspection_report.to_text(found)
    assert "\n  test               1 (rare) to 30 (common)\n" in text
    assert "warning: 1 of 3 classes have fewer than 5 images in test (rare: 1), too few" in text
    described = inspection_report.to_json(found)
    assert described["splits"]["test"]["class_sizes"] == {
        "smallest": ("rare", 1), "largest": ("common", 30)
    }  # fmt: skip
    reward, test = described["warnings"]
    assert f"in search_validation {fewest}, too few" in reward and "--reward_fraction" in reward
    assert "in test (rare: 1)" in test and "--reward_fraction" not in test


def test_class_sizes_of_other_datasets_are_known_once_all_is_read(tmp_path):
    image = _encoded((20, 30), "PNG")
    _store(tmp_path, {"train": [(image, i % 2) for i in range(40)], "test": [(image, 0)] * 5})
    found = _inspect("photos", tmp_path, 0)
    assert found.class_sizes["train"] == {0: 20, 1: 20, 2: 0}
    assert found.class_sizes["test"] == {0: 5, 1: 0, 2: 0}
    parts = [found.class_sizes[name] for name in ("search_train", "search_validation")]
    assert {label: parts[0][label] + parts[1][label] for label in range(3)} == {0: 20, 1: 20, 2: 0}
    assert sum(parts[1].values()) == 4
    assert "2 of 3 classes have fewer than 5 images in test (1: 0)" in (
        inspection_report.to_text(found)
    )
    partly = _inspect("photos", tmp_path, 10)
    assert list(partly.class_sizes) == ["test"]
    assert inspection_report.to_json(partly)["splits"]["train"]["class_sizes"] is None


def test_a_background_is_no_small_class(imagenet_dir):
    assert 0 not in _inspect("imagenet2012", imagenet_dir, 0).class_sizes["train"]


def test_photos_that_are_not_upright(tmp_path):
    note = Image.Exif()
    note[0x0112] = 6
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            _write_images(tmp_path / split / name, 50)
    _write_images(tmp_path / "train" / "cat" / "turned", 7, exif=note)
    _write_images(tmp_path / "train" / "cat" / "png", 2, ".png")
    found = _inspect("image_folder", tmp_path, 0)
    assert [images.num_turned for images in found.images] == [7, 0]
    # Sizes, as all else, are those that are stored.
    assert set(found.images[0].widths) == {12} and set(found.images[0].heights) == {10}
    text = inspection_report.to_text(found)
    assert "\n  not upright        7\n" in text and "\n  not upright        0\n" in text
    (warning,) = inspection_report.to_json(found)["warnings"]
    assert warning.startswith("7 of the 209 images read are not stored upright (EXIF")


def test_ignored_files_are_one_line(tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            _write_images(tmp_path / split / name, 50)
    found = _inspect("image_folder", tmp_path, 1)
    assert "\nignored" not in inspection_report.to_text(found)
    assert inspection_report.to_json(found)["warnings"] == []
    (tmp_path / "val").mkdir()
    for extension, number in zip("abcdefg", range(20, 13, -1)):
        for i in range(number):
            (tmp_path / "test" / "dog" / f"{i}.{extension}").write_bytes(b"")
    found = _inspect("image_folder", tmp_path, 1)
    assert (
        "\nignored            .a: 20, .b: 19, .c: 18, .d: 17, .e: 16, other extensions: 29, "
        "unused folders: val\n"
    ) in inspection_report.to_text(found)
    ignored = inspection_report.to_json(found)["ignored"]
    assert ignored["folders"] == ["val"] and ignored["files"][".g"] == 14


def test_text(imagenet_dir):
    text = inspection_report.to_text(_inspect("imagenet2012", imagenet_dir, 20))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == (f"imagenet2012 in {imagenet_dir}: 1,001 classes, reward_fraction 0.0390628")
    assert any(line.startswith("search_validation 9 train[:9] 1 ") for line in lines)
    assert "read 20 of 240 images of train" in lines and "format 20 JPEG" in lines
    assert " of 1,000" in text and "for each epoch of 240 images" in lines[-1]
