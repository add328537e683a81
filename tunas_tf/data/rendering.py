"""Draws scenes of handwritten digits: textured background, fragments, one whole digit.

Pure NumPy functions of a random generator, so that an example is a function of its seed.
Canvases are float arrays [size, size, 3] with values around 0 to 1; glyphs are coverages
[height, width] from 0 (paper) to 1 (ink); positions and lengths are in pixels of the canvas.
"""

import dataclasses
import functools
import math

import numpy as np
from scipy import ndimage

__all__ = ["Placement", "enlarge", "paint", "scene", "texture"]

# An 8 x 8 scan gets one pixel of paper around it and is enlarged once; scenes sample from that.
_PADDING = 1
_ENLARGEMENT = 6

# Ink begins at this grey level of an enlarged scan and is full `_INK_SOFTNESS` above it.
_INK_THRESHOLD = 0.4
_INK_SOFTNESS = 0.3

# (cells along a side, standard deviation) of the smooth noises that make up a texture.
_TEXTURE_SCALES = ((3, 0.07), (7, 0.04), (17, 0.03))

# Height of the digit as a share of the image, and its width as a share of the height. Both
# count the paper around it: the ink takes 8 tenths of that.
_HEIGHT = (0.65, 1.25)
_ASPECT = (0.75, 1.1)
_MAX_ANGLE = math.radians(30)

# Colours are drawn so that a network of a few thousand steps can learn them: the ground is
# dark, ink is brighter. The contrast is the root mean square of ink - ground over the colours.
_BACKGROUND = (0.1, 0.5)
_CONTRAST = (0.3, 0.55)

# Some colour differs by more than this between the digit and each fragment.
_MIN_DISTANCE = 0.15

_MIN_FRAGMENTS = 0
_MAX_FRAGMENTS = 2

# Standard deviation of the noise of single pixels.
_NOISE = (0.005, 0.03)


@dataclasses.dataclass(frozen=True)
class Placement:
    """A glyph `height` tall and `width` wide, turned by `angle` (radians), centred at (y, x)."""

    y: float
    x: float
    height: float
    width: float
    angle: float


@functools.cache
def _interpolation_matrix(num_out: int, num_in: int) -> np.ndarray:
    """[num_out, num_in] weights of linear interpolation with aligned end points."""
    positions = np.linspace(0, num_in - 1, num_out)
    return np.maximum(0.0, 1.0 - np.abs(positions[:, None] - np.arange(num_in)))


def enlarge(scans: np.ndarray) -> np.ndarray:
    """Scans [n, 8, 8] with values 0 to 1 -> glyphs [n, 60, 60] with crisp strokes."""
    padded = np.pad(scans, ((0, 0), (_PADDING, _PADDING), (_PADDING, _PADDING)))
    side = padded.shape[1]
    matrix = _interpolation_matrix(_ENLARGEMENT * side, side)
    return np.clip((matrix @ padded @ matrix.T - _INK_THRESHOLD) / _INK_SOFTNESS, 0.0, 1.0)


def texture(random: np.random.Generator, size: int) -> np.ndarray:
    """Smooth noise [size, size, 3] with mean 0, most of it common to the three colours."""
    total = np.zeros((3, size, size))
    for cells, deviation in _TEXTURE_SCALES:
        common = random.normal(0.0, 0.85 * deviation, (1, cells, cells))
        noise = common + random.normal(0.0, 0.5 * deviation, (3, cells, cells))
        matrix = _interpolation_matrix(size, cells)
        total += matrix @ noise @ matrix.T
    return total.transpose(1, 2, 0)


