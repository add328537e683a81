"""Trains a network from scratch and evaluates it, each test example exactly once.

  python -m tunas_tf.train_eval --architecture=DIR/architecture.json --checkpoint_dir=RUN ...

The network is that of an architecture.json, of --ssd and --indices, or of an --ssd without
choices, like mobilenet_v2. The accuracy is printed and written to RUN/evaluation.json. The
same command again resumes.
"""

import functools

from absl import flags

from tunas_tf.command_line import (
    app,
    network_flags,
    strategy_flags,
    train_command,
    training_flags,
)
from tunas_tf.training import recipe

FLAGS = flags.FLAGS

network_flags.define("ssd", "filters_multiplier", "indices", "architecture", "image_size", "seed")
training_flags.define(epochs=90, train_batch_size=4096)
training_flags.define_label_smoothing()
train_command.define()
strategy_flags.define()
flags.DEFINE_float(
    "dropout_rate",
    None,
    "Of the features before the classifier; default: 0 below 150 epochs, else 0.25 for networks "
    "with the head of MobileNetV3, 0.15 for others.",
    0,
    1,
)


def main() -> None:
    checkpoint_dir = training_flags.require_checkpoint_dir()
    architecture = network_flags.architecture()
    train_command.check_flags(architecture)
    strategy_flags.check_flags()

    from tunas_tf import data
    from tunas_tf.search_space import arithmetic
    from tunas_tf.training import classifier_job, run_directory

    if FLAGS.mode == "eval":
        run_directory.load_config(checkpoint_dir, "train_eval")  # That there is something to see.
    with strategy_flags.devices():
        dataset = data.load(**training_flags.data_arguments())

        train_command.train(
            command="train_eval",
            title=f"{FLAGS.mode} of a network of {architecture.ssd} on {dataset.name}",
            architecture=architecture,
            dataset=dataset,
            count=arithmetic.count(architecture, FLAGS.image_size, dataset.num_classes),
            derived={
                "dropout_rate": recipe.dropout_rate(FLAGS.dropout_rate, FLAGS.epochs, architecture)
            },
            settings_type=classifier_job.ClassifierSettings,
            run_job=functools.partial(
                classifier_job.run_classifier, architecture=architecture, dataset=dataset
            ),
        )


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
