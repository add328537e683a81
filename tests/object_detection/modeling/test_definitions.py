"""Detectors by name."""

import pytest

from object_detection import modeling
from object_detection.modeling.definitions import RetinaNet, SSDLite
from tunas_tf.common.errors import InputError


def test_by_name():
    assert modeling.NAMES == ("retinanet", "ssdlite")
    assert modeling.define("ssdlite") == SSDLite()
    assert modeling.define("retinanet", num_filters=64, separable=True) == RetinaNet(64, True)
    assert modeling.define("retinanet", num_filters=None, separable=None) == RetinaNet()
    assert modeling.define("ssdlite", num_filters=None, expanded_features=True) == SSDLite(True)


def test_bad_input():
    with pytest.raises(InputError, match="no detector 'yolo'; use one of retinanet, ssdlite"):
        modeling.define("yolo")
    with pytest.raises(InputError, match="num_filters was given, but the detector ssdlite"):
        modeling.define("ssdlite", num_filters=64)
    with pytest.raises(InputError, match="RetinaNet of 0 filters"):
        modeling.define("retinanet", num_filters=0)
