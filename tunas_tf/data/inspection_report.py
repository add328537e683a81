"""An inspection as text, as JSON, and as a verdict."""

import dataclasses
from typing import Any

from tunas_tf.common.errors import InputError, one_line
from tunas_tf.data.conventions import conventions_of
from tunas_tf.data.folder_files import Ignored
from tunas_tf.data.inspection import ImagesRead, Inspection

__all__ = ["require_usable", "to_json", "to_text"]

# Broken images that are named one by one.
_MAX_NAMED = 3

# Extensions of ignored files that are named one by one.
_MAX_EXTENSIONS = 5

# With fewer images of a class, each is 20 percentage points or more of its accuracy.
_FEW_IMAGES = 5

_ADVICE = {
    "search_validation": "give more to --reward_fraction, or add images",
    "test": "add images",
}


def _num_seen(inspection: Inspection, images: ImagesRead) -> int:
    return sum(0 <= label < inspection.dataset.num_classes for label in images.labels)


def _num_expected(inspection: Inspection) -> int:
    """Classes that can have images: all but a background."""
    dataset = inspection.dataset
    return dataset.num_classes - conventions_of(dataset.name).background_class


def _quantiles(values: list[int]) -> list[int] | None:
    """[smallest, median, largest] of numbers in ascending order."""
    return [values[0], values[len(values) // 2], values[-1]] if values else None


def _epoch_seconds(inspection: Inspection) -> float | None:
    """How long it takes to prepare every training image once."""
    if inspection.images_per_second is None:
        return None
    return inspection.dataset.num_examples("train") / inspection.images_per_second


def _extremes(inspection: Inspection, sizes: dict[int, int]) -> list[tuple[str, int]]:
    """(name, number of images) of the smallest and of the largest class."""
    smallest, largest = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    names = inspection.dataset.class_names
    return [(one_line(names[label], 40), sizes[label]) for label in (smallest, largest)]


def _warnings(inspection: Inspection) -> list[str]:
    """What makes a dataset less useful than it seems, a sentence each."""
    found = []
    for split, advice in _ADVICE.items():
        sizes = inspection.class_sizes.get(split, {})
        if few := [size for size in sizes.values() if size < _FEW_IMAGES]:
            (name, number), _ = _extremes(inspection, sizes)
            found.append(
                f"{len(few):,} of {len(sizes):,} classes have fewer than {_FEW_IMAGES} images in "
                f"{split} ({name}: {number}), too few to tell how well they are recognised; "
                f"{advice}."
            )
    if num_turned := sum(images.num_turned for images in inspection.images):
        num_read = sum(images.num_read for images in inspection.images)
        found.append(
            f"{num_turned:,} of the {num_read:,} images read are not stored upright (EXIF "
            "orientation) and are used as they are stored, unlike in an app that turns them; turn "
            "the files once, with `exiftran -ai`, `mogrify -auto-orient` or Pillow's "
            "ImageOps.exif_transpose."
        )
    return found


def to_json(inspection: Inspection) -> dict[str, Any]:
    """For --format=json. Sizes are [min, median, max] in pixels."""
    dataset = inspection.dataset
    return {
        "dataset": dataset.name,
        "dataset_dir": dataset.dataset_dir,
        "num_classes": dataset.num_classes,
        "reward_fraction": dataset.reward_fraction,
        "splits": {
            split.name: {
                "origin": split.origin,
                "num_examples": split.num_examples,
                "num_files": split.num_files,
                "num_bytes": split.num_bytes,
                "class_sizes": (
                    dict(zip(("smallest", "largest"), _extremes(inspection, sizes)))
                    if (sizes := inspection.class_sizes.get(split.name))
                    else None
                ),
            }
            for split in inspection.splits
        },
        "images": {
            images.split: {
                "num_read": images.num_read,
                "num_examples": images.num_examples,
                "num_classes_seen": _num_seen(inspection, images),
                "num_classes_expected": _num_expected(inspection),
                "labels": [min(images.labels), max(images.labels)] if images.labels else None,
                "height": _quantiles(images.heights),
                "width": _quantiles(images.widths),
                "formats": images.formats,
                "num_turned": images.num_turned,
                "broken": [dataclasses.asdict(image) for image in images.broken],
            }
            for images in inspection.images
        },
        "ignored": inspection.ignored and dataclasses.asdict(inspection.ignored),
        "warnings": _warnings(inspection),
        "image_size": dataset.image_size,
        "images_per_second": inspection.images_per_second,
        "epoch_seconds": _epoch_seconds(inspection),
    }


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _images_lines(inspection: Inspection, images: ImagesRead) -> list[str]:
    def sizes(values):
        return " / ".join(map(str, _quantiles(values) or ("none",)))

    labels = f"{min(images.labels)} to {max(images.labels)}" if images.labels else "none"
    formats = ", ".join(f"{number:,} {name}" for name, number in images.formats.items())
    rows = {
        "cannot be decoded": f"{len(images.broken):,}",
        "classes seen": f"{_num_seen(inspection, images):,} of {_num_expected(inspection):,}",
        "labels": labels,
        "height": f"{sizes(images.heights)} pixels (min / median / max)",
        "width": f"{sizes(images.widths)} pixels",
        "format": formats or "none",
        "not upright": f"{images.num_turned:,}",
    }
    return [
        f"read {images.num_read:,} of {images.num_examples:,} images of {images.split}",
        *(f"  {name:18} {value}" for name, value in rows.items()),
    ]


def _class_sizes_lines(inspection: Inspection) -> list[str]:
    lines = []
    for split, sizes in inspection.class_sizes.items():
        (smallest, fewest), (largest, most) = _extremes(inspection, sizes)
        value = (
            f"{fewest:,} of each class"
            if fewest == most
            else f"{fewest:,} ({smallest}) to {most:,} ({largest})"
        )
        lines.append(f"  {split:18} {value}")
    return ["", "images of the smallest and of the largest class", *lines] if lines else []


def _ignored_text(ignored: Ignored) -> str:
    """What is ignored, on one line; empty if nothing is."""
    files = list(ignored.files.items())
    counts = {
        **{extension or "no extension": number for extension, number in files[:_MAX_EXTENSIONS]},
        "other extensions": sum(number for _, number in files[_MAX_EXTENSIONS:]),
        "images outside of class folders": ignored.outside,
        "linked folders": ignored.links,
    }
    parts = [f"{name}: {number:,}" for name, number in counts.items() if number]
    if ignored.folders:
        parts.append(f"unused folders: {one_line(' '.join(ignored.folders))}")
    return ", ".join(parts)


def to_text(inspection: Inspection) -> str:
    """For people."""
    dataset = inspection.dataset
    origins = max(len("from"), *(len(split.origin) for split in inspection.splits))
    lines = [
        f"{dataset.name} in {dataset.dataset_dir}: {dataset.num_classes:,} classes, "
        f"reward_fraction {dataset.reward_fraction:g}",
        f"{'split':18} {'examples':>10}  {'from':{origins}} {'files':>8} {'MB':>10}",
    ]
    for split in inspection.splits:
        lines.append(
            f"{split.name:18} {split.num_examples:10,}  {split.origin:{origins}} "
            f"{split.num_files:8,} {split.num_bytes / 1e6:10,.1f}"
        )
    if len(inspection.images) == 1:
        lines.append("test               none: this dataset has no images to test with")
    if inspection.ignored and (ignored := _ignored_text(inspection.ignored)):
        lines.append(f"ignored            {ignored}")
    lines += _class_sizes_lines(inspection)
    for images in inspection.images:
        lines += ["", *_images_lines(inspection, images)]
    epoch_seconds = _epoch_seconds(inspection)
    if epoch_seconds is not None:
        lines += [
            "",
            f"training reads {inspection.images_per_second:,.0f} images per second here, at "
            f"{dataset.image_size} x {dataset.image_size} pixels: "
            f"{_duration(epoch_seconds)} for each epoch of "
            f"{dataset.num_examples('train'):,} images",
        ]
    if warnings := _warnings(inspection):
        lines += ["", *(f"warning: {warning}" for warning in warnings)]
    return "\n".join(lines)


def require_usable(inspection: Inspection) -> None:
    """Raises InputError if images cannot be decoded, or have labels that are no class."""
    dataset = inspection.dataset
    broken = [image for images in inspection.images for image in images.broken]
    if broken:
        named = ", ".join(
            f"{image.split}[{image.index}] in {image.file} ({image.problem})"
            for image in broken[:_MAX_NAMED]
        )
        more = f" and {len(broken) - _MAX_NAMED} more" if len(broken) > _MAX_NAMED else ""
        num_read = sum(images.num_read for images in inspection.images)
        raise InputError(
            f"{len(broken)} of {num_read} images of {dataset.name} cannot be decoded: "
            f"{named}{more}; {dataset.source.remedy}."
        )
    for images in inspection.images:
        wrong = [label for label in images.labels if not 0 <= label < dataset.num_classes]
        if wrong:
            raise InputError(
                f"{sum(images.labels[label] for label in wrong)} of {images.num_read} images of "
                f"{images.split} have labels outside of the {dataset.num_classes} classes, "
                f"{wrong[0]} for example; {dataset.source.remedy}."
            )
