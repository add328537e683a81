"""The flags of the commands that export a network as a .tflite file."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from absl import flags

from tunas_tf.command_line import app, network_flags
from tunas_tf.common.errors import InputError
from tunas_tf.export import output
from tunas_tf.export.quantization import (
    ENOUGH_REPRESENTATIVE_IMAGES,
    NUM_REPRESENTATIVE_IMAGES,
    QUANTIZATIONS,
)
from tunas_tf.search_space import Architecture

if TYPE_CHECKING:
    from tunas_tf.export.export_job import ExportSettings

__all__ = ["architecture", "check", "define", "print_description", "settings"]

FLAGS = flags.FLAGS

_NETWORK_FLAGS = ("architecture", "ssd", "indices", "filters_multiplier")


def define() -> None:
    """Defines the flags, and those that name a network."""
    network_flags.define("ssd", "filters_multiplier", "indices", "architecture", "format")
    flags.DEFINE_string("checkpoint_dir", None, "Directory of a train_eval; none: initial weights.")
    flags.DEFINE_string(
        "output", None, "The .tflite file to write; its description goes beside it."
    )
    flags.DEFINE_enum(
        "quantize",
        "none",
        list(QUANTIZATIONS),
        "; ".join(f"{name}: {meaning}" for name, meaning in QUANTIZATIONS.items()) + ".",
    )
    flags.DEFINE_string(
        "dataset",
        None,
        "Where the images for int8 and for the comparison are from; default: that of the run, "
        "else random images.",
    )
    flags.DEFINE_string("dataset_dir", None, "Where the dataset is; default: that of the run.")
    flags.DEFINE_integer(
        "num_representative_images",
        None,
        "Training images that the ranges of int8 are taken from; default: "
        f"{NUM_REPRESENTATIVE_IMAGES}, or all if there are fewer. Fewer than "
        f"{ENOUGH_REPRESENTATIVE_IMAGES} give a warning.",
        lower_bound=1,
    )
    flags.DEFINE_integer(
        "num_test_images",
        None,
        "Images that the file is compared with Keras on; 0: all. Default: all if a quantised "
        "network has a checkpoint, else 64.",
        lower_bound=0,
    )


def _names_network() -> bool:
    return any(FLAGS[name].present for name in _NETWORK_FLAGS)


def check() -> None:
    """Raises InputError for what can be seen to be wrong before any work."""
    if FLAGS.output is None:
        raise InputError("--output is missing; give the .tflite file to write.")
    output.check(FLAGS.output)
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


def architecture() -> Architecture | None:
    """The network that the flags name; None if the run says it."""
    if FLAGS.checkpoint_dir and not _names_network():
        return None
    return network_flags.architecture()


def _if_given(name: str) -> Any:
    """The value of a flag, None where its default must not count."""
    return FLAGS[name].value if FLAGS[name].present else None


def settings() -> "ExportSettings":
    """What the flags ask for."""
    from tunas_tf.export.export_job import ExportSettings

    return ExportSettings(
        output=FLAGS.output,
        quantize=FLAGS.quantize,
        image_size=_if_given("image_size"),
        num_classes=_if_given("num_classes"),
        dataset=FLAGS.dataset,
        dataset_dir=FLAGS.dataset_dir,
        num_representative_images=FLAGS.num_representative_images,
        num_test_images=FLAGS.num_test_images,
    )


def print_description(
    description: dict[str, Any], to_text: Callable[[dict[str, Any]], str]
) -> None:
    """Prints what was written, and warnings to the standard error."""
    network_flags.print_result(description, to_text(description))
    for warning in description["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
