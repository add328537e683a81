"""What the commands that train one network share: their flags, and their course."""

from collections.abc import Callable
from typing import Any

from absl import flags

from tunas_tf.command_line import app, training_flags
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.arithmetic import Count
from tunas_tf.training import recipe

__all__ = ["check_flags", "define", "splits", "train"]

FLAGS = flags.FLAGS

# A file may be moved between two processes of a run; the network in it may not change. The
# others say what is done with the run, not what it is.
_NOT_SETTINGS = {
    "architecture",
    "backbone_checkpoint",
    "eval_batch_size",
    "filters_multiplier",
    "indices",
    "mode",
    "num_pictures",
    "ssd",
}


def define() -> None:
    """Defines the flags that say how a network is trained and evaluated."""
    flags.DEFINE_enum(
        "mode",
        "train_and_eval",
        ["train", "eval", "train_and_eval"],
        "What to do with the network.",
    )
    flags.DEFINE_bool(
        "use_held_out_test_set",
        True,
        "True: train on all of the training set, evaluate on the test set. False: the part that "
        "a search holds out for the reward is the test.",
    )
    flags.DEFINE_integer("eval_batch_size", 256, "Examples per evaluation step.", 1)
    flags.DEFINE_float("base_learning_rate", 0.165, "Peak rate, per 256 examples.", 0)
    flags.DEFINE_float("warmup_steps_fraction", 0.025, "Part of the steps in which it grows.", 0, 1)
    flags.DEFINE_float("momentum", 0.9, "Momentum of the optimizer.", 0, 1)
    flags.DEFINE_float(
        "weight_decay", None, "L2 on the kernels; default: 4e-5, 3e-5 in bfloat16.", 0
    )
    flags.DEFINE_float(
        "ema_decay", 0.0, "Of moving averages of the weights, to be evaluated; 0: none.", 0, 1
    )
    flags.DEFINE_float(
        "path_dropout_rate", 0.0, "Of the branches of residual layers, for each example.", 0, 1
    )
    flags.DEFINE_float("batch_norm_momentum", 0.99, "Of the moving averages.", 0, 1)


def _has_residual_layers(architecture) -> bool:
    """Whether any layer adds something to its input."""
    return any(
        isinstance(placed.layer, spec.Residual) and not isinstance(placed.layer.layer, spec.Zero)
        for placed in architecture.layers()
    )


def check_flags(architecture: architecture_lib.Architecture) -> None:
    """Raises InputError on flags that have no effect for this network."""
    app.require_effect(
        not FLAGS.use_held_out_test_set,
        ["reward_fraction"],
        "with --use_held_out_test_set nothing is held out of the training set",
    )
    app.require_effect(FLAGS.mode != "train", ["eval_batch_size"], "nothing is evaluated")
    if FLAGS.path_dropout_rate and not _has_residual_layers(architecture):
        raise InputError(
            f"--path_dropout_rate={FLAGS.path_dropout_rate:g} has no effect here: the network has "
            "no residual layers; leave it out."
        )


def splits() -> tuple[str, str]:
    """The splits of the dataset to train on and to evaluate on."""
    if FLAGS.use_held_out_test_set:
        return "train", "test"
    return "search_train", "search_validation"


def train(
    *,
    command: str,
    title: str,
    architecture: architecture_lib.Architecture,
    dataset: Any,
    count: Count,
    derived: dict[str, Any],
    settings_type: type,
    run_job: Callable[..., Any],
) -> None:
    """Trains and evaluates by the flags: says what it will do first.

    Args:
      command: what the run directory calls it.
      title: what is trained.
      architecture: the network, or the backbone.
      dataset: a `SplitDataset`.
      count: size of all that is trained.
      derived: more that follows from flags and data, to be noted.
      settings_type: dataclass of the job's own settings.
      run_job: called as `run_job(settings=, network_settings=, run_directory=, train=, evaluate=)`.
    """
    from tunas_tf.training import devices, network_job, precision, run_directory

    if FLAGS.mode != "eval":
        devices.require_divisible("train_batch_size", FLAGS.train_batch_size)
    if FLAGS.mode != "train":
        devices.require_divisible("eval_batch_size", FLAGS.eval_batch_size)
    train_split, test_split = splits()
    num_examples = dataset.num_examples(train_split)
    bfloat16 = recipe.uses_bfloat16(FLAGS.use_bfloat16, architecture.ssd, precision.on_tpu())
    derived = {
        "total_steps": recipe.total_steps(FLAGS.epochs, num_examples, FLAGS.train_batch_size),
        "train_split": train_split,
        "test_split": test_split,
        "reward_fraction": None if train_split == "train" else dataset.reward_fraction,
        "use_bfloat16": bfloat16,
        "weight_decay": recipe.weight_decay(FLAGS.weight_decay, bfloat16),
        **count._asdict(),
        **derived,
    }
    # Before anything is written: they refuse what makes no sense.
    settings: Any = training_flags.fill(settings_type, derived)
    network_settings = training_flags.fill(network_job.NetworkSettings, derived)
    directory = run_directory.RunDirectory(
        FLAGS.checkpoint_dir,
        command,
        {
            **{k: v for k, v in training_flags.settings().items() if k not in _NOT_SETTINGS},
            "network": architecture_lib.to_json(architecture),
        },
        training_flags.information(derived),
        writes=FLAGS.mode != "eval" and devices.is_chief(),
    )
    megabytes = network_job.disk_megabytes(count.params, FLAGS.ema_decay)
    training_flags.print_settings(
        title,
        {
            "indices": traversal.format_indices(architecture.indices) or "none: no choices",
            "size": f"{count.params} parameters, {count.madds} multiply-adds",
            "trained on": f"{num_examples} images of {train_split}, {derived['total_steps']} steps "
            f"of {FLAGS.train_batch_size}",
            "evaluated on": f"{dataset.num_examples(test_split)} images of {test_split}",
            **{
                name: derived[name]
                for name in ("weight_decay", "dropout_rate", "use_bfloat16")
                if name in derived
            },
            "devices": devices.description(),
            "disk": f"about {megabytes:.0f} MB in {FLAGS.checkpoint_dir}",
        },
    )
    training_flags.stop_cleanly(
        lambda: run_job(
            settings=settings,
            network_settings=network_settings,
            run_directory=directory,
            train=FLAGS.mode != "eval",
            evaluate=FLAGS.mode != "train",
        )
    )
