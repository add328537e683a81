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

import sys
from typing import Any, Optional

from absl import flags

from tunas_tf.command_line import app, network_flags
from tunas_tf.common.errors import InputError
from tunas_tf.export import output
from tunas_tf.export.quantization import MIN_REPRESENTATIVE_IMAGES, QUANTIZATIONS
from tunas_tf.search_space import Architecture

FLAGS = flags.FLAGS

network_flags.define(
    "ssd",
    "filters_multiplier",
    "indices",
    "architecture",
    "image_size",
    "num_classes",
    "format",
)
flags.DEFINE_string("checkpoint_dir", None, "Directory of a train_eval; none: initial weights.")
flags.DEFINE_string("output", None, "The .tflite file to write; its description goes beside it.")
flags.DEFINE_enum(
    "quantize",
    "none",
    list(QUANTIZATIONS),
    "; ".join(f"{name}: {meaning}" for name, meaning in QUANTIZATIONS.items()) + ".",
)
flags.DEFINE_string(
    "dataset",
    None,
    "Where the images for int8 and for the comparison are from; default: that of the run, else "
    "random images.",
)
flags.DEFINE_string("dataset_dir", None, "Where the dataset is; default: that of the run.")
flags.DEFINE_integer(
    "num_representative_images",
    200,
    "Training images that the ranges of int8 are taken from.",
    lower_bound=MIN_REPRESENTATIVE_IMAGES,
)
flags.DEFINE_integer(
    "num_test_images",
    None,
    "Images that the file is compared with Keras on; 0: all. Default: all if a quantised network "
    "has a checkpoint, else 64.",
    lower_bound=0,
)

_NETWORK_FLAGS = ("architecture", "ssd", "indices", "filters_multiplier")


def _if_given(name: str) -> Any:
    """The value of a flag, None where its default must not count."""
    return FLAGS[name].value if FLAGS[name].present else None


def _names_network() -> bool:
    return any(FLAGS[name].present for name in _NETWORK_FLAGS)


def _named_architecture() -> Optional[Architecture]:
    """The network that the flags name; None if the run says it."""
    if FLAGS.checkpoint_dir and not _names_network():
        return None
    return network_flags.architecture()


def _check_flags() -> None:
    if FLAGS.output is None:
        raise InputError("--output is missing; give the .tflite file to write.")
    output.check(FLAGS.output)
    if FLAGS.num_classes < 1:
        raise InputError(f"--num_classes={FLAGS.num_classes}: a classifier has 1 class or more.")
    app.require_effect(
        FLAGS.quantize == "int8",
        ["num_representative_images"],
        f"--quantize={FLAGS.quantize} needs no representative images",
    )
    app.require_effect(
        not FLAGS.checkpoint_dir or _names_network(),
        ["space_module"],
        "the network is that of --checkpoint_dir",
    )
    app.require_effect(
        bool(FLAGS.checkpoint_dir or FLAGS.dataset),
        ["dataset_dir"],
        "neither --checkpoint_dir nor --dataset says which dataset is there",
    )


def main() -> None:
    _check_flags()
    architecture = _named_architecture()

    from tunas_tf.export import export_job, metadata, trained_network

    trained = trained_network.open_run(FLAGS.checkpoint_dir) if FLAGS.checkpoint_dir else None
    settings = export_job.ExportSettings(
        output=FLAGS.output,
        quantize=FLAGS.quantize,
        image_size=_if_given("image_size"),
        num_classes=_if_given("num_classes"),
        dataset=FLAGS.dataset,
        dataset_dir=FLAGS.dataset_dir,
        num_representative_images=FLAGS.num_representative_images,
        num_test_images=FLAGS.num_test_images,
    )
    description = export_job.export_network(settings, architecture, trained)
    network_flags.print_result(description, metadata.to_text(description))
    for warning in description["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
