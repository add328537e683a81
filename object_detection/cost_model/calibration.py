"""What a calibration for detectors measures besides the pieces of their backbones.

The head is one piece: its latency is that of the head on the narrowest feature maps, and for each
map what the head takes longer on a wider one. The maps are computed with one by one, so that
these differences add up, as its multiply-adds do.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from object_detection import modeling
from object_detection.cost_model.lookup import detector_text
from object_detection.export import export_job
from object_detection.modeling import definitions, feature_maps, heads
from object_detection.modeling.definitions import Definition
from tunas_tf.calibration.calibration_job import Heads
from tunas_tf.calibration.fitting import LatencyOf
from tunas_tf.calibration.measuring import Exportable
from tunas_tf.cost_model import CostModel, Table
from tunas_tf.search_space import spec
from tunas_tf.search_space.architecture import Architecture

__all__ = ["DetectionTask", "Head", "heads_of"]


@dataclasses.dataclass(frozen=True)
class Head:
    """What is behind a backbone.

    Attributes:
      definition: the detector.
      filters: (level, channels) of the feature maps that it is built on.
      image_size: side of the images in pixels.
      num_classes: class 0, which is no object, included.
    """

    definition: Definition
    filters: tuple[tuple[int, int], ...]
    image_size: int
    num_classes: int


@dataclasses.dataclass(frozen=True)
class DetectionTask:
    """Detectors with raw outputs: the `measuring.Task` of their calibration.

    Attributes:
      definition, image_size, num_classes: the detector.
    """

    definition: Definition
    image_size: int
    num_classes: int

    def build(self, subject: Head | Architecture) -> Exportable:
        if isinstance(subject, Architecture):
            detector = modeling.build_detector(
                self.definition, subject, self.image_size, self.num_classes
            )
            shape = detector.input_shape[1:]
            return Exportable(export_job.raw_outputs(detector, self.num_classes), shape)
        shapes = {
            level: (-(-self.image_size // 2**level),) * 2 + (filters,)
            for level, filters in subject.filters
        }
        head = heads.build_head(self.definition, shapes, self.num_classes)
        by_name = {str(level): shape for level, shape in shapes.items()}
        return Exportable(export_job.raw_outputs(head, self.num_classes), by_name)

    def num_params(self, subject: Head | Architecture) -> int:
        arguments = (self.image_size, self.num_classes)
        if isinstance(subject, Architecture):
            return modeling.count(self.definition, subject, *arguments).params
        return modeling.head_count(self.definition, dict(subject.filters), *arguments).params


def heads_of(task: DetectionTask, space: spec.SearchSpace) -> Heads:
    """The heads that the detectors of a trimmed search space are calibrated with."""
    definitions.check_image_size(task.definition, task.image_size)
    counts = feature_maps.feature_filters(space, task.definition.input_levels)
    first = {level: options.options[0] for level, options in counts.items()}

    def head(filters: Mapping[int, int]) -> Head:
        return Head(
            task.definition, tuple(sorted(filters.items())), task.image_size, task.num_classes
        )

    def variants(level: int) -> list[Head]:
        return [head({**first, level: filters}) for filters in counts[level].options]

    def cost(latency_ms: LatencyOf) -> CostModel:
        found = tuple(
            Table(
                (position,),
                np.array([latency_ms(variant) for variant in variants(level)])
                - latency_ms(head(first)),
            )
            for level, options in counts.items()
            if (position := options.position) is not None
        )
        return CostModel("heads", "ms", space, found, latency_ms(head(first)), task.image_size)

    subjects = dict.fromkeys(
        [head(first), *(variant for level in counts for variant in variants(level))]
    )
    provenance = {"detector": detector_text(task.definition, task.num_classes)}
    return Heads(tuple(subjects), cost, provenance)
