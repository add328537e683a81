"""Trains a network from scratch and evaluates it, each test example exactly once.

  python -m tunas_tf.train_eval --architecture=DIR/architecture.json --checkpoint_dir=RUN ...

The network is that of an architecture.json, of --ssd and --indices, or of an --ssd without
choices, like mobilenet_v2. The accuracy is printed and written to RUN/evaluation.json. The
same command again resumes.
"""

from absl import flags

from tunas_tf.command_line import app, network_flags, training_flags
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import spec
from tunas_tf.training import recipe

FLAGS = flags.FLAGS

network_flags.define("ssd", "filters_multiplier", "indices", "architecture", "image_size", "seed")
training_flags.define(epochs=90, train_batch_size=4096)

flags.DEFINE_enum(
    "mode", "train_and_eval", ["train", "eval", "train_and_eval"], "What to do with the network."
)
flags.DEFINE_bool(
    "use_held_out_test_set",
    True,
    "True: train on all of the training set, evaluate on the test set. False: the part that a "
    "search holds out for the reward is the test.",
)
flags.DEFINE_integer("eval_batch_size", 256, "Examples per evaluation step.", 1)
flags.DEFINE_float("base_learning_rate", 0.165, "Peak rate, per 256 examples.", 0)
flags.DEFINE_float("warmup_steps_fraction", 0.025, "Part of the steps in which it grows.", 0, 1)
flags.DEFINE_float("momentum", 0.9, "Momentum of RMSProp.", 0, 1)
flags.DEFINE_float(
    "weight_decay", None, "L2 on the kernels; default: 4e-5, 3e-5 in bfloat16.", 0
)
flags.DEFINE_float(
    "dropout_rate",
    None,
    "Of the features before the classifier; default: 0 below 150 epochs, else 0.25 for networks "
    "with the head of MobileNetV3, 0.15 for others.",
    0,
    1,
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


def _check_effects(architecture) -> None:
    app.require_effect(
        not FLAGS.use_held_out_test_set,
        ["reward_fraction"],
        "with --use_held_out_test_set nothing is held out of the training set",
    )
    app.require_effect(FLAGS.mode != "train", ["eval_batch_size"], "nothing is evaluated")
    app.require_effect(
        FLAGS.mode != "eval", ["iterations_per_loop", "checkpoint_interval"], "nothing is trained"
    )
    if FLAGS.path_dropout_rate and not _has_residual_layers(architecture):
        raise InputError(
            f"--path_dropout_rate={FLAGS.path_dropout_rate:g} has no effect here: the network has "
            "no residual layers; leave it out."
        )


def main() -> None:
    checkpoint_dir = training_flags.require_checkpoint_dir()
    architecture = network_flags.architecture()
    _check_effects(architecture)

    from tunas_tf import data
    from tunas_tf.search_space import architecture as architecture_lib
    from tunas_tf.search_space import arithmetic, traversal
    from tunas_tf.training import classifier_job, precision, run_directory

    if FLAGS.mode == "eval":
        run_directory.load_config(checkpoint_dir, "train_eval")  # That there is something to see.
    dataset = data.load(FLAGS.dataset, FLAGS.dataset_dir, FLAGS.image_size, FLAGS.reward_fraction)
    held_out = FLAGS.use_held_out_test_set
    train_split = "train" if held_out else "search_train"
    test_split = "test" if held_out else "search_validation"
    num_examples = dataset.num_examples(train_split)
    count = arithmetic.count(architecture, FLAGS.image_size, dataset.num_classes)
    bfloat16 = recipe.uses_bfloat16(FLAGS.use_bfloat16, architecture.ssd, precision.on_tpu())
    derived = {
        "total_steps": recipe.total_steps(FLAGS.epochs, num_examples, FLAGS.train_batch_size),
        "train_split": train_split,
        "test_split": test_split,
        "reward_fraction": None if held_out else dataset.reward_fraction,
        "use_bfloat16": bfloat16,
        "weight_decay": recipe.weight_decay(FLAGS.weight_decay, bfloat16),
        "dropout_rate": recipe.dropout_rate(FLAGS.dropout_rate, FLAGS.epochs, architecture),
        **count._asdict(),
    }
    settings = training_flags.fill(classifier_job.ClassifierSettings, derived)
    directory = run_directory.RunDirectory(
        checkpoint_dir,
        "train_eval",
        # A file may be moved between two processes; the network in it may not change.
        {
            **{k: v for k, v in training_flags.settings().items() if k not in _NOT_SETTINGS},
            "network": architecture_lib.to_json(architecture),
        },
        training_flags.information(derived),
    )
    training_flags.print_settings(
        f"{FLAGS.mode} of a network of {architecture.ssd} on {dataset.name}",
        {
            "indices": traversal.format_indices(architecture.indices) or "none: no choices",
            "size": f"{count.params} parameters, {count.madds} multiply-adds",
            "trained on": f"{num_examples} images of {train_split}, {settings.total_steps} steps "
            f"of {FLAGS.train_batch_size}",
            "evaluated on": f"{dataset.num_examples(test_split)} images of {test_split}",
            **{name: derived[name] for name in ("weight_decay", "dropout_rate", "use_bfloat16")},
            "disk": f"about {classifier_job.disk_megabytes(count.params):.0f} MB in "
            f"{checkpoint_dir}",
        },
    )
    training_flags.stop_cleanly(
        lambda: classifier_job.run_classifier(
            architecture=architecture,
            dataset=dataset,
            settings=settings,
            run_directory=directory,
            train=FLAGS.mode != "eval",
            evaluate=FLAGS.mode != "train",
            iterations_per_loop=FLAGS.iterations_per_loop,
            checkpoint_interval=FLAGS.checkpoint_interval,
        )
    )


_NOT_SETTINGS = {"architecture", "indices", "ssd", "filters_multiplier", "mode", "eval_batch_size"}


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
