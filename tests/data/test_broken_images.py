"""Images that cannot be decoded: left out when a folder is opened, survived when they slip in."""

import io
import os
import pathlib

import command_outcomes
import interrupted_runs
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tunas_tf import data
from tunas_tf.common.errors import InputError
from tunas_tf.data import image_check, tolerance
from tunas_tf.data.image_folder import FolderSource

_SIZE = 16


def _jpeg(value: int, side: int = 48) -> bytes:
    return tf.io.encode_jpeg(np.full((side, side, 3), value, np.uint8), quality=95).numpy()


def _noise_jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return tf.io.encode_jpeg(pixels).numpy()


def _png() -> bytes:
    return tf.io.encode_png(np.zeros((5, 5, 3), np.uint8)).numpy()


def _bmp(mode: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (9, 5)).save(file, "BMP")
    return file.getvalue()


def _broken_inside() -> bytes:
    """A JPEG with sound ends whose Huffman tables are gone."""
    content = bytearray(_noise_jpeg(0))
    start = content.index(b"\xff\xc4")
    content[start + 2 : start + 200] = bytes(198)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_image(bytes(content))
    return bytes(content)


@pytest.fixture(name="folder")
def _folder(tmp_path) -> pathlib.Path:
    """Two classes of 20 sound photos each, for training and 5 each for testing."""
    for split, number in (("train", 20), ("test", 5)):
        for name, value in (("bright", 200), ("dark", 50)):
            directory = tmp_path / split / name
            directory.mkdir(parents=True)
            for i in range(number):
                (directory / f"{i}.jpg").write_bytes(_jpeg(value + i))
    return tmp_path


def _load(folder, on_broken="skip"):
    return data.load("image_folder", str(folder), _SIZE, on_broken=on_broken)


@pytest.mark.parametrize(
    "content, is_sound",
    [
        (_jpeg(7), True),
        (_jpeg(7) + bytes(100), True),
        (_jpeg(7) + bytes(5000), True),  # It looks cut off, and can be decoded.
        (_jpeg(7)[:-200], False),
        (_png(), True),
        (_png()[:-12], False),
        (b"", False),
        (b"<html>not found</html>" * 40, False),
        (b"BM" + bytes(60), False),
        (_bmp("RGB"), True),
        (_bmp("L"), True),
        (_bmp("1"), False),  # TensorFlow decodes no BMPs of one bit per pixel.
        (tf.io.encode_jpeg(np.zeros((1, 1, 3), np.uint8)).numpy(), True),
    ],
)
def test_what_is_called_broken(tmp_path, content, is_sound):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    found = image_check.find_broken([str(path)])
    assert bool(found) is not is_sound
    try:  # The decoder itself is the judge.
        tf.io.decode_image(content)
        assert is_sound
    except tf.errors.InvalidArgumentError:
        assert not is_sound


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone")
    paths = [str(tmp_path / name) for name in ("fifo.jpg", "dangling.jpg")]
    assert [broken.problem for broken in image_check.find_broken(paths)] == [
        "it is no regular file", "No such file or directory"
    ]  # fmt: skip


def test_at_most_ten_are_named():
    broken = [image_check.BrokenFile(f"p{i}.jpg", "bad") for i in range(13)]
    text = image_check.describe(broken)
    assert text.startswith("p0.jpg (bad), p1.jpg (bad)")
    assert text.endswith("p9.jpg (bad) and 3 more")
    assert image_check.describe(broken[:10]).endswith("p9.jpg (bad)")


def _warnings(capsys) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if line.startswith("warning: ")]


def test_broken_files_are_left_out_with_one_warning(folder, capsys):
    sound = _load(folder)
    assert _warnings(capsys) == [] and sound.num_examples("train") == 40
    for i in range(3):
        (folder / "train" / "dark" / f"{i}.jpg").write_bytes(b"")
    (folder / "test" / "bright" / "0.jpg").write_bytes(b"no image")
    dataset = _load(folder)
    assert (dataset.num_examples("train"), dataset.num_examples("test")) == (37, 9)
    (line,) = _warnings(capsys)
    assert f": 4 of the 50 images in {folder} cannot be decoded and are left out: " in line
    assert f"{folder}/train/dark/0.jpg (Input is empty)" in line
    # The others stay where they were.
    paths = [dataset.source.file_of("train", i) for i in range(37)]
    before = [sound.source.file_of("train", i) for i in range(40)]
    assert paths == [path for path in before if os.path.getsize(path)]


