"""A picture of detections over images: what figures do not tell."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.figure
import matplotlib.patches
import numpy as np

__all__ = ["MIN_SCORE", "Picture", "draw"]

# Detections of lower scores, which average precision wants too, would cover the image.
MIN_SCORE = 0.5

_COLUMNS = 4
_INCHES = 3.2
# Told apart by colour-blind people too (Okabe and Ito, 2008).
_COLORS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


class Picture(NamedTuple):
    """An image, its objects, and what was detected; boxes in its pixels.

    Attributes:
      image: [height, width, 3] from -1 to 1.
      boxes, classes: of the objects, [objects, 4] and [objects]; class 0 is padding.
      found_boxes, found_classes, found_scores: of the detections.
    """

    image: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    found_boxes: np.ndarray
    found_classes: np.ndarray
    found_scores: np.ndarray


def _draw_box(axes, box, **style) -> None:
    ymin, xmin, ymax, xmax = (float(value) for value in box)
    axes.add_patch(
        matplotlib.patches.Rectangle((xmin, ymin), xmax - xmin, ymax - ymin, fill=False, **style)
    )


def _draw_picture(axes, picture: Picture, class_names: Sequence[str]) -> None:
    axes.imshow(np.clip((picture.image + 1.0) / 2.0, 0.0, 1.0))
    for box, number in zip(picture.boxes, picture.classes):
        if number > 0:
            _draw_box(axes, box, edgecolor="white", linewidth=1.0, linestyle=":")
    found = list(zip(picture.found_boxes, picture.found_classes, picture.found_scores))
    # The best last, on top of the others.
    for box, number, score in sorted(found, key=lambda one: one[2]):
        if number > 0 and score >= MIN_SCORE:
            color = _COLORS[number % len(_COLORS)]
            _draw_box(axes, box, edgecolor=color, linewidth=1.5)
            axes.text(
                float(box[1]),
                float(box[0]),
                f"{class_names[number]} {score:.2f}",
                fontsize=6,
                color="black",
                verticalalignment="bottom",
                clip_on=True,
                bbox={"facecolor": color, "edgecolor": "none", "pad": 0.5, "alpha": 0.9},
            )
    axes.set_axis_off()


def draw(pictures: Sequence[Picture], class_names: Sequence[str], path: str) -> None:
    """Writes a PNG with all pictures in rows: detections in colour, objects dotted.

    Args:
      pictures: one or more.
      class_names: of all classes, class 0 included.
      path: of the file.
    """
    rows = -(-len(pictures) // _COLUMNS)
    columns = min(len(pictures), _COLUMNS)
    figure = matplotlib.figure.Figure((_INCHES * columns, _INCHES * rows + 0.4), dpi=120)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(pictures) :]:
        axes.set_axis_off()
    for axes, picture in zip(grid, pictures):
        _draw_picture(axes, picture, class_names)
    figure.suptitle(f"Detections of score {MIN_SCORE:g} and more; dotted: the objects", fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
