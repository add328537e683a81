"""Fits a cost model of a device: latencies of its layers, measured where networks will run.

  python -m tunas_tf.calibrate_cost_model --ssd=proxylessnas_search --output=mine.json
  python -m tunas_tf.search --ssd=proxylessnas_search --cost_model=mine.json ...

Measures the pieces that the networks of a search space consist of, one by one, and a few
whole networks. Pieces that were not measured are predicted from those that were. The cost
model is then compared with other whole networks, which took no part in the fit, the reference
network of the space among them: its error is printed, kept in the file, and drawn as mine.png. A
cost model that is not to be trusted is a warning.

Every measurement is appended to mine.measurements.jsonl at once; the same command again
continues where it was stopped.
"""

from absl import flags

from tunas_tf.command_line import app, calibration_flags, network_flags

FLAGS = flags.FLAGS

calibration_flags.define()
network_flags.define("image_size", "num_classes")


def main() -> None:
    network_flags.require_classes()
    stem = calibration_flags.stem()
    space = network_flags.space()
    backend = calibration_flags.backend()

    from tunas_tf.calibration import calibration_job, measuring

    validation = calibration_job.calibrate(
        calibration_flags.settings("tunas_tf.calibrate_cost_model"),
        space,
        FLAGS.num_classes,
        measuring.Classification(FLAGS.image_size, FLAGS.num_classes),
        backend,
    )
    text = f"{validation.text()}\nwrote {FLAGS.output}, {stem}.png"
    network_flags.print_result({**validation.to_json(), "output": FLAGS.output}, text)


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
