"""Searches a network: trains a supernet and a controller in one run directory.

  python -m tunas_tf.search --flagfile=flags/quickstart.flags

Takes a dataset, a search space and a cost target; gives checkpoints, TensorBoard events and
metrics.jsonl in --checkpoint_dir, from which analyze_search names the network. The same
command again resumes; Ctrl-C and SIGTERM save a checkpoint first.
"""

from absl import flags

from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.command_line import app, network_flags, training_flags
from tunas_tf.common.errors import InputError
from tunas_tf.training import recipe

FLAGS = flags.FLAGS

network_flags.define("ssd", "filters_multiplier", "image_size", "cost_model", "seed")
training_flags.define(epochs=90, train_batch_size=4096)

flags.DEFINE_float("model_learning_rate", 0.165, "Peak rate of the weights, per 256 examples.", 0)
flags.DEFINE_float("model_warmup_steps_fraction", 0.025, "Part of the steps it grows in.", 0, 1)
flags.DEFINE_float("model_momentum", 0.9, "Momentum of RMSProp.", 0, 1)
flags.DEFINE_float(
    "model_weight_decay", None, "L2 on the kernels in use; default: 4e-5, 3e-5 in bfloat16.", 0
)

flags.DEFINE_float("rl_learning_rate", 3e-4, "Of the controller, per 256 examples.", 0)
flags.DEFINE_bool(
    "use_exponential_rl_learning_rate_schedule", True, "Grow it tenfold after the delay."
)
flags.DEFINE_float("rl_entropy_regularization", 0.0, "Weight of the controller's entropy.")
flags.DEFINE_float("rl_baseline_momentum", 0.95, "Of the moving average of rewards.")
flags.DEFINE_float(
    "rl_batch_size_multiplier", 4.0, "Examples that measure the reward, per training example.", 0
)
flags.DEFINE_float("rl_delay_steps_fraction", 0.25, "Part of the steps before it learns.")
flags.DEFINE_float(
    "increase_ops_warmup_steps_fraction", 0.25, "Part of the steps with operation warmup."
)
flags.DEFINE_float(
    "increase_filters_warmup_steps_fraction", 0.25, "Part of the steps with filter warmup."
)
flags.DEFINE_enum(
    "rl_reward_function", "abs", ["abs", "mnas", "mnas_hard"], "How quality and cost combine."
)
flags.DEFINE_bool("enable_cost_model", True, "Whether the reward depends on the cost.")
flags.DEFINE_float(
    "rl_cost_model_target", None, "Cost to hit; default: the cost of the reference network."
)
flags.DEFINE_float("rl_cost_model_exponent", -0.10, "Strength of the cost in the reward.")
flags.DEFINE_enum(
    "rl_estimator",
    "reinforce",
    ["reinforce", "control_variate"],
    "Of the policy gradient: reinforce (published) or control_variate (less noise).",
)
flags.DEFINE_integer(
    "rl_cost_samples", 64, "control_variate: architectures per step for the known part."
)
flags.DEFINE_float("rl_residual_weight", 0.1, "control_variate: weight of the unexplained part.")
flags.DEFINE_float(
    "cost_tolerance", 0.01, "Relative distance to the target that counts as reached.", 0, 1
)

_COST_FLAGS = [
    "cost_model",
    "rl_cost_model_target",
    "rl_cost_model_exponent",
    "rl_reward_function",
    "rl_cost_samples",
    "cost_tolerance",
]
_ESTIMATOR_FLAGS = ["rl_cost_samples", "rl_residual_weight"]


def _check_effects() -> None:
    app.require_effect(FLAGS.enable_cost_model, _COST_FLAGS, "the cost model is switched off")
    app.require_effect(
        FLAGS.rl_estimator == "control_variate",
        _ESTIMATOR_FLAGS,
        "only --rl_estimator=control_variate uses it",
    )


def _target_text(cost_model, target) -> str:
    if cost_model is None:
        return "none"
    text = f"{target:.6g} {cost_model.unit} ({cost_model.name}"
    if cost_model.image_size not in (None, FLAGS.image_size):
        text += f", of networks at {cost_model.image_size} pixels; the search sees "
        text += f"{FLAGS.image_size}"
    return text + ")"


