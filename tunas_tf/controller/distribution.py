"""The controller's distribution over architectures: independent categorical choices.

All of it is *hierarchical*: a choice that an architecture does not reach, because it is
nested under an option that was not selected, has no part in the log-probability, in its
gradient or in the entropy. So architectures that differ only in unreached choices count
as one.

Tensors are [..., choices, options], padded; leading axes broadcast. Padding has
probability exactly 0.
"""

import tensorflow as tf

from tunas_tf.controller.choice_table import ChoiceTable

__all__ = ["activity", "entropy", "entropy_gradient", "log_prob", "probabilities", "score"]

_MINUS_INFINITY = -1e9  # A finite one, for finite gradients; its exponential is exactly 0.
_SMALLEST_PROBABILITY = 1e-30  # Stands in for 0 in logarithms of events that do not happen.


def _mask_padding(logits: tf.Tensor, table: ChoiceTable) -> tf.Tensor:
    return tf.where(table.valid, logits, _MINUS_INFINITY)


def probabilities(logits: tf.Tensor, table: ChoiceTable) -> tf.Tensor:
    """Probabilities [..., C, K] of the options of every choice."""
    return tf.nn.softmax(_mask_padding(logits, table))


def _log_probabilities(logits: tf.Tensor, table: ChoiceTable) -> tf.Tensor:
    """Logarithms of `probabilities`; 0 for padding."""
    return tf.where(table.valid, tf.nn.log_softmax(_mask_padding(logits, table)), 0.0)


def activity(weights: tf.Tensor, table: ChoiceTable) -> tf.Tensor:
    """How much of each choice is reached: the product of `weights` on the way to it.

    Args:
      weights: [..., C, K]. Probabilities give the probability that a choice is reached;
        zeros and ones (selected or not) tell whether it is.
      table: the choices.

    Returns:
      [..., C], 1 for choices at the top.
    """
    parent_weights = tf.gather(weights, table.parent, axis=-2)  # [..., C, K]
    step = tf.reduce_sum(parent_weights * table.parent_option, axis=-1)  # [..., C]
    active = tf.ones_like(step)
    for _ in range(table.depth):
        active = tf.where(table.is_nested, step * tf.gather(active, table.parent, axis=-1), 1.0)
    return active


def _reached(masks: tf.Tensor, table: ChoiceTable) -> tf.Tensor:
    """0/1 [..., C]: whether the branch that holds a choice is part of the sample."""
    return activity(tf.cast(masks > 0, tf.float32), table)


def log_prob(
    logits: tf.Tensor,
    table: ChoiceTable,
    masks: tf.Tensor,
    replaced: tf.Tensor | None = None,
    replacement_probabilities: tf.Tensor | None = None,
) -> tf.Tensor:
    """Log-probability of samples.

    Args:
      logits: [..., C, K].
      table: the choices.
      masks: [..., C, K], what was sampled.
      replaced: bool [..., C], the choices that warmup replaced. A replaced choice counts
        log(p) and another one log(1 - p) + log(probability of its option), with p its
        replacement probability. Without it no warmup is accounted for.
      replacement_probabilities: [C], p.

    Returns:
      [...]
    """
    terms = tf.reduce_sum(masks * _log_probabilities(logits, table), axis=-1)  # [..., C]
    if replaced is not None:
        assert replacement_probabilities is not None, "what replaces has probabilities"
        kept_probabilities = 1.0 - replacement_probabilities
        terms = tf.where(
            replaced,
            tf.math.log(tf.maximum(replacement_probabilities, _SMALLEST_PROBABILITY)),
            tf.math.log(tf.maximum(kept_probabilities, _SMALLEST_PROBABILITY)) + terms,
        )
    return tf.reduce_sum(_reached(masks, table) * terms, axis=-1)


def score(
    logits: tf.Tensor,
    table: ChoiceTable,
    masks: tf.Tensor,
    replaced: tf.Tensor | None = None,
) -> tf.Tensor:
    """d log_prob / d logits [..., C, K]: mask - probability, 0 for unreached or replaced choices.

    A closed form, so that it works sample by sample: automatic differentiation sums over
    the leading axes.
    """
    free = _reached(masks, table)
    if replaced is not None:
        free = tf.where(replaced, 0.0, free)
    return free[..., tf.newaxis] * (masks - probabilities(logits, table))


def entropy(logits: tf.Tensor, table: ChoiceTable) -> tf.Tensor:
    """Entropy in nats [...] of the distribution over distinct networks.

    Chain rule: the sum over choices of P(choice is reached) * entropy(choice).
    """
    p = probabilities(logits, table)
    entropies = -tf.reduce_sum(p * _log_probabilities(logits, table), axis=-1)  # [..., C]
    return tf.reduce_sum(activity(p, table) * entropies, axis=-1)


def entropy_gradient(logits: tf.Tensor, table: ChoiceTable) -> tf.Tensor:
    """d entropy / d logits [..., C, K]."""
    with tf.GradientTape() as tape:
        tape.watch(logits)
        result = entropy(logits, table)
    return tape.gradient(result, logits)
