"""Networks whose batch norm is not the initial one, so that wrong folding shows."""

import numpy as np
import tf_keras

from tunas_tf import models


def images(number, size, seed=0, channels=3) -> np.ndarray:
    """float32 [number, size, size, channels], standard normal."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(number, size, size, channels)).astype(np.float32)


def classifier(architecture, num_classes=10, image_size=32, seed=0) -> tf_keras.Model:
    """A network of random weights whose values neither grow nor vanish from layer to layer."""
    tf_keras.utils.set_random_seed(seed)
    network = models.build_classifier(
        architecture, num_classes, image_size, batch_norm_momentum=0.0
    )
    randomize_batch_norm(network, images(16, image_size, seed))
    return network


def randomize_batch_norm(network: tf_keras.Model, inputs: np.ndarray) -> None:
    """Random gamma and beta, and statistics that are close to those of `inputs`."""
    generator = np.random.default_rng(0)
    norms = [x for x in network.layers if isinstance(x, tf_keras.layers.BatchNormalization)]
    for norm in norms:
        norm.gamma.assign(generator.uniform(0.5, 1.5, norm.gamma.shape))
        norm.beta.assign(generator.normal(0, 0.3, norm.beta.shape))
        norm.momentum = 0.0
    network(inputs, training=True)
    for norm in norms:
        deviation = np.sqrt(norm.moving_variance.numpy())
        norm.moving_mean.assign_add(generator.normal(0, 0.05, deviation.shape) * deviation)
        norm.moving_variance.assign(deviation**2 * generator.uniform(0.8, 1.25, deviation.shape))
