"""How close to its cost target does the controller end up? A study without any network.

  python -m benchmarks.controller_study --output=controller_study.json

The quality of an architecture is a noisy synthetic function that grows with its cost:

    Q = slope * ln(cost / target) + merit + noise

on proxylessnas_search with the published pixel1 cost model, published settings and
schedule. The merit (off by default) is a sum of random effects of the options in use: what
a search has to find besides the right size.

Many searches run at once, and replicas are simulated as one more axis, with the learner
that `tunas_tf.controller.Controller` runs. A row of the table tells, over its searches,
the mean and the worst distance to the target of the argmax selection, the worst of the
feasible selection, and the mean distance of the mean cost of the final distribution; with
effects also the merit of the feasible network, in standard deviations over random networks.

Takes about 10 minutes on 2 cores; --steps=300,2000 takes 3.
"""

import itertools
import json

import numpy as np
import tensorflow as tf
from absl import flags

from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.command_line import app
from tunas_tf.controller import (
    ESTIMATORS,
    ControllerConfig,
    distribution,
    sampling,
    select_argmax,
    select_feasible,
)
from tunas_tf.controller.choice_table import ChoiceTable
from tunas_tf.controller.learner import Learner
from tunas_tf.controller.state import Replicas
from tunas_tf.cost_model.tensorflow_evaluator import TensorFlowCostModel

FLAGS = flags.FLAGS
flags.DEFINE_list("targets", ["65", "84", "105"], "Cost targets in ms.")
flags.DEFINE_list("steps", ["300", "2000", "6000"], "Lengths of the searches.")
flags.DEFINE_list("replicas", ["1", "8", "32"], "Replicas per search.")
flags.DEFINE_list("estimators", list(ESTIMATORS), "Policy gradient estimators.")
flags.DEFINE_integer("num_searches", 8, "Searches per row.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of all random numbers.")
flags.DEFINE_float("slope", 0.03, "Quality per unit of ln(cost).")
flags.DEFINE_float("noise", 0.02, "Standard deviation of the noise of quality.")
flags.DEFINE_float("effect", 0.0, "Standard deviation of the effect of an option.")
flags.DEFINE_float("tolerance", 0.01, "Of the feasible selection.")
flags.DEFINE_float("rl_residual_weight", 0.1, "Of control_variate.")
flags.DEFINE_integer("rl_cost_samples", 64, "Of control_variate, for all replicas together.")
flags.DEFINE_string("output", None, "JSON file for the rows.")

_SAMPLE, _UPDATE, _NOISE = range(3)


