"""Draws scenes of several handwritten digits on a textured ground, and knows where they are.

Pure NumPy functions of a random generator, so that an example is a function of its seed.
Canvases are float arrays [160, 160, channels] with values around 0 to 1; a layer [160, 160]
says how much of each pixel an object covers, from 0 to 1; lengths are in pixels.
"""

import dataclasses
import functools
import math

import numpy as np
from scipy import ndimage

from tunas_tf.data import rendering
from tunas_tf.data.rendering import Placement

__all__ = ["IMAGE_SIZE", "Canvas", "SceneObject", "scene"]

IMAGE_SIZE = 160

_EMPTY_SHARE = 0.05
_MAX_DIGITS = 8

# Height of the ink, drawn uniformly on a logarithmic scale, and width as a share of height.
_HEIGHT = (32.0, 110.0)
_ASPECT = (0.75, 1.1)
_MAX_ANGLE = math.radians(15)

# An 8 x 8 scan gets one pixel of paper around it, so that ink is 8 tenths of a glyph's height.
_PADDING = 1
_INK_SHARE = 0.8
_ENLARGEMENT = 12

# Ink begins at this grey level of an enlarged scan and is full `_INK_SOFTNESS` above it.
_INK_THRESHOLD = 0.4
_INK_SOFTNESS = 0.3

# At least this share of an object is in the image and not behind later ones.
_MIN_VISIBLE = 0.6
_ATTEMPTS = 8

# A pixel shows an object if the object covers so much of it.
_SHOWN = 0.3

# Brightness of the ground, how far its colours differ from that, and the contrast: the root
# mean square of ink - ground over the colours, to either side.
_BRIGHTNESS = (0.1, 0.9)
_TINT = 0.08
_CONTRAST = (0.3, 0.6)
_TEXTURE = (0.3, 1.0)
_NUM_INKS = 32

# Standard deviation of the noise of single pixels.
_NOISE = (0.005, 0.03)

# A crowd is a block of so many rows and columns of small digits of one class.
_CROWD_SHARE = 0.02
_CROWD_SIDES = (3, 5)
_CROWD_PITCH = (12.0, 18.0)


@dataclasses.dataclass(frozen=True)
class SceneObject:
    """What a scene shows of a digit, or of a crowd of digits of one class.

    Attributes:
      box: (top, left, bottom, right) in pixels, tight around all that is visible.
      label: the digit.
      is_crowd: whether these are many digits, of which no single one is marked.
      area: number of pixels that show it.
    """

    box: tuple[int, int, int, int]
    label: int
    is_crowd: bool
    area: int


@functools.cache
def _spline_matrix() -> np.ndarray:
    """[120, 10] weights of cubic interpolation from a padded scan's side to a glyph's."""
    side = 8 + 2 * _PADDING
    return ndimage.zoom(
        np.eye(side), (_ENLARGEMENT, 1), order=3, grid_mode=True, mode="grid-constant"
    )


def _glyph(scan: np.ndarray, height: float) -> np.ndarray:
    """A scan [8, 8] with values 0 to 1, smooth, at least `height` and at most 120 pixels high."""
    matrix = _spline_matrix()
    glyph = matrix @ np.pad(scan, _PADDING) @ matrix.T
    glyph = np.clip((glyph - _INK_THRESHOLD) / _INK_SOFTNESS, 0.0, 1.0)
    # Painting takes single pixels of a glyph; averages keep thin strokes of small digits.
    while len(glyph) >= 2 * height and len(glyph) % 2 == 0:
        pairs = glyph[0::2] + glyph[1::2]
        glyph = (pairs[:, 0::2] + pairs[:, 1::2]) / 4
    return glyph


def _paint(layer: np.ndarray, glyph: np.ndarray, place: Placement) -> None:
    """Adds a digit to a layer in place."""
    rendering.paint(layer[..., None], glyph, place, np.ones(1))


def _digit(random: np.random.Generator, scan: np.ndarray) -> tuple[np.ndarray, float]:
    """(layer of one digit, share of it that is in the image)."""
    height = math.exp(random.uniform(*np.log(_HEIGHT))) / _INK_SHARE
    margin = 0.3 * height  # A part of the ink, which reaches to 0.4, may be outside.
    y, x = random.uniform(margin, IMAGE_SIZE - margin, 2)
    width, angle = height * random.uniform(*_ASPECT), random.uniform(-_MAX_ANGLE, _MAX_ANGLE)
    layer = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    glyph = _glyph(scan, height)
    _paint(layer, glyph, Placement(y, x, height, width, angle))
    return layer, layer.sum() / (glyph.mean() * height * width)


