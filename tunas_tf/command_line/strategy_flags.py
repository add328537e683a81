"""Flags that say on what devices a run computes."""

import contextlib
import os
import sys
from collections.abc import Iterator

from absl import flags

from tunas_tf.command_line import app
from tunas_tf.training import recipe

__all__ = ["NAMES", "check_flags", "define", "devices"]

FLAGS = flags.FLAGS

# A run may go on on other devices.
NAMES = ("distribution_strategy", "num_devices", "tpu", "tpu_project", "tpu_zone")


def define() -> None:
    flags.DEFINE_enum(
        "distribution_strategy",
        "one_device",
        recipe.STRATEGIES,
        "The devices of a run: the GPU if there is one, else the CPU; several GPUs of this "
        "machine; all GPUs of the machines in the environment variable TF_CONFIG; or a TPU. Each "
        "replica samples its own architecture.",
    )
    flags.DEFINE_integer(
        "num_devices",
        None,
        "With mirrored: GPUs, or, where there are none, equal parts that the CPU plays; default: "
        "all GPUs, else one.",
        lower_bound=1,
    )
    flags.DEFINE_string("tpu", None, "Name or address of a TPU; default: that of this machine.")
    flags.DEFINE_string("tpu_zone", None, "Zone of a TPU that is given by its name.")
    flags.DEFINE_string("tpu_project", None, "Cloud project of a TPU that is given by its name.")


def check_flags() -> None:
    """Raises InputError on flags that have no effect with the others."""
    strategy = FLAGS.distribution_strategy
    reason = f"--distribution_strategy is {strategy}"
    app.require_effect(strategy == "mirrored", ["num_devices"], reason)
    app.require_effect(strategy == "tpu", ["tpu", "tpu_zone", "tpu_project"], reason)
    app.require_effect(bool(FLAGS.tpu), ["tpu_zone", "tpu_project"], "no --tpu is named")


@contextlib.contextmanager
def devices() -> Iterator[None]:
    """Within it, all is computed on the devices of the flags; TensorFlow may not have begun.

    Of several workers only the chief prints what all have in common.
    """
    from tunas_tf.training import devices as devices_lib

    strategy = devices_lib.make_strategy(
        FLAGS.distribution_strategy,
        FLAGS.num_devices,
        FLAGS.tpu,
        FLAGS.tpu_zone,
        FLAGS.tpu_project,
    )
    with strategy.scope(), contextlib.ExitStack() as stack:
        if not devices_lib.is_chief():
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
            print("a worker; the chief reports.", file=sys.stderr)
        yield
