"""The two detectors as data: which feature maps, which anchors, which loss."""

import dataclasses
from typing import ClassVar

from tunas_tf.common.errors import InputError

__all__ = [
    "NAMES",
    "Definition",
    "LossWeights",
    "RetinaNet",
    "SSDLite",
    "check_image_size",
    "define",
    "sides",
]


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """The constants of the loss.

    Attributes:
      focal_alpha: weight of an object's class in the sigmoid focal loss; that of all other
        classes is `1 - focal_alpha`.
      focal_gamma: exponent of the focal loss.
      huber_delta: where the box loss turns from quadratic to linear.
      box_weight: factor of the box loss, which is a sum over the four coordinates.
    """

    focal_alpha: float
    focal_gamma: float
    huber_delta: float
    box_weight: float


@dataclasses.dataclass(frozen=True)
class SSDLite:
    """SSD of depthwise-separable layers on C4, C5 and four maps of half the side each.

    The head of MobileNetV2 and V3 (section 6.3), and of MobileDets, as in its published
    training configuration.

    Attributes:
      expanded_features: whether C4 and C5 are wider maps inside the tower, see
        `feature_maps.expanded_feature_maps`: so MobileNetV2 and V3 were published.
    """

    expanded_features: bool = False

    name: ClassVar[str] = "ssdlite"
    input_levels: ClassVar[tuple[int, ...]] = (4, 5)
    levels: ClassVar[tuple[int, ...]] = (4, 5, 6, 7, 8, 9)
    size_divisor: ClassVar[int] = 1
    # Output filters of the layers that make the maps 6 to 9.
    extra_filters: ClassVar[tuple[int, ...]] = (512, 256, 256, 128)
    # Of the anchors' sides, as fractions of the image's; the last one is only mixed in.
    scales: ClassVar[tuple[float, ...]] = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
    box_coder_weights: ClassVar[tuple[float, ...] | None] = (10.0, 10.0, 5.0, 5.0)
    loss: ClassVar[LossWeights] = LossWeights(0.75, 2.0, huber_delta=1.0, box_weight=1.0)

    def anchors_per_location(self, level: int) -> int:
        return len(self.anchor_shapes(level))

    def anchor_shapes(self, level: int) -> tuple[tuple[float, float], ...]:
        """(scale, width / height) of the anchors at every place of a level.

        The lowest level has three, the others five, and a square of the geometric mean of
        their scale and the next one.
        """
        index = level - self.levels[0]
        scale, following = self.scales[index : index + 2]
        if index == 0:
            return ((0.1, 1.0), (scale, 2.0), (scale, 1 / 2))
        ratios = (1.0, 2.0, 1 / 2, 3.0, 1 / 3)
        return (*((scale, ratio) for ratio in ratios), ((scale * following) ** 0.5, 1.0))


@dataclasses.dataclass(frozen=True)
class RetinaNet:
    """RetinaNet: a feature pyramid P3 to P7 on C3 to C5, one head for all levels.

    Anchors and constants are the defaults of tf-models-official. Its box loss has the weight
    50 and is a mean over the four coordinates.

    Attributes:
      num_filters: width of the pyramid and of the head.
      separable: whether their convolutions are depthwise-separable.
    """

    num_filters: int = 256
    separable: bool = False

    name: ClassVar[str] = "retinanet"
    expanded_features: ClassVar[bool] = False
    input_levels: ClassVar[tuple[int, ...]] = (3, 4, 5)
    levels: ClassVar[tuple[int, ...]] = (3, 4, 5, 6, 7)
    # The pyramid doubles the sides of its maps from C5 down to C3.
    size_divisor: ClassVar[int] = 32
    num_convolutions: ClassVar[int] = 4
    num_scales: ClassVar[int] = 3
    aspect_ratios: ClassVar[tuple[float, ...]] = (0.5, 1.0, 2.0)
    anchor_size: ClassVar[float] = 4.0
    box_coder_weights: ClassVar[tuple[float, ...] | None] = None
    loss: ClassVar[LossWeights] = LossWeights(0.25, 1.5, huber_delta=0.1, box_weight=50 / 4)

    def __post_init__(self):
        if self.num_filters < 1:
            raise InputError(
                f"a RetinaNet of {self.num_filters} filters was asked for; give 1 or more."
            )

    def anchors_per_location(self, level: int) -> int:
        del level  # All have the same.
        return self.num_scales * len(self.aspect_ratios)


Definition = SSDLite | RetinaNet

_DEFINITIONS = {definition.name: definition for definition in (RetinaNet, SSDLite)}
NAMES = tuple(_DEFINITIONS)


def define(name: str, **options) -> Definition:
    """The detector called `name`.

    Args:
      name: one of NAMES.
      **options: attributes of the detector; None stands for the default.

    Raises:
      InputError: there is no such detector, or it has no such option.
    """
    if name not in _DEFINITIONS:
        raise InputError(f"there is no detector {name!r}; use one of {', '.join(NAMES)}.")
    given = {option: value for option, value in options.items() if value is not None}
    known = [field.name for field in dataclasses.fields(_DEFINITIONS[name])]
    for option in given:
        if option not in known:
            raise InputError(
                f"{option} was given, but the detector {name} has {' and '.join(known)} only; "
                "leave it out, or use the other detector."
            )
    return _DEFINITIONS[name](**given)


def check_image_size(definition: Definition, image_size: int) -> None:
    """Raises InputError if the detector cannot work on images of that side."""
    smallest = 2 ** definition.input_levels[-1]
    if image_size < smallest or image_size % definition.size_divisor:
        rule = f"a multiple of {definition.size_divisor}" if definition.size_divisor > 1 else ""
        raise InputError(
            f"images of {image_size} x {image_size} pixels do not suit the detector "
            f"{definition.name}; give {rule or f'{smallest} pixels or more'}."
        )


def sides(definition: Definition, image_size: int) -> dict[int, int]:
    """Level -> side of its feature map in pixels, for the levels that boxes come from."""
    return {level: -(-image_size // 2**level) for level in definition.levels}
