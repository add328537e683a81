"""The devices that a run computes on, as strategies of tf.distribute, and what workers agree on."""

import contextlib
import json
import os
from collections.abc import Iterator

import tensorflow as tf
from official.common import distribute_utils

from tunas_tf.common.errors import InputError
from tunas_tf.data.splits import Share, SplitDataset

__all__ = [
    "WorkerLost",
    "description",
    "distributed_batches",
    "is_chief",
    "lost_workers_as_such",
    "make_strategy",
    "num_workers",
    "require_divisible",
    "require_same_on_all_workers",
    "sum_over_workers",
]

# How collective operations fail when another worker is no longer there.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


class WorkerLost(Exception):
    """Another worker has gone, without which this one cannot go on."""


def make_strategy(
    name: str,
    num_devices: int | None = None,
    tpu: str | None = None,
    tpu_zone: str | None = None,
    tpu_project: str | None = None,
) -> tf.distribute.Strategy:
    """The devices to compute on; to be called before TensorFlow does anything else.

    Args:
      name: one of `recipe.STRATEGIES`: one_device, the GPU if there is one, else the CPU; mirrored,
        several devices of this machine; multi_worker_mirrored, all devices of the machines that
        the environment variable TF_CONFIG lists; tpu.
      num_devices: of mirrored: so many GPUs, or without any so many parts of the CPU, which make
        nothing faster but let one try what several devices do. None: all GPUs, else the CPU.
      tpu: name or address of a TPU; None: the one of this machine.
      tpu_zone, tpu_project: of a TPU that is given by its name; None: those of this machine.

    Raises:
      InputError: there are no such devices.
    """
    if name == "tpu":
        return _tpu_strategy(tpu, tpu_zone, tpu_project)
    if name == "multi_worker_mirrored":
        _check_cluster(os.environ.get("TF_CONFIG"))
        return tf.distribute.MultiWorkerMirroredStrategy()
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    if name == "one_device":
        return distribute_utils.get_distribution_strategy(name, min(num_gpus, 1))
    if num_gpus:
        if num_devices is not None and num_devices > num_gpus:
            raise InputError(
                f"num_devices is {num_devices}, but there are {num_gpus} GPUs; give {num_gpus} or "
                "less."
            )
        return distribute_utils.get_distribution_strategy(name, num_devices or num_gpus)
    return _mirrored_cpus(num_devices or 1)


def _mirrored_cpus(num_devices: int) -> tf.distribute.Strategy:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * num_devices
    )
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(num_devices)])


def _tpu_strategy(tpu: str | None, zone: str | None, project: str | None) -> tf.distribute.Strategy:
    try:
        address = tpu or "local"
        if zone or project:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(address, zone, project)
            address = resolver.master()
        return distribute_utils.get_distribution_strategy("tpu", tpu_address=address)
    except Exception as error:  # pylint: disable=broad-except  # Of many kinds.
        raise InputError(
            f"the TPU {tpu or 'of this machine'} cannot be used "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); give its "
            "name or address as tpu, or another distribution_strategy."
        ) from None


def _check_cluster(tf_config: str | None) -> None:
    """Raises InputError unless TF_CONFIG lists workers and says which one this is."""
    example = (
        '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    if not tf_config:
        raise InputError(
            "multi_worker_mirrored needs the environment variable TF_CONFIG on every worker, "
            f"like {example}."
        )
    try:
        value = json.loads(tf_config)
        jobs, task = value["cluster"], value["task"]
        hosts = jobs[task["type"]]
        all_hosts = [host for job in jobs.values() for host in job]
        is_sound = (
            set(jobs) <= {"chief", "worker"}
            and 0 <= int(task["index"]) < len(hosts)
            and all(host.rpartition(":")[2].isdigit() for host in all_hosts)
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        is_sound = False
    if not is_sound:
        raise InputError(
            f"TF_CONFIG does not list workers as host:port and say which one this is; it has to "
            f"be like {example}."
        )


def _resolver() -> tf.distribute.cluster_resolver.ClusterResolver | None:
    """Of several workers; None if there is one."""
    strategy = tf.distribute.get_strategy()
    is_one = not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return None if is_one else strategy.cluster_resolver


def num_workers() -> int:
    """How many processes compute together with this one, itself included."""
    resolver = _resolver()
    return 1 if resolver is None else sum(map(len, resolver.cluster_spec().as_dict().values()))


def is_chief() -> bool:
    """Whether this is the worker that writes and reports what all have computed."""
    resolver = _resolver()
    if resolver is None:
        return True
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


def description() -> str:
    """What the run computes on, for its user."""
    strategy = tf.distribute.get_strategy()
    num_replicas = strategy.num_replicas_in_sync
    kind = strategy.extended.worker_devices[0].rpartition(":")[0].rpartition(":")[2]
    text = f"{num_replicas} {kind}{'s' if num_replicas > 1 else ''}"
    return text if num_workers() == 1 else f"{text} of {num_workers()} workers"


@tf.function
def _sum_over_replicas(values: tf.Tensor) -> tf.Tensor:
    strategy = tf.distribute.get_strategy()
    per_replica = strategy.run(lambda: values)
    return strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)


def sum_over_workers(values: list[int]) -> list[int]:
    """The sums over all workers, on each of them; all have to call it at the same point."""
    if num_workers() == 1:
        return values
    replicas_per_worker = tf.distribute.get_strategy().num_replicas_in_sync // num_workers()
    sums = _sum_over_replicas(tf.constant(values, tf.int64)).numpy()
    return [int(value) // replicas_per_worker for value in sums]


@contextlib.contextmanager
def lost_workers_as_such() -> Iterator[None]:
    """What TensorFlow raises when a peer has gone becomes a WorkerLost; alone it is a defect."""
    try:
        yield
    except tf.errors.OpError as error:
        if num_workers() == 1 or not isinstance(error, _LOST):
            raise
        lines = error.message.splitlines()  # Most of them are where in the graph it was noticed.
        raise WorkerLost(next((line for line in lines if "aborted" in line), lines[0])) from None


def require_same_on_all_workers(step: int) -> None:
    """Raises InputError, on some worker at least, unless all go on from the same step."""
    (total,) = sum_over_workers([step])
    if total != step * num_workers():
        raise InputError(
            f"the workers do not go on from the same checkpoint, this one from step {step}; all "
            "need the same --checkpoint_dir, on a file system that they share."
        )


def require_divisible(name: str, batch_size: int) -> None:
    """Raises InputError unless the replicas can share a batch evenly."""
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if batch_size % num_replicas:
        raise InputError(
            f"{name} is {batch_size}, which {num_replicas} replicas cannot share evenly; give a "
            f"multiple of {num_replicas}."
        )


def distributed_batches(
    dataset: SplitDataset,
    split: str,
    batch_size: int,
    seed: int,
    augment: bool,
    first_batch: int | None,
) -> tf.distribute.DistributedDataset:
    """`dataset.training_batches`, of which each replica gets an equal part.

    One replica or many, one worker or many: a step sees the same examples, prepared in the same
    way. A worker decodes only what its own replicas need.
    """
    strategy = tf.distribute.get_strategy()

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        num_pipelines = context.num_input_pipelines
        batches_per_step = context.num_replicas_in_sync // num_pipelines
        return dataset.training_batches(
            split,
            context.get_per_replica_batch_size(batch_size),
            seed,
            augment,
            None if first_batch is None else first_batch * batches_per_step,
            Share(context.input_pipeline_id, num_pipelines),
        )

    return strategy.distribute_datasets_from_function(batches)
