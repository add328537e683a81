"""Trains a detector on a backbone and evaluates it as COCO does.

  python -m object_detection.train_eval --architecture=DIR/architecture.json \
      --checkpoint_dir=RUN ...

The backbone is that of an architecture.json, of --ssd and --indices, or of an --ssd without
choices. It starts from fresh weights, or from those of the classifier in --backbone_checkpoint,
a directory of tunas_tf.train_eval. COCO's twelve figures and the average precision of every
class are written to RUN/evaluation.json; RUN/detections.png shows detections over images. The
same command again resumes.
"""

import functools

from absl import flags

from object_detection.command_line import detector_flags
from tunas_tf.command_line import (
    app,
    network_flags,
    strategy_flags,
    train_command,
    training_flags,
)

FLAGS = flags.FLAGS

network_flags.define("ssd", "filters_multiplier", "indices", "architecture", "seed")
detector_flags.define(expanded_features=True)
training_flags.define(epochs=90, train_batch_size=1024, **detector_flags.DATA)
detector_flags.define_data()
train_command.define()
strategy_flags.define()
flags.DEFINE_string(
    "backbone_checkpoint",
    None,
    "Directory of a tunas_tf.train_eval of the same architecture, to start from.",
)
flags.DEFINE_bool(
    "synchronized_batch_norm",
    False,
    "Whether training normalises by the batch of all replicas, which small batches need.",
)
flags.DEFINE_integer(
    "num_pictures", 12, "Images that are drawn with their detections; 0: none.", lower_bound=0
)


def _check_flags() -> None:
    app.require_effect(FLAGS.mode != "train", ["num_pictures"], "nothing is evaluated")
    app.require_effect(FLAGS.mode != "eval", ["backbone_checkpoint"], "nothing is trained")


def main() -> None:
    checkpoint_dir = training_flags.require_checkpoint_dir()
    architecture = network_flags.architecture()
    train_command.check_flags(architecture)
    strategy_flags.check_flags()
    _check_flags()

    from object_detection import data, modeling
    from object_detection.training import detector_job
    from tunas_tf.export import trained_network
    from tunas_tf.training import run_directory

    definition = detector_flags.definition()
    if FLAGS.mode == "eval":  # That there is something to see.
        run_directory.load_config(checkpoint_dir, "detection_train_eval")
    classifier = None
    if FLAGS.backbone_checkpoint:
        classifier = trained_network.open_run(FLAGS.backbone_checkpoint)
        detector_job.require_same_backbone(definition, architecture, classifier)
    with strategy_flags.devices():
        dataset = data.load(**detector_flags.data_arguments())
        if FLAGS.mode != "train":  # Before a training that could never be evaluated.
            dataset.require_rows(train_command.splits()[1])
        derived: dict[str, object] = {"num_classes": dataset.num_classes}
        if FLAGS.mode != "eval":  # What it starts from, wherever that lies.
            derived["backbone_weights"] = "classifier" if classifier else "fresh"

        train_command.train(
            command="detection_train_eval",
            title=f"{FLAGS.mode} of {definition.name} on a network of {architecture.ssd}, on "
            f"{dataset.name}",
            architecture=architecture,
            dataset=dataset,
            count=modeling.count(definition, architecture, FLAGS.image_size, dataset.num_classes),
            derived=derived,
            settings_type=detector_job.DetectorSettings,
            run_job=functools.partial(
                detector_job.run_detector,
                definition=definition,
                architecture=architecture,
                dataset=dataset,
                classifier=classifier,
            ),
        )


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
