"""Two files as one."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from object_detection.export.joining import join
from tunas_tf.export.conversion import convert, convert_function
from tunas_tf.export.operators import operators
from tunas_tf.export.runtime import TFLiteFunction, TFLiteNetwork

_WEIGHTS = np.linspace(-1, 1, 3 * 3 * 2 * 5, dtype=np.float32).reshape(3, 3, 2, 5)
_IMAGES = np.random.default_rng(0).normal(size=(3, 4, 6, 2)).astype(np.float32)


def _first(images):
    # A third output, or another order, would show if outputs were taken by position.
    return {"z": tf.nn.conv2d(images, _WEIGHTS, 1, "SAME"), "a": 2.0 * images}


def _second(names=("a", "z"), filters=5):
    def function(narrow, wide):
        total = tf.reduce_sum(wide, axis=-1) + _WEIGHTS[0, 0, 0, 0]
        return {"difference": total - narrow[..., 0], "wide": tf.exp(wide)}

    return tf.function(
        lambda narrow, wide: function(narrow, wide), autograph=False
    ).get_concrete_function(
        tf.TensorSpec((1, 4, 6, 2), name=names[0]), tf.TensorSpec((1, 4, 6, filters), name=names[1])
    )


def _convert_second(**arguments) -> bytes:
    # Inputs are called as the arguments of the function are.
    concrete = _second(**arguments)
    names = arguments.get("names", ("a", "z"))
    specs = dict(zip(names, concrete.structured_input_signature[0]))
    function = tf.function(lambda **given: concrete(*(given[name] for name in names)))
    return convert_function(function.get_concrete_function(**specs))


def test_the_second_file_gets_what_the_first_returns():
    first, second = convert(_first, (4, 6, 2)), _convert_second()
    joined = join(first, second)
    found = TFLiteNetwork(joined).run(_IMAGES)
    wide = tf.nn.conv2d(_IMAGES, _WEIGHTS, 1, "SAME").numpy()
    assert sorted(found) == ["difference", "wide"]
    np.testing.assert_allclose(found["wide"], np.exp(wide), rtol=1e-5)
    expected = wide.sum(-1) + _WEIGHTS.flat[0] - 2 * _IMAGES[..., 0]
    np.testing.assert_allclose(found["difference"], expected, rtol=0, atol=1e-5)
    assert operators(joined) == operators(first) + operators(second)
    assert join(first, second) == joined


def test_a_quantised_first_file():
    first = convert(_first, (4, 6, 2), "int8", list(_IMAGES), float_outputs=True)
    found = TFLiteNetwork(join(first, _convert_second())).run(_IMAGES)
    wide = tf.nn.conv2d(_IMAGES, _WEIGHTS, 1, "SAME").numpy()
    assert 1e-4 < np.abs(np.log(found["wide"]) - wide).max() < 0.1


def test_weights_lie_where_the_schema_wants_them():
    joined = join(convert(_first, (4, 6, 2)), _convert_second())
    model = schema.Model.GetRootAs(joined, 0)
    starts = [
        model.Buffers(number).DataAsNumpy().ctypes.data
        - np.frombuffer(joined, np.uint8).ctypes.data
        for number in range(model.BuffersLength())
        if not model.Buffers(number).DataIsNone()
    ]
    assert len(starts) > 2 and all(start % 16 == 0 for start in starts)
    assert joined.count(_WEIGHTS[0, 0, 0, :1].tobytes()) >= 1


def test_a_function_of_several_tensors_runs_by_name():
    found = TFLiteFunction(_convert_second())(
        z=np.zeros((1, 4, 6, 5), np.float32), a=np.ones((1, 4, 6, 2), np.float32)
    )
    np.testing.assert_allclose(found["difference"], _WEIGHTS.flat[0] - 1, rtol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [({"names": ("b", "z")}, r"\['a', 'z'\] cannot be given"), ({"filters": 4}, "z has another")],
)
def test_files_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        join(convert(_first, (4, 6, 2)), _convert_second(**arguments))
