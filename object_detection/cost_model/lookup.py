"""Cost models of detectors by name or file.

A file is one of `tunas_tf.cost_model.files`. Its space is the trimmed one, its figures are those
of whole detectors, and its provenance says of which: under "detector", as `detector_text`.
"""

import dataclasses
import os

from object_detection.modeling import counting, feature_maps
from object_detection.modeling.definitions import Definition
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import CostModel, files
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec

__all__ = ["ANALYTIC", "detector_text", "get"]

ANALYTIC = ("madds", "params")


def detector_text(definition: Definition, num_classes: int) -> str:
    """A detector in words: "retinanet, num_filters 64, separable True, 81 classes"."""
    options = [f"{name} {value}" for name, value in dataclasses.asdict(definition).items()]
    return ", ".join([definition.name, *options, f"{num_classes} classes"])


def _networks(space: spec.SearchSpace):
    """What decides which networks a space has: the reference network is only one of them."""
    return architecture_lib.to_json(dataclasses.replace(space, reference_indices=()))


def get(
    name: str,
    definition: Definition,
    space: spec.SearchSpace,
    image_size: int,
    num_classes: int,
) -> CostModel:
    """The cost model `name` of the detectors on the backbones of a search space.

    Args:
      name: "madds", "params", or the path of a file of object_detection.calibrate_cost_model.
      definition: the detector.
      space: the search space; the cost model is that of the trimmed one.
      image_size: side of the images in pixels.
      num_classes: class 0, which is no object, included.

    Raises:
      InputError: there is no such cost model, or it is of other detectors.
    """
    if name in ANALYTIC:
        return counting.cost_model(name, definition, space, image_size, num_classes)
    if not os.path.exists(name):
        raise InputError(
            f"there is no cost model {name!r} of detectors; use one of {', '.join(ANALYTIC)}, or "
            "the path of a file from object_detection.calibrate_cost_model."
        )
    model = files.load(name)
    provenance = files.load_provenance(name)
    advice = "give the file of this one, or use --cost_model=madds"
    wanted = {
        "detector": (detector_text(definition, num_classes), provenance.get("detector")),
        "image size": (image_size, model.image_size),
        "search space": (space.name, model.space.name),
    }
    for what, (asked, found) in wanted.items():
        if asked != found:
            raise InputError(
                f"the cost model {name} is of another {what}, {found or 'none'} rather than "
                f"{asked}; {advice}."
            )
    trimmed = feature_maps.trim(space, definition.input_levels)
    if _networks(model.space) != _networks(trimmed):
        raise InputError(
            f"the cost model {name} is of {space.name} with other filters or layers; leave "
            f"--filters_multiplier out, or {advice}."
        )
    return dataclasses.replace(model, space=trimmed)
