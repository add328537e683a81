"""The flags that say which detector is put on a backbone, and on which images.

They are defined without TensorFlow, which takes seconds to import.
"""

from typing import TYPE_CHECKING, Any

from absl import flags

from tunas_tf.command_line import training_flags
from tunas_tf.cost_model import CostModel
from tunas_tf.search_space import spec

if TYPE_CHECKING:
    from object_detection.modeling.definitions import Definition

__all__ = [
    "DATA",
    "cost_model",
    "data_arguments",
    "define",
    "define_cost_model",
    "define_data",
    "definition",
]

FLAGS = flags.FLAGS

# Arguments of `training_flags.define_data`.
DATA = {
    "dataset": "digit_scenes",
    "datasets": "digit_scenes, coco/2017, or any object detection dataset of tensorflow-datasets.",
}


def define(expanded_features: bool = False) -> None:
    """Defines the flags of a detector, and --image_size.

    Args:
      expanded_features: whether the command takes --expanded_features, which is for one
        network, not for a search.
    """
    flags.DEFINE_integer("image_size", 320, "Side of the square images, in pixels.", 1)
    flags.DEFINE_enum(
        "detector",
        "ssdlite",
        ["ssdlite", "retinanet"],
        "ssdlite (on C4, C5 and four smaller maps) or retinanet (feature pyramid P3 to P7).",
    )
    flags.DEFINE_integer(
        "num_filters", None, "retinanet: width of pyramid and head; default: 256.", lower_bound=1
    )
    flags.DEFINE_bool(
        "separable", None, "retinanet: depthwise-separable pyramid and head; default: false."
    )
    if expanded_features:
        flags.DEFINE_bool(
            "expanded_features",
            None,
            "ssdlite: take C4 and C5 where the network is widest, as published for MobileNetV2 "
            "and V3; default: false.",
        )


def define_data() -> None:
    """Defines how images and boxes are prepared."""
    flags.DEFINE_integer("max_num_boxes", 100, "Objects of an image that are kept.", 1)
    flags.DEFINE_bool(
        "keep_aspect_ratio", False, "Fit images into the square rather than stretch them."
    )


def define_cost_model() -> None:
    flags.DEFINE_string(
        "cost_model",
        "madds",
        "madds or params of the whole detector, or a file that "
        "object_detection.calibrate_cost_model wrote.",
    )


def data_arguments() -> dict[str, Any]:
    """What the flags say to `data.load`."""
    return {
        **training_flags.data_arguments(),
        "max_num_boxes": FLAGS.max_num_boxes,
        "keep_aspect_ratio": FLAGS.keep_aspect_ratio,
    }


def definition() -> "Definition":
    """The detector of the flags; InputError if it has no option of a given flag."""
    from object_detection import modeling

    options = {
        name: FLAGS[name].value
        for name in ("num_filters", "separable", "expanded_features")
        if name in FLAGS
    }
    return modeling.define(FLAGS.detector, **options)


def cost_model(
    definition: "Definition", space: spec.SearchSpace, image_size: int, num_classes: int
) -> CostModel:
    """The cost model of --cost_model, for the detectors on a trimmed space."""
    from object_detection import cost_model as cost_model_lib

    return cost_model_lib.get(FLAGS.cost_model, definition, space, image_size, num_classes)
