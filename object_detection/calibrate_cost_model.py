"""Fits a cost model of a device for detectors: latencies measured where they will run.

  python -m object_detection.calibrate_cost_model --ssd=mobilenet_v3_like_search \\
      --detector=ssdlite --output=mine.json
  python -m object_detection.search --ssd=mobilenet_v3_like_search --cost_model=mine.json ...

As tunas_tf.calibrate_cost_model does for classifiers: it measures the pieces of the backbones
at --image_size, the heads for all widths of the feature maps that they are built on, and a few
whole detectors with raw outputs, which set the scale. The cost model is then compared with other
whole detectors, that of the reference network of the space among them: its error is printed, kept
in the file, and drawn as mine.png. It is a cost model of this detector, with this number of
classes, at this size.

Every measurement is appended to mine.measurements.jsonl at once; the same command again
continues where it was stopped.
"""

from absl import flags

from object_detection.command_line import detector_flags
from tunas_tf.command_line import app, calibration_flags, network_flags

FLAGS = flags.FLAGS

calibration_flags.define()
detector_flags.define()
flags.DEFINE_integer("num_classes", 81, "Classes, of which class 0 is nothing.", lower_bound=2)


def main() -> None:
    stem = calibration_flags.stem()
    space = network_flags.space()
    backend = calibration_flags.backend()

    from object_detection import modeling
    from object_detection.cost_model import calibration
    from tunas_tf.calibration import calibration_job

    definition = detector_flags.definition()
    trimmed = modeling.trim(space, definition.input_levels)
    task = calibration.DetectionTask(definition, FLAGS.image_size, FLAGS.num_classes)
    validation = calibration_job.calibrate(
        calibration_flags.settings("object_detection.calibrate_cost_model"),
        trimmed,
        0,  # The heads of detectors are no pieces as others.
        task,
        backend,
        calibration.heads_of(task, trimmed),
    )
    text = f"{validation.text()}\nwrote {FLAGS.output}, {stem}.png"
    network_flags.print_result({**validation.to_json(), "output": FLAGS.output}, text)


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
