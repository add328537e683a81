"""What the search commands share: their flags, and their course once the data are open."""

from collections.abc import Callable
from typing import Any

from absl import flags

from tunas_tf.command_line import app, training_flags
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import CostModel
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec, traversal
from tunas_tf.training import recipe

__all__ = ["check_flags", "define", "search"]

FLAGS = flags.FLAGS

_COST_FLAGS = [
    "cost_model",
    "rl_cost_model_target",
    "rl_cost_model_exponent",
    "rl_reward_function",
    "rl_cost_samples",
    "cost_tolerance",
]
_ESTIMATOR_FLAGS = ["rl_cost_samples", "rl_residual_weight"]


def _define_model_flags() -> None:
    flags.DEFINE_float(
        "model_learning_rate", 0.165, "Peak rate of the weights, per 256 examples.", 0
    )
    flags.DEFINE_float("model_warmup_steps_fraction", 0.025, "Part of the steps it grows in.", 0, 1)
    flags.DEFINE_float("model_momentum", 0.9, "Momentum of the optimizer.", 0, 1)
    flags.DEFINE_float(
        "model_weight_decay",
        None,
        "L2 on the kernels in use; default: 4e-5, 3e-5 in bfloat16.",
        0,
    )

    flags.DEFINE_enum(
        "execution",
        "auto",
        recipe.EXECUTIONS,
        "How the supernet computes a sample: mask (static shapes, the work of the widest network) "
        "or slice (the work of the sampled network), with the same numbers; auto: slice, on TPUs "
        "mask.",
    )
    flags.DEFINE_bool(
        "rematerialize",
        False,
        "Compute the options of choices again in the backward pass, which takes less memory and "
        "more time; on TPUs always.",
    )


def _define_controller_flags() -> None:
    flags.DEFINE_float("rl_learning_rate", 3e-4, "Of the controller, per 256 examples.", 0)
    flags.DEFINE_bool(
        "use_exponential_rl_learning_rate_schedule", True, "Grow it tenfold after the delay."
    )
    flags.DEFINE_float("rl_entropy_regularization", 0.0, "Weight of the controller's entropy.")
    flags.DEFINE_float("rl_baseline_momentum", 0.95, "Of the moving average of rewards.")
    flags.DEFINE_float(
        "rl_batch_size_multiplier",
        4.0,
        "Examples that measure the reward, per training example.",
        0,
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
    flags.DEFINE_float(
        "rl_residual_weight", 0.1, "control_variate: weight of the unexplained part."
    )
    flags.DEFINE_float(
        "cost_tolerance", 0.01, "Relative distance to the target that counts as reached.", 0, 1
    )


def define() -> None:
    """Defines the flags that say how supernet and controller learn."""
    _define_model_flags()
    _define_controller_flags()


def check_flags() -> None:
    """Raises InputError on flags that do not fit together."""
    app.require_effect(FLAGS.enable_cost_model, _COST_FLAGS, "the cost model is switched off")
    app.require_effect(
        FLAGS.rl_estimator == "control_variate",
        _ESTIMATOR_FLAGS,
        "only --rl_estimator=control_variate uses it",
    )
    if round(FLAGS.train_batch_size * FLAGS.rl_batch_size_multiplier) < 1:
        raise InputError(
            f"--rl_batch_size_multiplier={FLAGS.rl_batch_size_multiplier:g} leaves no image for "
            "the reward; give more."
        )


def _target_text(cost_model: CostModel | None, target: float | None) -> str:
    if cost_model is None:
        return "none"
    text = f"{target:.6g} {cost_model.unit} ({cost_model.name}"
    if cost_model.image_size not in (None, FLAGS.image_size):
        text += f", of networks at {cost_model.image_size} pixels; the search sees "
        text += f"{FLAGS.image_size}"
    return text + ")"


def search(
    *,
    command: str,
    title: str,
    space: spec.SearchSpace,
    dataset: Any,
    task: Any,
    cost_model: CostModel | None,
    build_supernet: Callable[[str, bool], Any],
) -> None:
    """Searches by the flags: says what it will do, trains, and says what comes next.

    Args:
      command: what the run directory calls it.
      title: what is searched.
      space: that the supernet has.
      dataset: a `SplitDataset` with `training_batches`.
      task: the `Task`.
      cost_model: of `space`; None without one.
      build_supernet: makes the supernet with fresh weights, from its `execution` and whether to
        `rematerialize`.
    """
    # TensorFlow takes seconds to import: only now, when the flags are known to be right.
    from tunas_tf.controller import ControllerConfig
    from tunas_tf.cost_model import files as cost_model_files
    from tunas_tf.training import devices, precision, run_directory, search_job

    target = None
    if cost_model is not None:
        target = recipe.cost_target(FLAGS.rl_cost_model_target, cost_model)
        search_job.require_network_at(cost_model, target, FLAGS.cost_tolerance)
    devices.require_divisible("train_batch_size", FLAGS.train_batch_size)
    devices.require_divisible(
        "train_batch_size * rl_batch_size_multiplier",
        round(FLAGS.train_batch_size * FLAGS.rl_batch_size_multiplier),
    )
    num_examples = dataset.num_examples("search_train")
    bfloat16 = recipe.uses_bfloat16(FLAGS.use_bfloat16, space.name, precision.on_tpu())
    execution, rematerialize = recipe.execution(
        FLAGS.execution, FLAGS.rematerialize, precision.on_tpu()
    )
    derived = {
        "total_steps": recipe.total_steps(FLAGS.epochs, num_examples, FLAGS.train_batch_size),
        "rl_cost_model_target": target,
        "use_bfloat16": bfloat16,
        "model_weight_decay": recipe.weight_decay(FLAGS.model_weight_decay, bfloat16),
        "reward_fraction": dataset.reward_fraction,
        "num_classes": dataset.num_classes,
        "search_train": num_examples,
        "search_validation": dataset.num_examples("search_validation"),
        "quality": task.quality_name,
    }
    config = training_flags.fill(ControllerConfig, derived)
    settings = training_flags.fill(search_job.SearchSettings, derived)
    supernet = search_job.make_supernet(
        lambda: build_supernet(execution, rematerialize), FLAGS.seed, bfloat16
    )
    documents = {"search_space": architecture_lib.to_json(space)}
    if cost_model is not None:
        documents["cost_model"] = cost_model_files.to_json(cost_model, {})
    directory = run_directory.RunDirectory(
        FLAGS.checkpoint_dir,
        command,
        training_flags.settings(),
        training_flags.information(derived),
        documents,
        writes=devices.is_chief(),
    )
    training_flags.print_settings(
        title,
        {
            "weights learn from": f"{num_examples} images, {dataset.image_size} pixels, "
            f"{dataset.num_classes} classes",
            "reward from": f"{task.quality_name} on {derived['search_validation']} other images, "
            f"{dataset.origin('search_validation')}",
            "choices": f"{len(traversal.choices_of(space))}",
            "steps": f"{config.total_steps} of {FLAGS.train_batch_size} images",
            "cost target": _target_text(cost_model, target),
            "model_weight_decay": settings.model_weight_decay,
            "use_bfloat16": bfloat16,
            "devices": devices.description(),
            "execution": execution + (", rematerializing" if rematerialize else ""),
            "disk": f"about {search_job.disk_megabytes(supernet):.0f} MB in {FLAGS.checkpoint_dir}",
        },
    )
    training_flags.stop_cleanly(
        lambda: search_job.run_search(
            task=task,
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
    print(f"done; next: python -m tunas_tf.analyze_search --checkpoint_dir={FLAGS.checkpoint_dir}")
