"""A policy gradient with less noise than REINFORCE, of the same objective.

The objective is E[R(Q, T)] over architectures, with Q the measured quality and T the
cost. REINFORCE estimates its gradient from one architecture. But T is a known function
of the architecture, and what was measured before says something about Q. So with b a
moving average of the quality,

    R(Q, T) = R(b, T) + D,    D = R(Q, T) - R(b, T)    (for the "abs" reward: Q - b).

*Known part.* The gradient of E[R(b, T)] comes from many architectures that are drawn for
this purpose only (`known_gradient`).

*Measured part.* D is regressed online on the score s = d log_prob / d logits:
D ~ w . s (`fit`). The gradient of E[w . s] is exactly F w with F = E[s s^T], which is
block-diagonal and known (`regression_gradient`). The features are the scores because then
the best w gives E[D s] = F w exactly, however D depends on the architecture: compatible
function approximation (Sutton et al., 2000, theorem 2). What one sample adds is the residual:

    F w + c (D - w . s) s,    c in [0, 1].

c = 1 is unbiased at every step, whatever w is, but keeps all noise of the measurement of
Q, which dominates. A smaller c averages the noise over the memory of the regression; the
bias is (1 - c) times the gradient of what w has not learned yet, and vanishes with it.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tunas_tf.controller import distribution, sampling
from tunas_tf.controller.choice_table import ChoiceTable

__all__ = [
    "Regression",
    "fit",
    "known_gradient",
    "leave_one_out_gradient",
    "predict",
    "prior_evidence",
    "regression_gradient",
]


class Regression(NamedTuple):
    """The regression of the measured part on the score.

    Attributes:
      slopes: float32 [..., C, K], w.
      evidence: float32 [..., C, K], how well the samples in memory determine each slope.
    """

    slopes: tf.Tensor
    evidence: tf.Tensor


def leave_one_out_gradient(values: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Gradient of the mean of a known function, from N independent samples.

        sum_n (v_n - mean(v)) s_n / (N - 1)

    is REINFORCE with the mean of the other samples as each sample's baseline: unbiased.

    Args:
      values: [..., N], the function of each sample.
      scores: [..., N, C, K].

    Returns:
      [..., C, K]
    """
    num_samples = tf.cast(tf.shape(values)[-1], tf.float32)
    advantages = values - tf.reduce_mean(values, axis=-1, keepdims=True)
    return tf.einsum("...n,...nck->...ck", advantages, scores) / (num_samples - 1.0)


def known_gradient(
    logits: tf.Tensor, table: ChoiceTable, value_of: Callable, num_samples: int, seed: tf.Tensor
) -> tf.Tensor:
    """Gradient [..., C, K] of the mean of a known function over architectures.

    Args:
      logits: of the distribution, [..., C, K].
      table: the choices.
      value_of: the function, from indices [..., N, C] to [..., N].
      num_samples: N, at least 2.
      seed: int [2].
    """
    indices = sampling.sample_many(logits, table, num_samples, seed)
    masks = tf.one_hot(indices, table.valid.shape[-1])
    scores = distribution.score(logits[..., tf.newaxis, :, :], table, masks)
    return leave_one_out_gradient(value_of(indices), scores)


def predict(regression: Regression, score: tf.Tensor) -> tf.Tensor:
    """w . s, [...]."""
    return tf.reduce_sum(regression.slopes * score, axis=[-2, -1])


def regression_gradient(regression: Regression, logits: tf.Tensor, table: ChoiceTable) -> tf.Tensor:
    """F w [..., C, K], with F = E[s s^T] under the distribution of `logits`.

    The scores of different choices are uncorrelated; within a choice
    F = P(choice is reached) * (diag(p) - p p^T).
    """
    p = distribution.probabilities(logits, table)
    centred = regression.slopes - tf.reduce_sum(p * regression.slopes, axis=-1, keepdims=True)
    return distribution.activity(p, table)[..., tf.newaxis] * p * centred


def prior_evidence(table: ChoiceTable) -> tf.Tensor:
    """Evidence for slopes of 0 that the samples have to outweigh.

    It is E[|s|^2] at the start, the sum over choices of P(reached) * (1 - 1 / options): as a
    prior, that architectures differ by about as much as one measurement is noisy. It also
    bounds the first steps of the fit, by |s|^2 / E[|s|^2] times the residual.
    """
    uniform = distribution.probabilities(tf.zeros(table.valid.shape), table)
    variances = distribution.activity(uniform, table) * (1.0 - 1.0 / table.num_options)
    return tf.maximum(1.0, tf.reduce_sum(tf.cast(variances, tf.float32)))


def fit(
    regression: Regression,
    residual: tf.Tensor,
    score: tf.Tensor,
    prior: tf.Tensor,
    memory: float,
    num_replicas: int,
    replica_mean: Callable,
) -> Regression:
    """One step of recursive least squares with a diagonal covariance, over all replicas.

        evidence <- (1 - 1 / memory) evidence + sum over replicas of 2 s^2
        w        <- w + sum over replicas of residual * s / (prior + evidence)

    The scores of a choice add up to 0, so each is as large as all others together: the rows
    of F sum up to twice their diagonal in absolute value, and with the factor 2 the step
    never overshoots.

    Args:
      regression: to be updated.
      residual: [...], D - w . s of this replica.
      score: [..., C, K], s of this replica.
      prior: see `prior_evidence`.
      memory: number of steps that are remembered, at least 1.
      num_replicas: number of samples of this step.
      replica_mean: mean over replicas, of a list of tensors.
    """
    squares, products = replica_mean(
        [2.0 * tf.square(score), residual[..., tf.newaxis, tf.newaxis] * score]
    )
    evidence = (1.0 - 1.0 / memory) * regression.evidence + num_replicas * squares
    slopes = regression.slopes + num_replicas * products / (prior + evidence)
    return Regression(slopes, evidence)
