"""A small search space with endpoints, and what its detectors take on an imaginary device."""

from object_detection import modeling
from object_detection.cost_model.calibration import Head
from tunas_tf.cost_model.units import Unit
from tunas_tf.search_space import arithmetic, operations, spec
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf

IMAGE_SIZE, NUM_CLASSES = 64, 5


def space(last=(32, 48)) -> spec.SearchSpace:
    """Strides 2 to 32, a choice of the kernel and one of the filters in each; and a head."""
    blocks = [spec.Block((spec.Conv(3, 2), spec.Activation("relu"), spec.Endpoint()), 8)]
    for counts in ((8, 16), (16, 24), (24, 32), last):
        kernel = OneOf((3, 5), OPERATION)
        bottleneck = spec.Bottleneck(kernel, spec.Expansion(2), strides=2)
        blocks.append(spec.Block((bottleneck, spec.Endpoint()), OneOf(counts, FILTERS)))
    blocks.append(spec.Block((spec.Conv(1), spec.Activation("relu"), spec.GlobalPool()), 64))
    return spec.SearchSpace("endpoints", tuple(blocks))


def _operations_ms(listed) -> float:
    convolutions = [o for o in listed if isinstance(o, operations.Convolution)]
    return 0.01 * len(convolutions) + arithmetic.operations_count(listed).madds / 2e7


def latency_ms(subject, definition) -> float:
    """Pieces and heads take what their multiply-adds say, networks 0.8 of it and 0.3 ms."""
    if isinstance(subject, Unit):
        return _operations_ms(subject.operations())
    if isinstance(subject, Head):
        filters = dict(subject.filters)
        return modeling.head_count(definition, filters, IMAGE_SIZE, NUM_CLASSES).madds / 3e7
    filters = modeling.feature_maps.feature_filters(subject, definition.input_levels)
    widths = {level: counts.largest for level, counts in filters.items()}
    head = modeling.head_count(definition, widths, IMAGE_SIZE, NUM_CLASSES).madds / 3e7
    backbone, size = 0.0, IMAGE_SIZE
    for placed in subject.layers():
        listed = operations.layer_operations(
            placed.layer, placed.input_filters, placed.filters, size
        )
        backbone += _operations_ms(listed)
        size = operations.output_size(placed.layer, size)
    return 0.3 + 0.8 * (backbone + head)
