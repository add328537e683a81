"""The operators of a file, and that only builtin ones pass."""

import pytest
import tensorflow as tf
import tiny_tflite

from tunas_tf.common.errors import InputError
from tunas_tf.export import operators


def _with_custom_operator() -> bytes:
    concrete = tf.function(lambda x: tf.linalg.svd(tf.nn.relu(x))[0]).get_concrete_function(
        tf.TensorSpec((4, 4))
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    converter.allow_custom_ops = True
    return converter.convert()


def test_operators_in_order():
    def function(images):
        return tf.nn.relu(tf.sqrt(images) + images * 2.0)

    concrete = tf.function(function).get_concrete_function(tf.TensorSpec((1, 4, 4, 2)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    tflite = converter.convert()
    found = operators.operators(tflite)
    assert sorted(found[:2]) == [("MUL", True), ("SQRT", True)]
    assert found[2:] == [("ADD", True)]  # With the ReLU in it.
    assert operators.operator_counts(tflite) == {"ADD": 1, "MUL": 1, "SQRT": 1}
    operators.require_builtin(tflite)


def test_counts_begin_with_the_most_frequent():
    concrete = tf.function(lambda x: tf.exp(tf.sqrt(tf.exp(x)))).get_concrete_function(
        tf.TensorSpec((2,))
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    assert list(operators.operator_counts(converter.convert()).items()) == [("EXP", 2), ("SQRT", 1)]


@pytest.mark.parametrize(
    "make, name",
    [(tiny_tflite.inverse_matrix, "FlexMatrixInverse"), (_with_custom_operator, "Svd")],
)
def test_flex_and_custom_operators_are_refused(make, name):
    tflite = make()
    assert operators.Operator(name, False) in operators.operators(tflite)
    with pytest.raises(InputError, match=f"the network needs {name}, which TFLite does not have"):
        operators.require_builtin(tflite)


def test_custom_operators_that_are_meant():
    tflite = _with_custom_operator()
    operators.require_builtin(tflite, ["Svd"])
    with pytest.raises(InputError, match="the conversion failed: Other is missing in the file"):
        operators.require_builtin(tflite, ["Svd", "Other"])


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\x00\x00\x00TFL2" + bytes(64)])
def test_other_files_are_refused(content):
    with pytest.raises(InputError, match="TFL3|empty"):
        operators.operators(content)
