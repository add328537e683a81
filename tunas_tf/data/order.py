"""The exact order of examples: a function of the seed and of the position alone.

`Dataset.shuffle` has a buffer, which a resumed process would have to fill by reading all that
came before. Here the examples of an epoch come in blocks, and stateless random numbers put each
block in an order of its own. So a reader may begin anywhere, at the cost of one block.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["in_blocks", "in_memory"]


def in_memory(
    examples: tf.data.Dataset, num_examples: int, seed: int, first: int
) -> tf.data.Dataset:
    """Examples in random order, endlessly; they are read once and then kept in memory.

    Each comes once before any comes again.

    Args:
      examples: all, in any nested structure; tensors may differ in their first dimension.
      num_examples: how many there are.
      seed: of the order.
      first: which one of the endless sequence to begin with, from 0.
    """
    block = examples.ragged_batch(num_examples).cache().repeat()
    epochs = tf.data.Dataset.counter(first // num_examples)
    return _in_order(tf.data.Dataset.zip((epochs, block)), seed, first % num_examples)


def in_blocks(
    read: Callable[[tf.Tensor, tf.Tensor], tf.data.Dataset],
    num_examples: int,
    block_size: int,
    seed: int,
    first: int,
) -> tf.data.Dataset:
    """Examples in random order, endlessly, of which two blocks at a time are in memory.

    Each comes once before any comes again.

    Args:
      read: from int64 scalars, an epoch and a position, to the examples of the epoch from that
        position on. Their order is a function of the epoch.
      num_examples: of an epoch.
      block_size: examples among which the order is random.
      seed: of the order in the blocks.
      first: which one of the endless sequence to begin with, from 0.
    """
    num_blocks = -(-num_examples // block_size)
    first_epoch, position = divmod(first, num_examples)

    def numbered_blocks(epoch):
        block = tf.where(epoch == first_epoch, tf.constant(position // block_size, tf.int64), 0)
        examples = read(epoch, block * block_size)
        return examples.ragged_batch(block_size).enumerate(epoch * num_blocks + block)

    blocks = tf.data.Dataset.counter(first_epoch).flat_map(numbered_blocks).prefetch(1)
    return _in_order(blocks, seed, position % block_size)


def _in_order(blocks: tf.data.Dataset, seed: int, skip: int) -> tf.data.Dataset:
    """From (number, block) to the examples of all blocks without the first `skip`."""

    def places(number, block):
        some = tf.nest.flatten(block)[0]
        is_ragged = isinstance(some, tf.RaggedTensor)
        size = some.nrows(tf.int64) if is_ragged else tf.shape(some, tf.int64)[0]
        order = tf.random.experimental.stateless_shuffle(
            tf.range(size), tf.stack([tf.cast(seed, tf.int64), number])
        )
        return tf.data.Dataset.zip(
            (
                tf.data.Dataset.from_tensor_slices(order),
                tf.data.Dataset.from_tensors(block).repeat(),  # The same tensors, not copies.
            )
        )

    def example(place, block) -> Any:
        return tf.nest.map_structure(lambda rows: rows[place], block)

    examples = blocks.flat_map(places).skip(skip)
    return examples.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