class _RelativeCosts:
    """Costs of searches with a target each, as multiples of that target.

    Axis 0 of all arguments is the search; unlike the evaluator's, `expected_cost` takes
    leading axes.
    """

    def __init__(self, evaluator: TensorFlowCostModel, targets):
        self._evaluator = evaluator
        self._targets = tf.constant(targets, tf.float32)

    def _divide(self, costs: tf.Tensor) -> tf.Tensor:
        ones = tf.ones([tf.rank(costs) - 1], tf.int32)
        return costs / tf.reshape(self._targets, tf.concat([[-1], ones], axis=0))

    def cost(self, indices: tf.Tensor) -> tf.Tensor:
        return self._divide(self._evaluator.cost(indices))

    def expected_cost(self, masks: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(masks, tf.concat([[-1], tf.shape(masks)[-2:]], axis=0))
        costs = tf.vectorized_map(self._evaluator.expected_cost, flat)
        return self._divide(tf.reshape(costs, tf.shape(masks)[:-2]))


def _simulated_replicas(count: int) -> Replicas:
    """Replicas along axis 1, where what they share has size 1. Scalars are shared."""

    def mean(values):
        return [tf.reduce_mean(v, axis=1, keepdims=True) if v.shape.rank else v for v in values]

    return Replicas(count, mean)


def _merit(masks: tf.Tensor, table: ChoiceTable, effects: tf.Tensor) -> tf.Tensor:
    """Sum of the effects of the options in use: masks [..., C, K] -> [...]."""
    reached = distribution.activity(tf.cast(masks > 0, tf.float32), table)
    return tf.reduce_sum(reached * tf.reduce_sum(masks * effects, axis=-1), axis=-1)


def _search(learner: Learner, num_replicas: int, effects: tf.Tensor, seed: int) -> np.ndarray:
    """Runs searches, one for each leading index of effects [searches, 1, C, K].

    Returns:
      Final probabilities [searches, C, K].
    """
    num_searches = effects.shape[0]
    replicas = _simulated_replicas(num_replicas)

    @tf.function
    def run():
        state = learner.initial_state((num_searches, 1))
        for step in tf.range(learner.config.total_steps):
            seeds = [
                tf.random.experimental.stateless_fold_in(tf.constant([seed, purpose]), step)
                for purpose in (_SAMPLE, _UPDATE, _NOISE)
            ]
            logits = tf.repeat(state.logits, num_replicas, axis=1)
            sample = learner.sample(logits, seeds[_SAMPLE], step)
            relative_cost = learner.cost_evaluator.expected_cost(sample.masks)
            quality = (  # [searches, replicas]
                FLAGS.slope * tf.math.log(relative_cost)
                + _merit(sample.masks, learner.table, effects)
                + FLAGS.noise
                * tf.random.stateless_normal([num_searches, num_replicas], seeds[_NOISE])
            )
            state, _ = learner.update(state, sample, quality, seeds[_UPDATE], step, replicas)
        return distribution.probabilities(state.logits, learner.table)[:, 0]

    return run().numpy()


def _relative_merit(table: ChoiceTable, effects: tf.Tensor, indices: np.ndarray) -> np.ndarray:
    """Merits [searches] in standard deviations above the mean of random networks."""
    options = table.valid.shape[-1]
    uniform = tf.zeros([effects.shape[0], *table.valid.shape])
    networks = sampling.sample_many(uniform, table, 1000, tf.constant([0, 0]))
    merits = _merit(tf.one_hot(networks, options), table, effects).numpy()
    merit = _merit(tf.one_hot(indices, options)[:, tf.newaxis], table, effects).numpy()[:, 0]
    return (merit - merits.mean(axis=1)) / np.maximum(merits.std(axis=1), 1e-9)


def _rows(cost_model, estimator: str, num_steps: int, num_replicas: int) -> list[dict]:
    """Searches for every target at once; one row per target."""
    table = ChoiceTable.of(cost_model.space)
    targets = np.repeat([float(target) for target in FLAGS.targets], FLAGS.num_searches)
    config = ControllerConfig(
        total_steps=num_steps,
        rl_cost_model_target=1.0,  # Costs are relative.
        rl_estimator=estimator,
        rl_cost_samples=FLAGS.rl_cost_samples,
        rl_residual_weight=FLAGS.rl_residual_weight,
    )
    costs = _RelativeCosts(TensorFlowCostModel(cost_model), targets)
    effects = FLAGS.effect * tf.random.stateless_normal(
        [len(targets), 1, *table.valid.shape], [FLAGS.seed, 0]
    )
    probabilities = _search(Learner(config, table, costs), num_replicas, effects, FLAGS.seed)

    argmax = [select_argmax(cost_model, p).cost for p in probabilities]
    feasible = [
        select_feasible(cost_model, p, target, FLAGS.tolerance)
        for p, target in zip(probabilities, targets)
    ]
    mean = [cost_model.expected_cost(p) for p in probabilities]
    distances = {
        name: np.abs(np.array(values) / targets - 1.0).reshape(-1, FLAGS.num_searches)
        for name, values in (
            ("argmax", argmax),
            ("feasible", [selected.cost for selected in feasible]),
            ("mean", mean),
        )
    }
    indices = np.array([selected.indices for selected in feasible])
    merits = _relative_merit(table, effects, indices).reshape(-1, FLAGS.num_searches)
    return [
        {
            "estimator": estimator,
            "steps": num_steps,
            "replicas": num_replicas,
            "target": float(target),
            "argmax_distance": float(distances["argmax"][row].mean()),
            "argmax_distance_worst": float(distances["argmax"][row].max()),
            "feasible_distance_worst": float(distances["feasible"][row].max()),
            "mean_cost_distance": float(distances["mean"][row].mean()),
            "merit": float(merits[row].mean()),
        }
        for row, target in enumerate(FLAGS.targets)
    ]


def _line(row: dict) -> str:
    return (
        f"{row['estimator']:16}{row['steps']:6}{row['replicas']:9}{row['target']:8g}"
        f"{row['argmax_distance']:10.1%}{row['argmax_distance_worst']:8.1%}"
        f"{row['feasible_distance_worst']:10.2%}{row['mean_cost_distance']:11.1%}"
        + (f"{row['merit']:8.2f}" if FLAGS.effect else "")
    )


def main() -> None:
    tf.get_logger().setLevel("ERROR")  # Tracing a function per search is meant.
    cost_model = cost_model_lib.get("pixel1", search_space.get("proxylessnas_search"))
    header = f"{'estimator':16}{'steps':>6}{'replicas':>9}{'target':>8}{'argmax':>10}{'worst':>8}"
    header += f"{'feasible':>10}{'mean cost':>11}"
    print(header + (f"{'merit':>8}" if FLAGS.effect else ""))
    rows = []
    for num_steps, num_replicas, estimator in itertools.product(
        FLAGS.steps, FLAGS.replicas, FLAGS.estimators
    ):
        found = _rows(cost_model, estimator, int(num_steps), int(num_replicas))
        print("\n".join(map(_line, found)), flush=True)
        rows += found
    if FLAGS.output:
        with open(FLAGS.output, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    app.run(main)
