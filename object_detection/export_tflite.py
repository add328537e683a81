"""Exports a detector as a .tflite file, and checks that the file computes the same.

  python -m object_detection.export_tflite --checkpoint_dir=RUN --output=m.tflite --quantize=int8
  python -m object_detection.export_tflite --ssd=mobilenet_v3_large --nopostprocess \\
      --output=m.tflite

RUN is the directory of an object_detection.train_eval, whose detector, image size, classes and
dataset are used unless they are given. Without --checkpoint_dir the weights are random: enough to
measure the latency.

The file ends in TFLite_Detection_PostProcess, which finds what the detector finds in Keras:
boxes, classes, scores, and their number. With --nopostprocess it has the raw outputs, class_logits
[1, anchors, classes] and boxes [1, anchors, 4], and only operations that every TFLite runtime has.
It is compared with Keras on test images (random ones if there is no dataset), and written only if
it agrees. A quantised detector with a checkpoint is compared on all test images, and its average
precision is printed. m.json beside m.tflite tells how images are prepared, the labels, the
anchors, what the outputs mean, and where the file is from.
"""

import dataclasses

from absl import flags

from object_detection.command_line import detector_flags
from tunas_tf.command_line import app, export_flags
from tunas_tf.common.errors import InputError

FLAGS = flags.FLAGS

export_flags.define()
detector_flags.define(expanded_features=True)
flags.DEFINE_integer("num_classes", 81, "Classes, of which class 0 is nothing.", lower_bound=2)
flags.DEFINE_bool(
    "postprocess", True, "Whether the file finds objects, rather than returning raw outputs."
)
flags.DEFINE_float(
    "score_threshold",
    1e-8,
    "Least score of a detection. The default is that of evaluations; apps are faster with more.",
)

_DETECTOR_FLAGS = ("detector", "num_filters", "separable", "expanded_features")


def _check_flags() -> None:
    export_flags.check()
    app.require_effect(
        FLAGS.postprocess, ["score_threshold"], "raw outputs have the scores of all anchors"
    )
    if not 0 < FLAGS.score_threshold < 1:
        raise InputError(
            f"--score_threshold={FLAGS.score_threshold:g}: scores are more than 0 and less than 1."
        )


def main() -> None:
    _check_flags()
    architecture = export_flags.architecture()

    from object_detection.export import export_job, metadata, trained_detector

    trained = trained_detector.open_run(FLAGS.checkpoint_dir) if FLAGS.checkpoint_dir else None
    definition = None
    if trained is None or any(FLAGS[name].present for name in _DETECTOR_FLAGS):
        definition = detector_flags.definition()
    settings = export_job.DetectorExport(
        **dataclasses.asdict(export_flags.settings()),
        score_threshold=FLAGS.score_threshold if FLAGS.postprocess else None,
    )
    description = export_job.export_detector(
        settings, definition, architecture, trained, FLAGS.image_size
    )
    export_flags.print_description(description, metadata.to_text)


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
