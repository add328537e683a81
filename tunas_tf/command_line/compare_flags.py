"""The flags that only a comparison has."""

from typing import Any

from absl import flags

from tunas_tf.command_line import app
from tunas_tf.common.errors import InputError
from tunas_tf.comparison import ablations

__all__ = ["EXTENT", "check", "define", "settings"]

FLAGS = flags.FLAGS

# How much is compared and how: may differ each time, and is no setting of a search.
EXTENT = (
    "ablations",
    "evolution",
    "fidelity",
    "num_ablation_searches",
    "num_noise_networks",
    "num_noise_seeds",
    "num_random",
    "num_searches",
    "output_dir",
    "reference_networks",
    "workers",
)
_EVOLUTION = ("evolution_population_size", "evolution_num_generations", "evolution_num_parents")
# Flags of trainings: what the name is without train_ is what `NetworkSettings` and
# `ClassifierSettings` call it.
_TRAIN = (
    "train_epochs",
    "train_base_learning_rate",
    "train_warmup_steps_fraction",
    "train_momentum",
    "train_weight_decay",
    "train_ema_decay",
    "train_dropout_rate",
    "train_path_dropout_rate",
    "train_batch_norm_momentum",
)
# What trainings have in common with searches.
_SHARED = (
    "augment",
    "checkpoint_interval",
    "dataset",
    "dataset_dir",
    "deterministic",
    "image_size",
    "iterations_per_loop",
    "label_smoothing",
    "on_nan",
    "optimizer",
    "reward_fraction",
    "train_batch_size",
)


def _define_extent_flags() -> None:
    flags.DEFINE_string("output_dir", None, "Directory of the comparison; resumes if it holds one.")
    flags.DEFINE_integer("num_searches", 3, "Searches whose networks are trained.", 0)
    flags.DEFINE_integer("num_random", 24, "Random networks that are trained.", 0)
    flags.DEFINE_integer("num_noise_networks", 2, "Networks that are trained several times.", 0)
    flags.DEFINE_integer("num_noise_seeds", 3, "Trainings of each of them.", 1)
    flags.DEFINE_list(
        "reference_networks",
        None,
        "Networks (or spaces with a reference network) whose filters are scaled to the target; "
        "default: the space's own reference network, if it has one.",
    )
    flags.DEFINE_bool(
        "fidelity",
        True,
        "Whether the shared weights of the searches, and of one without either warmup, rank the "
        "random networks.",
    )
    flags.DEFINE_bool("evolution", True, "Whether evolution uses the shared weights, too.")
    flags.DEFINE_integer("evolution_population_size", 50, "Networks of a generation.", 1)
    flags.DEFINE_integer("evolution_num_generations", 20, "After the random one.", 0)
    flags.DEFINE_integer("evolution_num_parents", 10, "Networks that have children.", 1)
    flags.DEFINE_list(
        "ablations", [], f"Settings of the search to be compared: {', '.join(ablations.ABLATIONS)}."
    )
    flags.DEFINE_integer("num_ablation_searches", 10, "Searches of each value.", 1)
    flags.DEFINE_integer("workers", 1, "Processes that search and train.", 1)


def define() -> None:
    """Defines the flags that only a comparison has."""
    _define_extent_flags()
    flags.DEFINE_integer("eval_batch_size", 256, "Examples per evaluation step.", 1)
    flags.DEFINE_float(
        "train_epochs", 90, "Passes over the training examples, for every network.", 0
    )
    flags.DEFINE_float("train_base_learning_rate", 0.165, "Peak rate, per 256 examples.", 0)
    flags.DEFINE_float(
        "train_warmup_steps_fraction", 0.025, "Part of the steps in which it grows.", 0, 1
    )
    flags.DEFINE_float("train_momentum", 0.9, "Momentum of the optimizer.", 0, 1)
    flags.DEFINE_float(
        "train_weight_decay", None, "L2 on the kernels; default: 4e-5, 3e-5 in bfloat16.", 0
    )
    flags.DEFINE_float(
        "train_ema_decay", 0.0, "Of moving averages of the weights, to be evaluated; 0: none.", 0, 1
    )
    flags.DEFINE_float(
        "train_dropout_rate",
        None,
        "Of the features before the classifier; default: as in train_eval.",
        0,
        1,
    )
    flags.DEFINE_float("train_path_dropout_rate", 0.0, "Of the branches of residual layers.", 0, 1)
    flags.DEFINE_float("train_batch_norm_momentum", 0.99, "Of the moving averages.", 0, 1)


def check() -> None:
    """Raises InputError on flags that do not fit together."""
    if not FLAGS.output_dir:
        raise InputError("--output_dir is missing; give the directory of the comparison.")
    if not FLAGS.enable_cost_model:
        raise InputError(
            "--enable_cost_model=false was given, but networks are compared at equal cost; leave "
            "it out."
        )
    unknown = sorted(set(FLAGS.ablations) - set(ablations.ABLATIONS))
    if unknown:
        raise InputError(
            f"--ablations={','.join(unknown)} is unknown; use some of "
            f"{','.join(ablations.ABLATIONS)}."
        )
    # On by default, which asks for nothing where there is nothing to do it with.
    for name, needed in (
        ("fidelity", "num_searches"),
        ("fidelity", "num_random"),
        ("evolution", "num_searches"),
    ):
        app.require_effect(
            not FLAGS[name].value or FLAGS[needed].value > 0, [name], f"--{needed} is 0"
        )
    app.require_effect(FLAGS.evolution, list(_EVOLUTION), "--evolution is off")
    app.require_effect(bool(FLAGS.ablations), ["num_ablation_searches"], "there are no --ablations")
    app.require_effect(
        FLAGS.num_noise_networks > 0, ["num_noise_seeds"], "--num_noise_networks is 0"
    )
    if not (FLAGS.num_searches or FLAGS.num_random or FLAGS.ablations or FLAGS.reference_networks):
        raise InputError(
            "there is nothing to do: --num_searches and --num_random are 0, and neither "
            "--ablations nor --reference_networks are given."
        )


def settings() -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of searches, by their flags, and those of trainings, without train_."""
    return _by_use({flag.name: flag.value for flag in app.own_flags()})


def defaults() -> tuple[dict[str, Any], dict[str, Any]]:
    """What `settings` returns if no flag is given."""
    return _by_use({flag.name: flag.default for flag in app.own_flags()})


def _by_use(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    own = {*EXTENT, *_EVOLUTION, *_TRAIN, "eval_batch_size"}
    search = {name: value for name, value in values.items() if name not in own}
    train = {name: values[name] for name in _SHARED}
    train.update({name.removeprefix("train_"): values[name] for name in _TRAIN})
    return search, train
