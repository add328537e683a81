"""Estimates the cost of one network: published latency, multiply-adds or parameters.

  python -m tunas_tf.estimate_cost --ssd=proxylessnas_search --indices=0:1:0:...
  python -m tunas_tf.estimate_cost --architecture=DIR/architecture.json --cost_model=madds
  python -m tunas_tf.estimate_cost --ssd=proxylessnas_mobile --cost_model=FILE

Published and measured figures, built in or in a file, price every network that is a point of
their search space, by whatever name it is given.
"""

from absl import flags

from tunas_tf.command_line import app, network_flags
from tunas_tf.cost_model import cost_text

FLAGS = flags.FLAGS
network_flags.define(
    "ssd",
    "indices",
    "architecture",
    "filters_multiplier",
    "cost_model",
    "image_size",
    "num_classes",
    "format",
)


def main() -> None:
    cost, unit, cost_model = network_flags.architecture_cost(network_flags.architecture())
    number = f"{cost:.0f}" if cost_text.is_count(unit) else f"{cost:.6f}"
    network_flags.print_result(
        {"cost": cost, "unit": unit, "cost_model": cost_model},
        f"estimated cost: {number}\nunit: {unit} ({cost_model})",
    )


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