def paint(canvas: np.ndarray, glyph: np.ndarray, place: Placement, colour: np.ndarray) -> None:
    """Blends `colour` [3] into `canvas` in place, wherever the placed glyph covers it."""
    cosine, sine = math.cos(place.angle), math.sin(place.angle)
    # Only the box around the turned glyph is touched.
    half_height = (place.height * abs(cosine) + place.width * abs(sine)) / 2
    half_width = (place.height * abs(sine) + place.width * abs(cosine)) / 2
    top, left = max(0, int(place.y - half_height)), max(0, int(place.x - half_width))
    bottom, right = math.ceil(place.y + half_height), math.ceil(place.x + half_width)
    box = canvas[top:bottom, left:right]

    side = np.array(glyph.shape)
    zoom = side / (place.height, place.width)  # Glyph pixels per canvas pixel.
    matrix = zoom[:, None] * np.array([[cosine, -sine], [sine, cosine]])
    # Pixel i covers [i, i + 1], so its centre lies at i + 0.5.
    offset = side / 2 - 0.5 + matrix @ (top + 0.5 - place.y, left + 0.5 - place.x)
    coverage = ndimage.affine_transform(
        glyph, matrix, offset, box.shape[:2], order=1, mode="grid-constant"
    )
    box += coverage[..., None] * (colour - box)


def _placement(random: np.random.Generator, size: int, height: float) -> Placement:
    """A random placement inside of the canvas; only the paper's corners may leave it."""
    width = height * random.uniform(*_ASPECT)
    angle = random.uniform(-_MAX_ANGLE, _MAX_ANGLE)
    half_height, half_width = min(height, size) / 2, min(width, size) / 2
    y = random.uniform(half_height, size - half_height)
    x = random.uniform(half_width, size - half_width)
    return Placement(y, x, height, width, angle)


def _fragment(random: np.random.Generator, glyph: np.ndarray) -> np.ndarray:
    """A random quarter of the glyph, [height / 2, width / 2]: never a whole digit."""
    height, width = (side // 2 for side in glyph.shape)
    top, left = random.integers(0, (height + 1, width + 1))
    return glyph[top : top + height, left : left + width]


def _ink(
    random: np.random.Generator, background: np.ndarray, avoided: np.ndarray | None = None
) -> np.ndarray:
    """A colour [3] in 0 to 1, brighter than `background` and distinct from `avoided`."""
    while True:
        # Sixteen candidates take as long as one; the first that is possible counts.
        directions = random.normal(2.0, 1.0, (16, 3))
        directions /= np.sqrt(np.mean(directions**2, axis=1, keepdims=True))
        colours = background + random.uniform(*_CONTRAST, (16, 1)) * directions
        possible = ((colours >= 0.0) & (colours <= 1.0)).all(axis=1)
        if avoided is not None:
            possible &= np.abs(colours - avoided).max(axis=1) > _MIN_DISTANCE
        if possible.any():
            return colours[possible.argmax()]


def scene(
    random: np.random.Generator, glyph: np.ndarray, fragment_glyphs: np.ndarray, size: int
) -> np.ndarray:
    """An image uint8 [size, size, 3] of one whole digit on top of fragments of others.

    Args:
      random: the only source of randomness.
      glyph: [height, width], the digit.
      fragment_glyphs: [n, height, width], the digits that fragments are torn from.
      size: side of the image in pixels.
    """
    background = random.uniform(*_BACKGROUND, 3)
    canvas = background + random.uniform(0.3, 1.0) * texture(random, size)
    height = size * random.uniform(*_HEIGHT)
    ink = _ink(random, background)
    for _ in range(random.integers(_MIN_FRAGMENTS, _MAX_FRAGMENTS + 1)):
        fragment = _fragment(random, fragment_glyphs[random.integers(len(fragment_glyphs))])
        place = _placement(random, size, height / 2 * random.uniform(0.6, 1.0))
        paint(canvas, fragment, place, _ink(random, background, avoided=ink))
    paint(canvas, glyph, _placement(random, size, height), ink)
    canvas += random.normal(0.0, random.uniform(*_NOISE), canvas.shape)
    return np.round(255 * np.clip(canvas, 0.0, 1.0)).astype(np.uint8)
