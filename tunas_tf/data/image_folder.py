"""Labelled images of a directory with one sub-directory for each class."""

import hashlib
import os

import tensorflow as tf

from tunas_tf.common.errors import InputError, one_line
from tunas_tf.data import folder_files, image_check, order
from tunas_tf.data.image_source import Part

__all__ = ["FolderSource"]

_TEST_NAMES = ("test", "validation", "val")

# Share of each class that is kept for the test split if the directory has no splits.
_TEST_FRACTION = 0.1


class FolderSource:
    """The images below a directory, in one of two layouts.

    - `directory/<class>/*.jpg`: a tenth of each class, those with the smallest hashes of
      their names, is the test split: the same every time, as long as the files stay the same.
    - `directory/train/<class>/*.jpg` with `directory/test`, `validation` or `val`.

    Images are .jpg, .jpeg, .png or .bmp, in any depth below their class, but in no hidden
    directory (`folder_files`). Classes are numbered in the order of their names.

    An `ImageSource` whose class names are those of the class directories; images may differ
    in size. Files whose first or last bytes show that they hold no image are left out (see
    `image_check`), with one warning.
    """

    image_shape: tuple[int, int] | None = None
    splits: tuple[str, ...] = ("train", "test")
    remedy = "replace or remove the file"

    def __init__(self, directory: str, on_broken: str = "skip"):
        """Looks at all files.

        Args:
          directory: of the images.
          on_broken: one of `tolerance.ON_BROKEN`.

        Raises:
          InputError: it is no such directory, a name in it is not UTF-8 or, to "stop", it holds
            a broken image.
        """
        directory = os.path.expanduser(directory)
        if not os.path.isdir(directory):
            raise InputError(
                f"the image folder {directory} does not exist; give a directory with one "
                "sub-directory of images for each class."
            )
        self._directory = directory
        self._split_names: tuple[str, ...] = ()
        train_directory = os.path.join(directory, "train")
        if os.path.isdir(train_directory):
            test_directory = _find_test_directory(directory)
            train, test = _images_by_class(train_directory), _images_by_class(test_directory)
            _check_same_classes(directory, train, test)
            train, test = _without_broken(directory, on_broken, train, test)
            self._test_name = os.path.basename(test_directory)
            self._split_names = ("train", self._test_name)
        else:
            train, test = _divide(
                *_without_broken(directory, on_broken, _images_by_class(directory))
            )
            self._test_name = "test"
        self.class_names = tuple(sorted(train))
        self.num_classes = len(train)
        self._examples = {"train": _shuffled_examples(train), "test": _shuffled_examples(test)}

    def origin(self, split: str) -> str:
        return split if split == "train" else self._test_name

    def num_examples(self, split: str) -> int:
        return len(self._examples[split])

    def labels(self, split: str) -> list[int]:
        return [label for _, label in self._examples[split]]

    def ignored(self) -> folder_files.Ignored:
        return folder_files.find_ignored(self._directory, self._split_names)

    def parts(self, split: str) -> list[Part]:
        # Classes are mixed: any stretch shows all of them, and files can be opened anywhere.
        paths = [path for path, _ in self._examples[split]]
        return [Part(0, len(paths), len(paths), sum(map(os.path.getsize, paths)))]

    def file_of(self, split: str, index: int) -> str:
        return self._examples[split][index][0]

    def examples(
        self, split: str, start: int, stop: int, shuffle_seed: int | None = None
    ) -> tf.data.Dataset:
        files = self._files(split, start, stop)
        if shuffle_seed is not None:
            files = files.shuffle(stop - start, seed=shuffle_seed)
        return _read_files(files)

    def ordered_examples(
        self, split: str, start: int, stop: int, seed: int, first: int
    ) -> tf.data.Dataset:
        files = self._files(split, start, stop)
        return _read_files(order.in_memory(files, stop - start, seed, first))

    def _files(self, split: str, start: int, stop: int) -> tf.data.Dataset:
        """(path, label int32) of examples `start` to `stop`."""
        paths, labels = zip(*self._examples[split][start:stop])
        return tf.data.Dataset.from_tensor_slices((list(paths), tf.constant(labels, tf.int32)))


def _read_files(files: tf.data.Dataset) -> tf.data.Dataset:
    """(path, label) -> (encoded image, label)."""
    return files.map(
        lambda path, label: (tf.io.read_file(path), label), num_parallel_calls=tf.data.AUTOTUNE
    )


