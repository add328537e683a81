"""Drawing architectures, by stateless random numbers: the same seed gives the same sample."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tunas_tf.controller import distribution
from tunas_tf.controller.choice_table import ChoiceTable

__all__ = ["Sample", "replacement_probabilities", "sample", "sample_many"]


class Sample(NamedTuple):
    """An architecture, or in warmup a mixture of them.

    Attributes:
      masks: float32 [..., C, K], what the supernet runs: one-hot rows, or equal weights for
        all options of an operation choice that warmup replaced.
      indices: int32 [..., C], the selected options. A replaced operation choice has all
        options; here it has the one that it would have had.
      replaced: bool [..., C], the choices that warmup replaced.
    """

    masks: tf.Tensor
    indices: tf.Tensor
    replaced: tf.Tensor


def _draw(probabilities: tf.Tensor, table: ChoiceTable, shape, seed: tf.Tensor) -> tf.Tensor:
    """Options int32 `shape` ([..., C]), by the inverse of the cumulative distribution."""
    uniform = tf.random.stateless_uniform(shape, seed)[..., tf.newaxis]
    passed = uniform >= tf.cumsum(probabilities, axis=-1)
    # Rounded sums may end below 1.
    return tf.minimum(tf.reduce_sum(tf.cast(passed, tf.int32), axis=-1), table.num_options - 1)


def replacement_probabilities(
    table: ChoiceTable, operation_warmup_probability, filters_warmup_probability
) -> tf.Tensor:
    """[C]: how probable it is that warmup replaces each choice."""
    return tf.where(
        table.is_operation,
        tf.cast(operation_warmup_probability, tf.float32),
        tf.cast(filters_warmup_probability, tf.float32),
    )


def sample(
    logits: tf.Tensor,
    table: ChoiceTable,
    seed: tf.Tensor,
    operation_warmup_probability=0.0,
    filters_warmup_probability=0.0,
) -> Sample:
    """Draws one architecture for every leading index of `logits` [..., C, K].

    Warmup replaces each choice with a probability of its own (TuNAS, section 4.2): an
    operation choice by all its options at equal weights, a filter choice by its largest
    option.

    Args:
      logits: of the options.
      table: the choices.
      seed: int [2].
      operation_warmup_probability, filters_warmup_probability: scalars.
    """
    option_seed, replacement_seed = tf.unstack(tf.random.experimental.stateless_split(seed, num=2))
    shape = tf.shape(logits)[:-1]
    drawn = _draw(distribution.probabilities(logits, table), table, shape, option_seed)
    replaced = tf.random.stateless_uniform(shape, replacement_seed) < replacement_probabilities(
        table, operation_warmup_probability, filters_warmup_probability
    )
    largest = table.warmup_masks.argmax(axis=-1).astype(np.int32)
    one_hot = tf.one_hot(drawn, table.valid.shape[-1])
    return Sample(
        masks=tf.where(replaced[..., tf.newaxis], table.warmup_masks, one_hot),
        indices=tf.where(replaced & ~table.is_operation, largest, drawn),
        replaced=replaced,
    )


def sample_many(
    logits: tf.Tensor, table: ChoiceTable, num_samples: int, seed: tf.Tensor
) -> tf.Tensor:
    """Draws architectures without warmup: logits [..., C, K] -> indices int32 [..., N, C]."""
    leading, num_choices = tf.shape(logits)[:-2], table.valid.shape[0]
    shape = tf.concat([leading, [num_samples, num_choices]], axis=0)
    probabilities = distribution.probabilities(logits, table)[..., tf.newaxis, :, :]
    return _draw(probabilities, table, shape, seed)
