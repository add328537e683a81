"""What every masked layer keeps: configuration, dtypes, XLA, checkpoints."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tunas_tf import layers

FILTERS = 6

# Layers whose first argument of the call is [batch, height, width, FILTERS], and arguments.
LAYERS = {
    "conv": (lambda **kw: layers.MaskedConv2D(8, 3, 2, use_bias=True, **kw), (3, 5)),
    "depthwise": (lambda **kw: layers.MaskedDepthwiseConv2D(5, 2, **kw), (3,)),
    "batch_norm": (lambda **kw: layers.MaskedBatchNormalization(1e-2, **kw), (3,)),
    "squeeze_excite": (lambda **kw: layers.MaskedSqueezeExcite(4, **kw), (3, 2)),
    "zero": (lambda **kw: layers.Zero(4, 2, **kw), ()),
}
WITH_KERNELS = ("conv", "depthwise", "squeeze_excite")


@pytest.fixture(name="case", params=LAYERS)
def _case(request):
    return LAYERS[request.param]


@pytest.fixture(name="inputs")
def _inputs():
    return tf.constant(np.random.default_rng(0).normal(size=(4, 6, 6, FILTERS)), tf.float32)


def test_configuration_round_trip(case, inputs):
    make, widths = case
    layer = make(name="some_name", dtype="mixed_bfloat16")
    clone = tf_keras.layers.deserialize(tf_keras.layers.serialize(layer))
    assert type(clone) is type(layer)
    assert clone.get_config() == layer.get_config()
    layer.build(inputs.shape)
    clone.build(inputs.shape)
    clone.set_weights(layer.get_weights())
    np.testing.assert_array_equal(
        tf.cast(layer(inputs, *widths), tf.float32), tf.cast(clone(inputs, *widths), tf.float32)
    )


def test_configuration_holds_every_argument():
    """One attribute per argument, and none is lost."""
    conv = layers.MaskedConv2D(8, 5, 2, True, "ones")
    clone = layers.MaskedConv2D.from_config(conv.get_config())
    assert (clone.filters, clone.kernel_size, clone.strides, clone.use_bias) == (8, 5, 2, True)
    assert isinstance(clone.kernel_initializer, tf_keras.initializers.Ones)
    depthwise = layers.MaskedDepthwiseConv2D(7, 2)
    clone = layers.MaskedDepthwiseConv2D.from_config(depthwise.get_config())
    assert (clone.kernel_size, clone.strides) == (7, 2)
    norm = layers.MaskedBatchNormalization(0.5)
    assert layers.MaskedBatchNormalization.from_config(norm.get_config()).epsilon == 0.5
    excite = layers.MaskedSqueezeExcite(16)
    assert layers.MaskedSqueezeExcite.from_config(excite.get_config()).squeezed_filters == 16
    zero = layers.Zero.from_config(layers.Zero(9, 2).get_config())
    assert (zero.filters, zero.strides) == (9, 2)


def test_switch_configuration_round_trip(inputs):
    layer = layers.Switch([layers.MaskedConv2D(4, 3), layers.Zero(4)], True, name="choice")
    clone = layers.Switch.from_config(layer.get_config())
    assert clone.rematerialize
    assert clone.get_config() == layer.get_config()
    layer.build(inputs.shape)
    clone.build(inputs.shape)
    clone.set_weights(layer.get_weights())
    mask = tf.constant([1.0, 0.0])
    np.testing.assert_array_equal(layer(inputs, option_mask=mask), clone(inputs, option_mask=mask))


def test_mixed_precision_computes_in_bfloat16_and_keeps_float32(case, inputs):
    make, widths = case
    layer, exact = make(dtype="mixed_bfloat16"), make()
    layer.build(inputs.shape)
    exact.build(inputs.shape)
    exact.set_weights(layer.get_weights())
    with tf.GradientTape() as tape:
        outputs = layer(inputs, *widths)
    assert outputs.dtype == tf.bfloat16
    assert all(variable.dtype == tf.float32 for variable in layer.variables)
    gradients = tape.gradient(outputs, layer.trainable_variables)
    assert all(gradient.dtype == tf.float32 for gradient in gradients)
    np.testing.assert_allclose(
        tf.cast(outputs, tf.float32), exact(inputs, *widths), atol=0.05, rtol=0.05
    )


@pytest.mark.parametrize("name", WITH_KERNELS)
def test_l2_loss_is_exact_inside_a_bfloat16_layer(name, inputs):
    make, widths = LAYERS[name]

    class Parent(tf_keras.layers.Layer):
        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.child = make(dtype="mixed_bfloat16")

        def call(self, inputs):
            return self.child(inputs), self.child.l2_loss(*widths)

    parent = Parent()
    _, loss = parent(inputs)
    assert loss.dtype == tf.float32 and loss.shape == ()
    exact = make()
    exact.build(inputs.shape)
    exact.set_weights(parent.child.get_weights())
    np.testing.assert_allclose(loss, exact.l2_loss(*widths), rtol=1e-6)


def test_xla_gives_the_same_for_widths_known_at_run_time(case, inputs):
    make, widths = case
    layer = make()
    layer.build(inputs.shape)
    compiled = tf.function(layer, jit_compile=True)
    tensors = [tf.constant(width) for width in widths]
    np.testing.assert_allclose(compiled(inputs, *tensors), layer(inputs, *widths), atol=1e-4)


def test_variables_are_restored_from_a_checkpoint(case, inputs, tmp_path):
    make, widths = case
    layer, restored = make(), make()
    layer.build(inputs.shape)
    restored.build(inputs.shape)
    path = tf.train.Checkpoint(layer=layer).write(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(layer=restored).read(path).assert_consumed()
    np.testing.assert_array_equal(layer(inputs, *widths), restored(inputs, *widths))


def test_a_keras_model_of_masked_layers_trains():
    """Stand-alone use, without active widths: as any Keras layers."""
    model = tf_keras.Sequential(
        [
            layers.MaskedConv2D(8, 3, strides=2),
            layers.MaskedBatchNormalization(),
            layers.MaskedDepthwiseConv2D(3),
            layers.MaskedSqueezeExcite(4),
            tf_keras.layers.GlobalAveragePooling2D(),
        ]
    )
    images = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype(np.float32)
    labels = np.arange(8) % 8
    model.compile("sgd", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.evaluate(images, labels, verbose=0)
    history = model.fit(images, labels, epochs=5, batch_size=8, verbose=0)
    assert history.history["loss"][-1] < before
