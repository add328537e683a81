"""Batches of one size, of all examples."""

from typing import Any

import tensorflow as tf

__all__ = ["filled_batches"]


def filled_batches(examples: tf.data.Dataset, batch_size: int, padding: Any) -> tf.data.Dataset:
    """Each example once: (images, labels, weights float32 [batch_size]).

    The last batch is filled up with examples of weight 0; all others weigh 1. Shapes are
    static, so that one program serves all batches.

    Args:
      examples: (image, labels), of static shapes; labels may be nested.
      batch_size: examples in each batch.
      padding: (image, labels) of such an example: a number for each tensor.
    """

    def fill(*batch):
        missing = batch_size - tf.shape(batch[0])[0]

        def filled(value, constant=0):
            paddings = [[0, missing]] + [[0, 0]] * (value.shape.rank - 1)
            value_padded = tf.pad(value, paddings, constant_values=tf.cast(constant, value.dtype))
            return tf.ensure_shape(value_padded, [batch_size, *value.shape[1:]])

        images, labels = tf.nest.map_structure(filled, batch, padding)
        return images, labels, filled(tf.ones(tf.shape(batch[0])[:1]))

    options = tf.data.Options()
    # Of several workers each takes some batches. By files they could take some examples twice.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return examples.batch(batch_size).map(fill).prefetch(tf.data.AUTOTUNE).with_options(options)