def _hash(class_name: str, path: str) -> str:
    """A number for an image that only depends on its place below its class, in hexadecimal."""
    return hashlib.sha256(f"{class_name}/{path}".encode()).hexdigest()


def _require_utf8(path: str) -> None:
    """Raises InputError if TensorFlow cannot be told the path."""
    try:
        path.encode()
    except UnicodeEncodeError:
        readable = os.fsencode(path).decode(errors="backslashreplace")
        raise InputError(f"the path {one_line(readable)} is not UTF-8; rename it.") from None


def _images_by_class(directory: str) -> dict[str, list[tuple[str, str]]]:
    """Class name -> the images of the class, (hash, path) each, in the order of the hashes."""
    names = sorted(
        entry.name
        for entry in os.scandir(directory)
        if entry.is_dir() and not folder_files.is_hidden(entry.name)
    )
    for name in names:
        _require_utf8(os.path.join(directory, name))
    if len(names) < 2:
        found = f"only one class, {names[0]}" if names else "no class folders"
        raise InputError(
            f"{directory} has {found}; give a directory with one sub-directory of images for "
            "each of two or more classes."
        )
    images = {name: _images_below(os.path.join(directory, name), name) for name in names}
    empty = [name for name in names if not images[name]]
    if empty:
        raise InputError(
            f"the class {empty[0]} in {directory} has no images; add some "
            f"({', '.join(folder_files.EXTENSIONS)}) or remove its folder."
        )
    return images


def _without_broken(directory: str, on_broken: str, *parts: dict) -> list[dict]:
    """What `_images_by_class` returned, once or several times, without broken images."""
    paths = [path for part in parts for images in part.values() for _, path in images]
    if on_broken == "keep":
        # Reading from a FIFO would never end.
        if irregular := [path for path in paths if not os.path.isfile(path)]:
            raise InputError(f"{irregular[0]} is no regular file; replace or remove it.")
        return list(parts)
    broken = image_check.find_broken(paths)
    if not broken:
        return list(parts)
    if on_broken == "stop":
        raise InputError(
            f"{len(broken)} of the {len(paths)} images in {directory} cannot be decoded: "
            f"{image_check.describe(broken)}; replace or remove these files."
        )
    image_check.warn(directory, broken, len(paths))
    left_out = {path for path, _ in broken}

    def sound(images):
        return [(digest, path) for digest, path in images if path not in left_out]

    whole = [{name: sound(images) for name, images in part.items()} for part in parts]
    if empty := [name for part in whole for name, images in part.items() if not images]:
        raise InputError(
            f"the class {empty[0]} in {directory} has no image that can be decoded: "
            f"{image_check.describe(broken)}; replace these files."
        )
    return whole


def _images_below(class_directory: str, name: str) -> list[tuple[str, str]]:
    paths = [
        os.path.join(parent, file)
        for parent, _, files in folder_files.walk(class_directory)
        for file in files
        if folder_files.is_image(file)
    ]
    for path in paths:
        _require_utf8(path)
    relative = [os.path.relpath(path, class_directory).replace(os.sep, "/") for path in paths]
    return sorted((_hash(name, place), path) for place, path in zip(relative, paths))


def _find_test_directory(directory: str) -> str:
    for name in _TEST_NAMES:
        if os.path.isdir(os.path.join(directory, name)):
            return os.path.join(directory, name)
    raise InputError(
        f"{directory} has a train folder but no test folder beside it; add one called "
        f"{', '.join(_TEST_NAMES[:-1])} or {_TEST_NAMES[-1]}."
    )


def _check_same_classes(directory: str, train, test) -> None:
    if train.keys() != test.keys():
        different = sorted(train.keys() ^ test.keys())
        raise InputError(
            f"the training and test folders in {directory} differ in their classes "
            f"({', '.join(different[:5])}); give both the same class folders."
        )


def _divide(images):
    """Splits each class by hash into (training images, test images), both never empty."""
    train, test = {}, {}
    for name, items in images.items():
        if len(items) < 2:
            raise InputError(
                f"the class {name} has one image, but training and test need one each; add images, "
                "or give folders train and test."
            )
        num_test = max(1, round(_TEST_FRACTION * len(items)))
        test[name], train[name] = items[:num_test], items[num_test:]
    return train, test


def _shuffled_examples(images) -> list[tuple[str, int]]:
    """(path, label) of all images in the order of their hashes, so that classes are mixed."""
    hashed = [
        (digest, path, label)
        for label, name in enumerate(sorted(images))
        for digest, path in images[name]
    ]
    return [(path, label) for _, path, label in sorted(hashed)]
