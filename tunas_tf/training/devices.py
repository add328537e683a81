"""The devices that a command computes on, as a tf.distribute strategy.

One process drives one device, all GPUs of its machine, or a TPU; with a strategy of several
workers there is one process per machine, each started with the same flags and its own TF_CONFIG.
On a machine without GPUs the CPU is divided into as many devices as are asked for, to try what
will run on GPUs later.
"""

import json
import os
from typing import Any, Optional

import tensorflow as tf

from tunas_tf.common.errors import InputError

__all__ = ["STRATEGIES", "is_chief", "make_strategy", "worker"]

STRATEGIES = ("one_device", "mirrored", "multi_worker_mirrored", "tpu")


def make_strategy(
    name: str,
    num_devices: Optional[int] = None,
    tpu: Optional[str] = None,
    tpu_zone: Optional[str] = None,
    gcp_project: Optional[str] = None,
) -> tf.distribute.Strategy:
    """The strategy, to be made before TensorFlow has computed anything.

    Args:
      name: one of STRATEGIES.
      num_devices: of this process. None: all its GPUs, or one CPU device.
      tpu: name or address of the TPU; None: of this machine.
      tpu_zone, gcp_project: where a TPU of that name is, in Google Cloud.

    Raises:
      InputError: the devices are not there, or TF_CONFIG does not describe workers.
    """
    if name == "one_device":
        return tf.distribute.get_strategy()  # Runs on the first GPU, else on the CPU.
    if name == "tpu":
        return _tpu_strategy(tpu, tpu_zone, gcp_project)
    if name == "multi_worker_mirrored":
        worker()  # That TF_CONFIG has one.
    devices = _devices(num_devices)
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.MultiWorkerMirroredStrategy()


def _devices(number: Optional[int]) -> list[str]:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        number = number or len(gpus)
        if number > len(gpus):
            raise InputError(
                f"--num_devices={number}, but this machine has {len(gpus)} GPU(s); give at most "
                f"{len(gpus)}."
            )
        tf.config.set_visible_devices(gpus[:number], "GPU")
        return [f"GPU:{index}" for index in range(number)]
    number = number or 1
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * number
    )
    return [f"CPU:{index}" for index in range(number)]


def _tpu_strategy(tpu, tpu_zone, gcp_project) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            tpu or "local", zone=tpu_zone, project=gcp_project
        )
        if tpu:
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"no TPU answers as {tpu or 'local'} ({reason}); give its name as --tpu with "
            "--tpu_zone and --gcp_project, or run on the TPU's own machine without them."
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def worker() -> tuple[int, int]:
    """Which worker this process is, and how many there are, by TF_CONFIG.

    Without TF_CONFIG, in a strategy of one process, that is (0, 1).
    """
    text = os.environ.get("TF_CONFIG")
    try:
        config: Any = json.loads(text) if text else {"cluster": {"worker": ["localhost:0"]}}
        workers = config["cluster"]["worker"]
        index = int(config.get("task", {"index": 0})["index"])
        is_sound = (
            set(config["cluster"]) == {"worker"}
            and all(isinstance(address, str) and ":" in address for address in workers)
            and 0 <= index < len(workers)
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        is_sound = False
    if not is_sound:
        raise InputError(
            "TF_CONFIG does not describe this worker; set it like "
            '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
            '"task": {"type": "worker", "index": 0}}.'
        )
    return index, len(workers)


def is_chief() -> bool:
    """Whether this process writes what all workers of the current strategy found."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    return resolver is None or not resolver.task_id or resolver.task_type != "worker"