def test_a_division_of_sound_images_only(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(3):
            (tmp_path / name / f"{i}.png").write_bytes(_png() if i else b"")
    source = FolderSource(str(tmp_path))
    assert (source.num_examples("train"), source.num_examples("test")) == (2, 2)


def test_stop(folder, capsys):
    _load(folder, "stop")
    (folder / "train" / "dark" / "7.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="1 of the 50 images .*dark/7.jpg .Input is empty.; rep"):
        _load(folder, "stop")
    assert _warnings(capsys) == []
    with pytest.raises(InputError, match="on_broken is 'ignore'; use skip, stop, keep"):
        _load(folder, "ignore")


def test_class_of_broken_images_only(folder):
    for path in (folder / "test" / "dark").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="class dark .* has no image that can be decoded: .*0.j"):
        _load(folder)


def test_reader_that_keeps_all_does_not_wait_for_a_fifo(folder):
    (folder / "train" / "dark" / "7.jpg").write_bytes(b"")
    assert _load(folder, "keep").num_examples("train") == 40
    os.mkfifo(folder / "train" / "dark" / "x.jpg")
    with pytest.raises(InputError, match="x.jpg is no regular file"):
        _load(folder, "keep")


def _break_one_inside(folder, split="train") -> None:
    (folder / split / "dark" / "3.jpg").write_bytes(_broken_inside())


@pytest.mark.parametrize("first_batch", [None, 0])
def test_training_replaces_what_slipped_in(folder, capfd, first_batch):
    """All else is as without it: the other images, all labels, their places."""
    arguments = {"augment": False, "first_batch": first_batch}
    sound = next(iter(_load(folder).training_batches("train", 40, seed=1, **arguments)))
    _break_one_inside(folder)
    batches = iter(_load(folder).training_batches("train", 40, seed=1, **arguments))
    images, labels = next(batches)
    np.testing.assert_array_equal(labels, sound[1])
    changed = [i for i in range(40) if not np.array_equal(images[i], sound[0][i])]
    assert len(changed) == 1 and not np.any(images[changed[0]])
    assert labels[changed[0]] == 1
    for _ in range(4):
        next(batches)
    lines = [line for line in capfd.readouterr().err.splitlines() if "cannot be decoded" in line]
    # The input pipeline is ahead of the batches; the count doubles.
    assert lines[:3] == [
        "warning: images that cannot be decoded were replaced by uniform ones, "
        f"{number} so far; check_data --num_examples=0 names them."
        for number in (1, 2, 4)
    ]


def test_evaluation_leaves_it_out(folder, capfd):
    _break_one_inside(folder, "test")
    (batch,) = _load(folder).evaluation_batches("test", 12)
    assert batch[2].numpy().tolist() == [1.0] * 9 + [0.0] * 3
    assert sorted(batch[1].numpy()[:9].tolist()) == [0] * 5 + [1] * 4
    assert "decoded were left out, 1 so far" in capfd.readouterr().err


def test_who_wants_to_stop_does(folder):
    _break_one_inside(folder)
    with pytest.raises(tf.errors.InvalidArgumentError):
        next(iter(_load(folder, "stop").training_batches("train", 40, seed=1)))


def test_other_errors_are_no_broken_images(folder):
    """A file that has gone is not a matter of one image: who knows what else has."""
    dataset = _load(folder)
    (folder / "train" / "dark" / "3.jpg").unlink()
    with pytest.raises(tf.errors.NotFoundError) as error:
        next(iter(dataset.training_batches("train", 40, seed=1)))
    expected = f"{folder}/train/dark/3.jpg; No such file or directory"
    assert tolerance.unreadable(error.value) == expected


def test_records_that_are_cut_off_are_unreadable(tmp_path):
    path = str(tmp_path / "examples.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(b"example" * 10)
    pathlib.Path(path).write_bytes(pathlib.Path(path).read_bytes()[:-20])
    for read in (next, tf.function(lambda iterator: next(iterator))):
        with pytest.raises(tf.errors.DataLossError) as error:
            read(iter(tf.data.TFRecordDataset(path)))
        assert tolerance.unreadable(error.value).startswith("truncated record at 0")


def test_what_fails_elsewhere_is_no_matter_of_the_data():
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        tf.function(lambda x: tf.gather(x, 7))(tf.constant([1.0]))
    assert tolerance.unreadable(error.value) is None


def test_nested_examples():
    examples = tf.data.Dataset.from_tensor_slices([_jpeg(9), b"no image", _jpeg(9)])

    def decode(encoded):
        image = tf.ensure_shape(tf.io.decode_jpeg(encoded), [48, 48, 3])
        return image, {"mean": tf.reduce_mean(image)}

    found = list(tolerance.map_images(examples, decode, "skip"))
    assert [int(labels["mean"]) for _, labels in found] == [9, 0, 9]
    assert len(list(tolerance.map_images(examples, decode, "skip", leave_out=True))) == 2


def test_strict_commands_stop_before_anything_is_written(folder, tmp_path):
    (folder / "train" / "dark" / "3.jpg").write_bytes(b"not an image")
    line = [
        "--ssd=quickstart_search",
        "--dataset=image_folder",
        f"--dataset_dir={folder}",
        f"--image_size={_SIZE}",
        "--cost_model=madds",
        "--strict",
        f"--checkpoint_dir={tmp_path}/run",
    ]
    (outcome,) = command_outcomes.outcomes("tunas_tf.search", [line], run=True)
    assert "1 of the 50 images" in outcome["error"] and "3.jpg" in outcome["error"]
    assert not (tmp_path / "run").exists()


def test_strict_commands_say_what_they_cannot_decode(folder, tmp_path):
    _break_one_inside(folder)
    interrupted_runs.prepare(tmp_path, str(folder))
    line = ("--flagfile=tiny.flags", "--indices=0:0:0:0:0:0", "--strict", "--checkpoint_dir=run")
    process = interrupted_runs.start(tmp_path, "tunas_tf.train_eval", *line)
    _, errors = process.communicate()
    assert process.returncode == 2, errors
    # Before it the decoder has its say.
    last = errors.splitlines()[-1]
    assert last.startswith("error: the data cannot be read any more (Invalid JPEG data")
    assert "Traceback" not in errors
