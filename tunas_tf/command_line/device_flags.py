"""The flags that say which devices a command computes on."""

import contextlib
import os
from typing import Iterator

from absl import flags

from tunas_tf.command_line import app
from tunas_tf.common.errors import InputError

__all__ = ["NAMES", "define", "scope"]

FLAGS = flags.FLAGS

# They may change between two processes of a run.
NAMES = ("distribution_strategy", "gcp_project", "num_devices", "tpu", "tpu_zone")


def define() -> None:
    flags.DEFINE_enum(
        "distribution_strategy",
        "one_device",
        ["one_device", "mirrored", "multi_worker_mirrored", "tpu"],
        "one_device: the first GPU, else the CPU; mirrored: all GPUs of the machine, every one "
        "with an architecture of its own; multi_worker_mirrored: of several machines, by "
        "TF_CONFIG; tpu.",
    )
    flags.DEFINE_integer(
        "num_devices",
        None,
        "Devices of this process; default: all its GPUs, or 1. Without GPUs the CPU is divided.",
        lower_bound=1,
    )
    flags.DEFINE_string("tpu", None, "Name or address of the TPU; default: of this machine.")
    flags.DEFINE_string("tpu_zone", None, "Zone of Google Cloud where the TPU is.")
    flags.DEFINE_string("gcp_project", None, "Project of Google Cloud that the TPU belongs to.")


def _check() -> None:
    strategy = FLAGS.distribution_strategy
    app.require_effect(
        strategy.endswith("mirrored"), ["num_devices"], f"{strategy} has devices of its own"
    )
    app.require_effect(strategy == "tpu", ["tpu"], f"the strategy is {strategy}")
    app.require_effect(
        bool(FLAGS.tpu), ["tpu_zone", "gcp_project"], "no TPU is named by --tpu"
    )
    if strategy == "multi_worker_mirrored" and not os.environ.get("TF_CONFIG"):
        raise InputError(
            "--distribution_strategy=multi_worker_mirrored needs TF_CONFIG, which names the "
            "workers; set it in each worker's environment, or use mirrored on one machine."
        )


@contextlib.contextmanager
def scope() -> Iterator[None]:
    """Within it TensorFlow computes on these devices; to be entered before it computes."""
    _check()
    from tunas_tf.training import devices

    strategy = devices.make_strategy(
        FLAGS.distribution_strategy,
        FLAGS.num_devices,
        FLAGS.tpu,
        FLAGS.tpu_zone,
        FLAGS.gcp_project,
    )
    replicas = strategy.num_replicas_in_sync
    if FLAGS.train_batch_size % replicas:
        raise InputError(
            f"--train_batch_size={FLAGS.train_batch_size} does not divide among {replicas} "
            f"replicas; give a multiple of {replicas}."
        )
    with strategy.scope():
        yield
