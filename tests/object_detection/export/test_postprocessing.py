"""TFLite's operator finds what the detector finds in Keras."""

import functools

import detector_runs
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from object_detection import modeling
from object_detection.export import postprocessing
from object_detection.export.verification import detection_agreement, split_levels
from tunas_tf.common.errors import InputError
from tunas_tf.export import operators
from tunas_tf.export.runtime import TFLiteFunction

_SIZE, _CLASSES = detector_runs.IMAGE_SIZE, 7


@functools.cache
def _file(name: str, score_threshold: float = 1e-8) -> bytes:
    definition = detector_runs.small_definition(name)
    return postprocessing.convert_detect(definition, _SIZE, _CLASSES, score_threshold)


def _outputs(definition, seed: int = 0):
    """Raw outputs that say that many things are objects; all boxes reach into the image."""
    generator = np.random.default_rng(seed)
    number = len(modeling.flat_anchors(definition, _SIZE))
    # A center moves by 0.25 of a side at most, of sides that shrink to no less than 0.6.
    boxes = generator.uniform(-1, 1, (1, number, 4)) * (0.25, 0.25, 0.5, 0.5)
    boxes *= definition.box_coder_weights or (1,) * 4
    return {
        "class_logits": generator.normal(-1, 2, (1, number, _CLASSES)).astype(np.float32),
        "boxes": boxes.astype(np.float32),
    }


def _check(found, definition, outputs, number=100):
    expected = modeling.detect(split_levels(definition, _SIZE, outputs), definition, _SIZE)
    assert found["num_detections"] == [number]
    scores = expected["scores"][:, :number]
    np.testing.assert_allclose(found["detection_scores"][:, :number], scores, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(
        found["detection_classes"][:, :number], expected["classes"][:, :number]
    )
    boxes = found["detection_boxes"] * _SIZE
    np.testing.assert_allclose(boxes[:, :number], expected["boxes"][:, :number], rtol=0, atol=1e-3)
    for name in ("detection_boxes", "detection_classes", "detection_scores"):
        assert not found[name][:, number:].any()


# With n > 1 threads the operator itself forgets a class.
@pytest.mark.parametrize("num_threads", [1, 2, 3, 4])
@pytest.mark.parametrize("name", modeling.NAMES)
def test_detections_are_those_of_keras(name, num_threads):
    definition = detector_runs.small_definition(name)
    function = TFLiteFunction(_file(name), num_threads)
    for seed in range(2):
        outputs = _outputs(definition, seed)
        _check(function(**outputs), definition, outputs)


@pytest.mark.parametrize("name", modeling.NAMES)
def test_verification_tells_right_from_wrong(name):
    definition = detector_runs.small_definition(name)
    arguments = (definition, _SIZE, _CLASSES, 1e-8)
    assert detection_agreement(_file(name), *arguments) == 1.0
    with pytest.MonkeyPatch.context() as patch:  # Anchors in another order.
        anchors = modeling.flat_anchors(definition, _SIZE)[::-1].copy()
        patch.setattr(modeling, "flat_anchors", lambda *_: anchors)
        wrong = postprocessing.convert_detect(*arguments)
    with pytest.raises(InputError, match="finds other objects than the detector in Keras"):
        detection_agreement(wrong, *arguments)


def test_scores_below_the_threshold_are_left_out():
    definition = detector_runs.small_definition()
    outputs = _outputs(definition)
    outputs["class_logits"] -= 5.0
    expected = modeling.detect(split_levels(definition, _SIZE, outputs), definition, _SIZE)
    number = int(np.sum(expected["scores"].numpy() >= 0.1))
    assert 0 < number < 100
    _check(TFLiteFunction(_file("ssdlite", 0.1))(**outputs), definition, outputs, number)


def test_boxes_without_an_area_and_without_an_end():
    """Of such boxes the operator fails, or returns what is no number."""
    definition = detector_runs.small_definition()
    outputs = _outputs(definition)
    outputs["boxes"][0, ::3, 2:] = -1e4  # A side of exp(-1e4).
    outputs["boxes"][0, 1::3, :2] = 1e4  # Far outside of the image.
    outputs["boxes"][0, 2::6, 2:] = 1e4
    found = TFLiteFunction(_file("ssdlite"))(**outputs)
    boxes = found["detection_boxes"]
    assert np.isfinite(boxes).all() and boxes.min() >= -1e-6 and boxes.max() <= 1 + 1e-6
    assert (np.diff(found["detection_scores"]) <= 0).all() and found["num_detections"] == [100]


def test_nothing_is_found_where_nothing_is():
    definition = detector_runs.small_definition()
    outputs = _outputs(definition)
    outputs["class_logits"][..., 1:] = -30.0  # Class 0 means nothing, whatever its logit.
    found = TFLiteFunction(_file("ssdlite"))(**outputs)
    assert not any(values.any() for values in found.values())


def test_what_the_file_consists_of():
    counts = operators.operator_counts(_file("ssdlite"))
    assert counts[postprocessing.OPERATOR] == 1
    shapes = {
        name: details["shape"].tolist()
        for name, details in Interpreter(model_content=_file("ssdlite"))
        .get_signature_runner()
        .get_output_details()
        .items()
    }
    assert shapes == {
        "detection_boxes": [1, 100, 4],
        "detection_classes": [1, 100],
        "detection_scores": [1, 100],
        "num_detections": [1],
    }
