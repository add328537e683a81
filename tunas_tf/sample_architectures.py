"""Draws random networks of a search space, those whose cost lies in a window.

  python -m tunas_tf.sample_architectures --ssd=proxylessnas_search \\
      --min_cost=83 --max_cost=85 --num_samples=10 --seed=1 --format=json

Every choice is uniform; networks outside the window are rejected. The same seed gives
the same list, and a longer list begins with the shorter one.
"""

import math

from absl import flags

from tunas_tf import search_space
from tunas_tf.common import app, network_flags
from tunas_tf.cost_model.sampling import sample_architectures

FLAGS = flags.FLAGS
network_flags.define(
    "ssd",
    "filters_multiplier",
    "cost_model",
    "image_size",
    "num_classes",
    "seed",
    "format",
)
flags.DEFINE_float("min_cost", -math.inf, "Lowest cost, in the unit of the cost model.")
flags.DEFINE_float("max_cost", math.inf, "Highest cost, in the unit of the cost model.")
flags.DEFINE_integer("num_samples", 1, "Number of networks.", lower_bound=1)


def main() -> None:
    cost_model = network_flags.cost_model(network_flags.space())
    sampled, costs = sample_architectures(
        cost_model,
        num_samples=FLAGS.num_samples,
        seed=FLAGS.seed,
        min_cost=FLAGS.min_cost,
        max_cost=FLAGS.max_cost,
    )
    networks = [
        {"indices": search_space.format_indices(indices), "cost": float(cost)}
        for indices, cost in zip(sampled, costs)
    ]
    lines = [f"{network['cost']:.6f} {network['indices']}" for network in networks]
    network_flags.print_result(networks, "\n".join([f"cost ({cost_model.unit}) indices", *lines]))


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