def main() -> None:
    _check_effects()
    checkpoint_dir = training_flags.require_checkpoint_dir()
    space = network_flags.space()
    if not search_space.choices_of(space):
        raise InputError(f"{space.name} has no choices: there is nothing to search.")
    if round(FLAGS.train_batch_size * FLAGS.rl_batch_size_multiplier) < 1:
        raise InputError(
            f"--rl_batch_size_multiplier={FLAGS.rl_batch_size_multiplier:g} leaves no image for "
            "the reward; give more."
        )

    cost_model_name = FLAGS.cost_model or cost_model_lib.default_name(space)
    cost_model_lib.ignored_inputs(cost_model_name)  # That there is one of this name.

    # TensorFlow takes seconds to import: only now, when the flags above are known to be right.
    from tunas_tf import data
    from tunas_tf.controller import ControllerConfig
    from tunas_tf.cost_model import files as cost_model_files
    from tunas_tf.search_space import architecture as architecture_lib
    from tunas_tf.training import precision, run_directory, search_job

    dataset = data.load(FLAGS.dataset, FLAGS.dataset_dir, FLAGS.image_size, FLAGS.reward_fraction)
    cost_model = target = None
    if FLAGS.enable_cost_model:
        cost_model = cost_model_lib.get(
            cost_model_name, space, FLAGS.image_size, dataset.num_classes
        )
        target = recipe.cost_target(FLAGS.rl_cost_model_target, cost_model)
        search_job.require_network_at(cost_model, target, FLAGS.cost_tolerance)
    num_examples = dataset.num_examples("search_train")
    bfloat16 = recipe.uses_bfloat16(FLAGS.use_bfloat16, space.name, precision.on_tpu())
    derived = {
        "total_steps": recipe.total_steps(FLAGS.epochs, num_examples, FLAGS.train_batch_size),
        "rl_cost_model_target": target,
        "use_bfloat16": bfloat16,
        "model_weight_decay": recipe.weight_decay(FLAGS.model_weight_decay, bfloat16),
        "reward_fraction": dataset.reward_fraction,
        "num_classes": dataset.num_classes,
        "search_train": num_examples,
        "search_validation": dataset.num_examples("search_validation"),
    }
    config = training_flags.fill(ControllerConfig, derived)
    settings = training_flags.fill(search_job.SearchSettings, derived)
    supernet = search_job.make_supernet(space, dataset.num_classes, FLAGS.seed, bfloat16)
    documents = {"search_space": architecture_lib.to_json(space)}
    if cost_model is not None:
        documents["cost_model"] = cost_model_files.to_json(cost_model, {})
    directory = run_directory.RunDirectory(
        checkpoint_dir,
        "search",
        training_flags.settings(),
        training_flags.information(derived),
        documents,
    )
    training_flags.print_settings(
        f"search in {space.name} on {dataset.name}",
        {
            "weights learn from": f"{num_examples} images, {dataset.image_size} pixels, "
            f"{dataset.num_classes} classes",
            "reward from": f"{derived['search_validation']} other images, "
            f"{dataset.origin('search_validation')}",
            "steps": f"{config.total_steps} of {FLAGS.train_batch_size} images",
            "cost target": _target_text(cost_model, target),
            "model_weight_decay": settings.model_weight_decay,
            "use_bfloat16": bfloat16,
            "disk": f"about {search_job.disk_megabytes(supernet):.0f} MB in {checkpoint_dir}",
        },
    )
    training_flags.stop_cleanly(
        lambda: search_job.run_search(
            supernet=supernet,
            dataset=dataset,
            cost_model=cost_model,
            controller_config=config,
            settings=settings,
            run_directory=directory,
            iterations_per_loop=FLAGS.iterations_per_loop,
            checkpoint_interval=FLAGS.checkpoint_interval,
        )
    )
    print(f"done; next: python -m tunas_tf.analyze_search --checkpoint_dir={checkpoint_dir}")


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