def _crowd(random: np.random.Generator, scans: np.ndarray) -> np.ndarray:
    """Layer of a block of small digits, all drawn from `scans` [n, 8, 8]."""
    layer = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    pitch = random.uniform(*_CROWD_PITCH)
    rows, columns = random.integers(_CROWD_SIDES[0], _CROWD_SIDES[1] + 1, 2)
    top, left = random.uniform(0, IMAGE_SIZE - pitch * np.array([rows, columns]))
    for row, column in np.ndindex(rows, columns):
        y, x = random.uniform(0.4, 0.6, 2) + np.array([row, column])
        height = pitch * random.uniform(1.0, 1.2)
        place = Placement(top + pitch * y, left + pitch * x, height, 0.8 * height, 0.0)
        _paint(layer, _glyph(scans[random.integers(len(scans))], height), place)
    return layer


def _ink(random: np.random.Generator, ground: np.ndarray, avoided: list) -> np.ndarray:
    """A colour [3] in 0 to 1, lighter or darker than `ground`, as unlike `avoided` as can be."""
    while True:
        directions = random.normal(2.0, 1.0, (_NUM_INKS, 3))
        directions /= np.sqrt(np.mean(directions**2, axis=1, keepdims=True))
        contrasts = random.uniform(*_CONTRAST, (_NUM_INKS, 1)) * random.choice([-1, 1])
        colours = ground + contrasts * directions
        colours = colours[((colours >= 0.0) & (colours <= 1.0)).all(axis=1)]
        if len(colours):
            distances = [np.abs(colours - other).max(axis=1) for other in avoided]
            return colours[np.min(distances, axis=0).argmax() if avoided else 0].astype(np.float32)


class Canvas:
    """A picture of objects on top of each other, the later the higher.

    Attributes:
      pixels: [160, 160, 3].
    """

    def __init__(self, random: np.random.Generator):
        self._random = random
        self._ground = random.uniform(*_BRIGHTNESS) + random.uniform(-_TINT, _TINT, 3)
        texture = random.uniform(*_TEXTURE) * rendering.texture(random, IMAGE_SIZE)
        self.pixels = (self._ground + texture).astype(np.float32)
        # Of each object: what can be seen of it, its whole ink, its colour, (label, is_crowd).
        self._visible: list[np.ndarray] = []
        self._totals: list[float] = []
        self._inks: list[np.ndarray] = []
        self._kinds: list[tuple[int, bool]] = []

    def fits(self, layer: np.ndarray) -> bool:
        """Whether enough remains visible of all others below `layer`."""
        return all(
            np.sum(below * (1.0 - layer)) >= _MIN_VISIBLE * total
            for below, total in zip(self._visible, self._totals)
        )

    def add(self, layer: np.ndarray, share: float, label: int, is_crowd: bool) -> None:
        """Paints an object of which only a `share` is in the image."""
        touched = [ink for ink, below in zip(self._inks, self._visible) if (below * layer).any()]
        ink = _ink(self._random, self._ground, touched)
        self.pixels += layer[..., None] * (ink - self.pixels)
        self._visible = [below * (1.0 - layer) for below in self._visible] + [layer]
        self._totals.append(layer.sum() / share)
        self._inks.append(ink)
        self._kinds.append((int(label), is_crowd))

    def objects(self) -> list[SceneObject]:
        found = []
        for visible, kind in zip(self._visible, self._kinds):
            shown = visible >= _SHOWN
            rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
            if len(rows):  # Very small and faint handwriting shows nothing.
                top, left = int(rows[0]), int(columns[0])
                box = (top, left, int(rows[-1]) + 1, int(columns[-1]) + 1)
                found.append(SceneObject(box, *kind, int(shown.sum())))
        return found


def scene(
    random: np.random.Generator, scans: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, list[SceneObject]]:
    """An image uint8 [160, 160, 3] of up to eight digits, and the objects that it shows.

    Args:
      random: the only source of randomness.
      scans: [n, 8, 8], the handwriting to draw from; ink is 1, paper 0.
      labels: [n], the digits that they are.
    """
    canvas = Canvas(random)
    empty = random.random() < _EMPTY_SHARE
    if not empty and random.random() < _CROWD_SHARE:
        label = labels[random.integers(len(labels))]
        canvas.add(_crowd(random, scans[labels == label]), 1.0, label, is_crowd=True)
    for _ in range(0 if empty else random.integers(1, _MAX_DIGITS + 1)):
        scan = random.integers(len(scans))
        for _ in range(_ATTEMPTS):
            layer, share = _digit(random, scans[scan])
            if share >= _MIN_VISIBLE and canvas.fits(layer):
                canvas.add(layer, share, labels[scan], is_crowd=False)
                break
    noise = random.uniform(*_NOISE) * random.standard_normal(canvas.pixels.shape, np.float32)
    pixels = np.clip(canvas.pixels + noise, 0.0, 1.0)
    return np.round(255 * pixels).astype(np.uint8), canvas.objects()
