"""Exports a network as a .tflite file, and checks that the file computes the same.

  python -m tunas_tf.export_tflite --checkpoint_dir=RUN --output=m.tflite --quantize=int8
  python -m tunas_tf.export_tflite --architecture=DIR/architecture.json --output=m.tflite

RUN is the directory of a train_eval, whose network, image size, number of classes and dataset
are used unless they are given. Without --checkpoint_dir the weights are initial ones: enough to
measure the latency.

The file needs only operations that every TFLite runtime has. It is compared with Keras on test
images (random ones if there is no dataset), and written only if it agrees: without quantisation
to 1e-4. A quantised network with a checkpoint is compared on all test images, and its accuracy is
printed; a loss of more than 2 points is a warning. m.json beside m.tflite tells how images are
prepared, the labels, the scales of int8 input and output, and where the file is from.
"""

from absl import flags

from tunas_tf.command_line import app, export_flags, network_flags

FLAGS = flags.FLAGS

export_flags.define()
network_flags.define("image_size", "num_classes")


def main() -> None:
    export_flags.check()
    network_flags.require_classes()
    architecture = export_flags.architecture()

    from tunas_tf.export import export_job, metadata, trained_network

    trained = trained_network.open_run(FLAGS.checkpoint_dir) if FLAGS.checkpoint_dir else None
    description = export_job.export_network(export_flags.settings(), architecture, trained)
    export_flags.print_description(description, metadata.to_text)


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
