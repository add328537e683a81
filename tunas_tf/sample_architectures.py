"""Draws random networks of a search space, those whose cost lies in a window.

  python -m tunas_tf.sample_architectures --ssd=proxylessnas_search \\
      --min_cost=83 --max_cost=85 --num_samples=10 --seed=1 --format=json

Every choice is uniform; networks outside the window are rejected. The same seed gives
the same list, whatever --workers, and a longer list begins with the shorter one. One core
examines some hundred thousand networks a second.

--like=DIR/architecture.json draws rivals of a network that analyze_search has named: same
space, same cost model (DIR/cost_model.json), a cost within the same tolerance of the same
target.
--output_dir=DIR also writes each as DIR/architecture_0.json, ..., for train_eval.
"""

import math
import os

from absl import flags

from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.command_line import app, network_flags
from tunas_tf.common import checks
from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json
from tunas_tf.common.json_files import read_json
from tunas_tf.cost_model import files
from tunas_tf.cost_model.sampling import sample_architectures
from tunas_tf.search_space import architecture as architecture_lib

FLAGS = flags.FLAGS
network_flags.define(
    "ssd",
    "space_module",
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
flags.DEFINE_integer("workers", 1, "Processes that draw networks.", lower_bound=1)
flags.DEFINE_string(
    "like",
    None,
    "architecture.json in the directory of a search: take all of the above from there.",
)
flags.DEFINE_string("output_dir", None, "Directory for an architecture.json of each network.")

_LIKE = checks.record({"cost_target": checks.number(), "cost_tolerance": checks.number(0, 1)})

_TAKEN_FROM_LIKE = [
    "ssd",
    "space_module",
    "filters_multiplier",
    "cost_model",
    "image_size",
    "num_classes",
    "min_cost",
    "max_cost",
]


def _window() -> tuple[cost_model_lib.CostModel, float, float]:
    """The cost model, and the lowest and highest cost that are wanted."""
    app.require_effect(FLAGS.like is None, _TAKEN_FROM_LIKE, "--like says it")
    if FLAGS.like is None:
        cost_model = network_flags.cost_model(network_flags.space())
        return cost_model, FLAGS.min_cost, FLAGS.max_cost
    architecture_lib.load(FLAGS.like)  # For its errors: that it is a network.
    remedy = (
        "give the architecture.json of a search with a cost model, or --ssd and --min_cost and "
        "--max_cost"
    )
    like = read_json(FLAGS.like, remedy, "architecture")
    if "cost_target" not in like:
        raise InputError(f"{FLAGS.like} names no cost target; {remedy}.")
    try:
        _LIKE(like)
    except ValueError as error:
        raise InputError(f"{FLAGS.like} cannot be used, as {error}; {remedy}.") from None
    # The very costs that the search went by; they hold its space too.
    cost_model = files.load(os.path.join(os.path.dirname(FLAGS.like), "cost_model.json"))
    target, tolerance = like["cost_target"], like["cost_tolerance"]
    return cost_model, target * (1 - tolerance), target * (1 + tolerance)


def _write(directory: str, cost_model: cost_model_lib.CostModel, sampled, costs) -> None:
    try:
        os.makedirs(directory, exist_ok=True)
        for number, (indices, cost) in enumerate(zip(sampled, costs)):
            value = architecture_lib.file_json(search_space.resolve(cost_model.space, indices))
            value.update(
                cost=float(cost),
                cost_unit=cost_model.unit,
                cost_model=cost_model.name,
                select="random",
                provenance={"seed": FLAGS.seed, "number": number},
            )
            path = os.path.join(directory, f"architecture_{number}.json")
            write_json(path, value)
    except OSError as error:
        raise InputError(
            f"the directory {directory} cannot be written ({error.strerror}); give another "
            "--output_dir."
        ) from None


def main() -> None:
    cost_model, min_cost, max_cost = _window()
    sampled, costs = sample_architectures(
        cost_model,
        num_samples=FLAGS.num_samples,
        seed=FLAGS.seed,
        min_cost=min_cost,
        max_cost=max_cost,
        workers=FLAGS.workers,
    )
    if FLAGS.output_dir is not None:
        _write(FLAGS.output_dir, cost_model, sampled, costs)
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
