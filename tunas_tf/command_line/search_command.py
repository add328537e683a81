"""What the search commands share: their flags, and their course once the data are open."""

import dataclasses
from collections.abc import Callable
from typing import Any

from absl import flags

from tunas_tf.command_line import app, training_flags
from tunas_tf.controller import ESTIMATORS, REWARD_FUNCTIONS, ControllerConfig
from tunas_tf.cost_model import CostModel, cost_text
from tunas_tf.search_space import spec, traversal
from tunas_tf.training import recipe
from tunas_tf.training.search_settings import SearchSettings, reward_batch_size

__all__ = ["SETTINGS", "check_flags", "define", "search"]

FLAGS = flags.FLAGS

# The arguments of `ArchitectureSearch` that are flags.
SETTINGS = (
    "epochs",
    "use_bfloat16",
    "execution",
    "rematerialize",
    *(
        field.name
        for settings in (ControllerConfig, SearchSettings)
        for field in dataclasses.fields(settings)
        if field.name != "total_steps"
    ),
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


def _define_model_flags() -> None:
    flags.DEFINE_float(
        "model_learning_rate",
        SearchSettings.model_learning_rate,
        "Peak rate of the weights, per 256 examples.",
        0,
    )
    flags.DEFINE_float(
        "model_warmup_steps_fraction",
        SearchSettings.model_warmup_steps_fraction,
        "Part of the steps it grows in.",
        0,
        1,
    )
    flags.DEFINE_float(
        "model_momentum", SearchSettings.model_momentum, "Momentum of the optimizer.", 0, 1
    )
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
    flags.DEFINE_float(
        "rl_learning_rate",
        ControllerConfig.rl_learning_rate,
        "Of the controller, per 256 examples.",
        0,
    )
    flags.DEFINE_bool(
        "use_exponential_rl_learning_rate_schedule",
        ControllerConfig.use_exponential_rl_learning_rate_schedule,
        "Grow it tenfold after the delay.",
    )
    flags.DEFINE_float(
        "rl_entropy_regularization",
        ControllerConfig.rl_entropy_regularization,
        "Weight of the controller's entropy.",
    )
    flags.DEFINE_float(
        "rl_baseline_momentum",
        ControllerConfig.rl_baseline_momentum,
        "Of the moving average of rewards.",
    )
    flags.DEFINE_float(
        "rl_batch_size_multiplier",
        SearchSettings.rl_batch_size_multiplier,
        "Examples that measure the reward, per training example.",
        0,
    )
    flags.DEFINE_float(
        "rl_delay_steps_fraction",
        ControllerConfig.rl_delay_steps_fraction,
        "Part of the steps before it learns.",
    )
    flags.DEFINE_float(
        "increase_ops_warmup_steps_fraction",
        ControllerConfig.increase_ops_warmup_steps_fraction,
        "Part of the steps with operation warmup.",
    )
    flags.DEFINE_float(
        "increase_filters_warmup_steps_fraction",
        ControllerConfig.increase_filters_warmup_steps_fraction,
        "Part of the steps with filter warmup.",
    )
    flags.DEFINE_enum(
        "rl_reward_function",
        ControllerConfig.rl_reward_function,
        REWARD_FUNCTIONS,
        "How quality and cost combine.",
    )
    flags.DEFINE_bool("enable_cost_model", True, "Whether the reward depends on the cost.")
    flags.DEFINE_float(
        "rl_cost_model_target", None, "Cost to hit; default: the cost of the reference network."
    )
    flags.DEFINE_float(
        "rl_cost_model_exponent",
        ControllerConfig.rl_cost_model_exponent,
        "Strength of the cost in the reward.",
    )
    flags.DEFINE_enum(
        "rl_estimator",
        ControllerConfig.rl_estimator,
        ESTIMATORS,
        "Of the policy gradient: reinforce (published) or control_variate (less noise).",
    )
    flags.DEFINE_integer(
        "rl_cost_samples",
        ControllerConfig.rl_cost_samples,
        "control_variate: architectures per step for the known part.",
    )
    flags.DEFINE_float(
        "rl_residual_weight",
        ControllerConfig.rl_residual_weight,
        "control_variate: weight of the unexplained part.",
    )
    flags.DEFINE_float(
        "cost_tolerance",
        SearchSettings.cost_tolerance,
        "Relative distance to the target that counts as reached.",
        0,
        1,
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
    reward_batch_size(FLAGS.train_batch_size, FLAGS.rl_batch_size_multiplier)


def _target_text(cost_model: CostModel | None, target: float | None) -> str:
    if cost_model is None or target is None:
        return "none"
    text = f"{cost_text.long_cost(target, cost_model.unit)} ({cost_model.name}"
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
      space, dataset, task, cost_model, build_supernet: as for `ArchitectureSearch`.
    """
    # TensorFlow takes seconds to import: only now, when the flags are known to be right.
    from tunas_tf.training import devices, run_directory, search_job
    from tunas_tf.training.architecture_search import ArchitectureSearch

    search_run = ArchitectureSearch(
        space=space,
        dataset=dataset,
        task=task,
        cost_model=cost_model,
        build_supernet=build_supernet,
        **{name: FLAGS[name].value for name in SETTINGS},
    )
    derived = search_run.derived
    directory = run_directory.RunDirectory(
        FLAGS.checkpoint_dir,
        command,
        training_flags.settings(),
        training_flags.information(derived),
        search_run.documents,
        writes=devices.is_chief(),
    )
    disk_megabytes = search_job.disk_megabytes(search_run.supernet)
    training_flags.print_settings(
        title,
        {
            "weights learn from": f"{derived['search_train']} images, {dataset.image_size} pixels, "
            f"{dataset.num_classes} classes",
            "reward from": f"{task.quality_name} on {derived['search_validation']} other images, "
            f"{dataset.origin('search_validation')}",
            "choices": f"{len(traversal.choices_of(space))}",
            "steps": f"{derived['total_steps']} of {FLAGS.train_batch_size} images",
            "cost target": _target_text(cost_model, derived["rl_cost_model_target"]),
            "model_weight_decay": derived["model_weight_decay"],
            "use_bfloat16": derived["use_bfloat16"],
            "devices": devices.description(),
            "execution": search_run.execution
            + (", rematerializing" if search_run.rematerialize else ""),
            "disk": f"about {disk_megabytes:.0f} MB in {FLAGS.checkpoint_dir}",
        },
    )
    training_flags.stop_cleanly(
        lambda: search_run.run(directory, FLAGS.iterations_per_loop, FLAGS.checkpoint_interval)
    )
    print(f"done; next: python -m tunas_tf.analyze_search --checkpoint_dir={FLAGS.checkpoint_dir}")
