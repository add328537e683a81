"""Cost models of detectors by name and file."""

import dataclasses
import json

import detector_spaces
import numpy as np
import pytest

from object_detection import cost_model, modeling
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import files
from tunas_tf.search_space import resolve

_SSDLITE = modeling.define("ssdlite")
_SIZES = (detector_spaces.IMAGE_SIZE, detector_spaces.NUM_CLASSES)


@pytest.fixture(name="file")
def _file(tmp_path) -> str:
    """A file for SSDLite, of multiply-adds in millions."""
    space = detector_spaces.space()
    model = modeling.cost_model("madds", _SSDLITE, space, *_SIZES)
    scaled = tuple(dataclasses.replace(t, values=t.values / 1e6) for t in model.tables)
    model = dataclasses.replace(
        model, name="mine", unit="ms", tables=scaled, bias=model.bias / 1e6, image_size=64
    )
    detector = cost_model.detector_text(_SSDLITE, 5)
    files.save(model, str(tmp_path / "mine.json"), {"detector": detector})
    return str(tmp_path / "mine.json")


@pytest.mark.parametrize("quantity", ["madds", "params"])
def test_analytic_costs_are_those_of_the_detectors(quantity):
    space = detector_spaces.space()
    model = cost_model.get(quantity, _SSDLITE, space, *_SIZES)
    for indices in np.random.default_rng(0).integers(2, size=(4, 8)):
        count = modeling.count(_SSDLITE, resolve(space, tuple(indices)), *_SIZES)
        assert float(model.cost(indices)) == getattr(count, quantity)


def test_a_file_prices_the_detectors_of_the_whole_space(file):
    space = detector_spaces.space()
    model = cost_model.get(file, _SSDLITE, space, *_SIZES)
    assert model.space == modeling.trim(space, (4, 5)) and model.unit == "ms"
    indices = (1, 0, 1, 1, 0, 1, 1, 0)
    count = modeling.count(_SSDLITE, resolve(space, indices), *_SIZES)
    assert float(model.cost(indices)) == pytest.approx(count.madds / 1e6)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"definition": modeling.define("retinanet")}, "of another detector, ssdlite"),
        ({"num_classes": 6}, "5 classes rather than ssdlite, .* 6 classes"),
        ({"image_size": 96}, "of another image size, 64 rather than 96"),
        ({"space": detector_spaces.space((40, 48))}, "endpoints with other filters or layers"),
        ({"name": "pixel1"}, "there is no cost model 'pixel1' of detectors; use one of madds"),
    ],
)
def test_other_detectors_are_refused(file, change, message):
    arguments = {
        "name": file,
        "definition": _SSDLITE,
        "space": detector_spaces.space(),
        "image_size": 64,
        "num_classes": 5,
    }
    with pytest.raises(InputError, match=message) as error:
        cost_model.get(**{**arguments, **change})
    assert "\n" not in str(error.value)


def test_a_file_of_classifiers_is_refused(file, tmp_path):
    content = json.loads((tmp_path / "mine.json").read_text())
    content["provenance"] = {}
    (tmp_path / "mine.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="of another detector, none rather than ssdlite"):
        cost_model.get(file, _SSDLITE, detector_spaces.space(), *_SIZES)
