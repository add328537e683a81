"""Runs that their seed decides to the last bit, whether or not they are stopped and resumed.

What a step does is a function of what a checkpoint holds, and of the step: samples of
architectures and the data have stateless random numbers. Here is the rest.
"""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
import tf_keras

__all__ = ["data_position", "enable", "random_states", "saved_random_states"]


def enable() -> None:
    """Makes every operation give the same bits each time, for the rest of the process.

    Sums are then always taken in the same order, for which some operations become slower.
    """
    tf.config.experimental.enable_op_determinism()


def data_position(
    seed: int, num_streams: int, step: int, deterministic: bool
) -> tuple[int, int | None]:
    """The seed of the data and the first batch, as of `SplitDataset.training_batches`.

    A run that is resumed goes on with the batch that comes next or, if it is not deterministic,
    with data in another order, rather than with the first batches again.

    Args:
      seed: of the run.
      num_streams: how many seeds its data take, one after another.
      step: that the run goes on from.
      deterministic: whether its data have an exact order.
    """
    return (seed, step) if deterministic else (seed + num_streams * step, None)


@contextlib.contextmanager
def saved_random_states(wanted: bool) -> Iterator[None]:
    """If wanted, the dropout of networks that are built within it has a state that can be saved.

    Keras's usual random numbers count on inside of TensorFlow, which no checkpoint knows.
    """
    experimental = tf_keras.backend.experimental
    if not wanted or experimental.is_tf_random_generator_enabled():
        yield
        return
    experimental.enable_tf_random_generator()
    try:
        yield
    finally:
        experimental.disable_tf_random_generator()


def random_states(network: tf_keras.Model) -> list[tf.random.Generator]:
    """The states of a network that was built with `saved_random_states`, to be saved.

    Keras leaves them out of its own checkpoints.
    """
    found = []
    for layer in network.submodules:
        if isinstance(layer, tf_keras.__internal__.layers.BaseRandomLayer):
            generator = layer._random_generator._generator  # pylint: disable=protected-access
            if generator is not None:
                found.append(generator)
    return found
