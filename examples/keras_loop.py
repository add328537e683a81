"""A training loop of your own around the supernet: your data, your optimizer, your loss.

  python keras_loop.py

In each step the controller samples a network, the optimizer trains its weights on one batch, and
its accuracy on another batch is the controller's reward. Here the data are arrays: 8 x 8 digits,
which come with scikit-learn. The network that is found is an ordinary Keras model.
"""

import sys

import tunas_tf  # Before TensorFlow, which is then told to use oneDNN.

# isort: split
import numpy as np
import sklearn.datasets
import sklearn.model_selection
import tensorflow as tf
import tf_keras

_IMAGE_SIZE, _NUM_CLASSES, _BATCH_SIZE, _SEED = 32, 10, 64, 0


def load_digits() -> list[np.ndarray]:
    """Images float32 [examples, 32, 32, 3] to train on and to test, labels int32 [examples]."""
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    images = images.reshape([-1, 8, 8, 1]).repeat(4, axis=1).repeat(4, axis=2).repeat(3, axis=3)
    return sklearn.model_selection.train_test_split(
        images.astype(np.float32) / 8 - 1, labels.astype(np.int32), random_state=_SEED
    )


def accuracy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    hits = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
    return tf.reduce_mean(tf.cast(hits, tf.float32))


def search(images: np.ndarray, labels: np.ndarray, num_steps: int):
    """The most probable network whose cost is within 1% of that of the reference network."""
    space = tunas_tf.search_space.get("quickstart_search")
    cost_model = tunas_tf.cost_model.get("madds", space, _IMAGE_SIZE, _NUM_CLASSES)
    target = cost_model.reference_cost()
    # The first step is then twice as fast.
    tunas_tf.models.share_optimized_code()
    supernet = tunas_tf.Supernet(space, _NUM_CLASSES, execution="slice")
    config = tunas_tf.ControllerConfig(
        total_steps=num_steps,
        train_batch_size=_BATCH_SIZE,
        rl_learning_rate=0.02,  # Published rates are for a thousand times as many steps.
        rl_cost_model_target=target,
        rl_cost_model_exponent=-1.0,  # Published: -0.1, for accuracies that differ less.
        rl_estimator="control_variate",
    )
    controller = tunas_tf.Controller(space, config, tunas_tf.TensorFlowCostModel(cost_model))
    optimizer = tf_keras.optimizers.Adam(1e-3)
    cross_entropy = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    # Weights and controller never learn from the same images.
    num_reward = len(images) // 4
    batches = [
        iter(tf.data.Dataset.from_tensor_slices(part).shuffle(2000).repeat().batch(_BATCH_SIZE))
        for part in (
            (images[num_reward:], labels[num_reward:]),
            (images[:num_reward], labels[:num_reward]),
        )
    ]

    @tf.function
    def train_step(batch, reward_batch, step):
        sample = controller.sample(_SEED, step)
        with tf.GradientTape() as tape:
            output = supernet(batch[0], sample.masks, training=True)
            loss = cross_entropy(batch[1], output.logits) + 4e-5 * output.l2_loss
        variables = supernet.trainable_variables
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        optimizer.apply_gradients(zip(gradients, variables))
        quality = accuracy(supernet(reward_batch[0], sample.masks).logits, reward_batch[1])
        return loss, controller.update(sample, quality, _SEED, step)

    for step in range(num_steps):
        loss, scalars = train_step(*map(next, batches), tf.constant(step))
        if step % 50 == 0 or step == num_steps - 1:
            print(
                f"step {step}: loss {loss:.3f}, accuracy {scalars['quality']:.2f}, "
                f"expected cost {scalars['expected_cost'] / target - 1:+.1%} of the target"
            )
    probabilities = controller.probabilities().numpy()
    selection = tunas_tf.controller.select_feasible(cost_model, probabilities, target)
    print(f"found: {selection.cost / 1e6:.2f} million multiply-adds")
    return tunas_tf.search_space.resolve(space, selection.indices)


def main(num_steps: int = 400) -> None:
    tf_keras.utils.set_random_seed(_SEED)
    train_images, test_images, train_labels, test_labels = load_digits()
    architecture = search(train_images, train_labels, num_steps)

    network = tunas_tf.build_classifier(
        architecture, _NUM_CLASSES, _IMAGE_SIZE, batch_norm_momentum=0.9
    )
    network.compile(
        tf_keras.optimizers.Adam(1e-3),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ["accuracy"],
    )
    epochs = max(1, num_steps // 40)
    network.fit(train_images, train_labels, _BATCH_SIZE, epochs, verbose=0)
    _, test_accuracy = network.evaluate(test_images, test_labels, verbose=0)
    print(f"accuracy on {len(test_labels)} test images after {epochs} epochs: {test_accuracy:.1%}")
    network.save("found.keras")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
