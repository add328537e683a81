"""Measures the subjects of a plan on a device, a group after the other."""

import dataclasses
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import tf_keras
import tqdm

from tunas_tf import models
from tunas_tf.calibration.measurement_log import MeasurementLog
from tunas_tf.calibration.plan import Plan, Subject, key_of
from tunas_tf.cost_model.units import Unit
from tunas_tf.export.conversion import Shape, convert
from tunas_tf.export.latency import Backend
from tunas_tf.search_space import arithmetic
from tunas_tf.search_space.architecture import Architecture

__all__ = ["Classification", "Exportable", "Task", "disk_megabytes", "measure_plan"]

# Models that take turns. Pieces: together they are larger than the caches, as the layers of a
# network are. Networks run alone, as in a benchmark and in most apps.
_UNITS_PER_GROUP = 24
_NETWORKS_PER_GROUP = 1


class Exportable(NamedTuple):
    """A subject as a network: its arguments of `conversion.convert`.

    Attributes:
      network: with random weights, which do not matter for the latency.
      input_shape: of its input, or of several by name.
    """

    network: Callable
    input_shape: Shape


class Task(Protocol):
    """What the networks are for: it decides what is behind their backbones."""

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""

    def build(self, subject: Any) -> Exportable:
        """A head or network of a plan."""

    def num_params(self, subject: Any) -> int:
        """Of a head or a network."""


@dataclasses.dataclass(frozen=True)
class Classification:
    """Classifiers, whose head is a piece like others.

    Attributes:
      image_size: side of their images in pixels.
      num_classes: their outputs.
    """

    image_size: int
    num_classes: int

    def build(self, subject: Architecture) -> Exportable:
        network = models.build_classifier(subject, self.num_classes, self.image_size)
        return Exportable(network, network.input_shape[1:])

    def num_params(self, subject: Architecture) -> int:
        return arithmetic.count(subject, self.image_size, self.num_classes).params


def _build(subject: Subject, task: Task) -> Exportable:
    if not isinstance(subject, Unit):
        return task.build(subject)
    network = models.build_layers(
        subject.layers, subject.input_size, subject.input_filters, subject.filters
    )
    return Exportable(network, network.input_shape[1:])


def _tflite(subject: Subject, task: Task, quantize: str) -> bytes:
    network, shape = _build(subject, task)
    images: list[Any] | None = None
    if quantize == "int8":
        generator = np.random.default_rng(0)
        if isinstance(shape, Mapping):
            images = [{name: generator.random(each, np.float32) for name, each in shape.items()}]
        else:
            images = [generator.random(shape, np.float32)]
    tflite = convert(
        network, shape, quantize=quantize, representative_images=images, signature=False
    )
    tf_keras.backend.clear_session()  # Else Keras remembers all of them.
    return tflite


def disk_megabytes(plan: Plan, task: Task) -> float:
    """What the exported models of a plan take, in float32."""
    units = sum(arithmetic.operations_count(unit.operations()).params for unit in plan.units)
    others = sum(task.num_params(subject) for subject in plan.heads + plan.networks)
    return (units + others) * 4 / 1e6


def measure_plan(
    plan: Plan,
    backend: Backend,
    log: MeasurementLog,
    task: Task,
    *,
    quantize: str,
    num_runs: int,
    num_warmup_runs: int,
    num_passes: int,
    say: Callable[[str], None] = print,
) -> None:
    """Measures what the log does not hold yet.

    Every subject is measured in `num_passes` passes over the plan, so that no one depends on
    what else the machine did at one moment. Between the passes the exported models lie in a
    temporary directory of `disk_megabytes(plan, task)`.

    Args:
      plan: what to measure.
      backend: where.
      log: takes every latency as soon as it is known.
      task: builds the whole networks.
      quantize: of the exported models.
      num_runs, num_warmup_runs: of each model in each pass.
      num_passes: looks at each subject.
      say: for the lines about the time that it takes.
    """
    work: list[tuple[int, Sequence[Subject]]] = []
    for number in range(num_passes):
        # The networks come in between, when the machine is as warm as for the pieces.
        half = len(plan.pieces) // 2
        for subjects, size in (
            (plan.pieces[:half], _UNITS_PER_GROUP),
            (plan.networks, _NETWORKS_PER_GROUP),
            (plan.pieces[half:], _UNITS_PER_GROUP),
        ):
            missing = [s for s in subjects if not log.has(key_of(s), number)]
            work += [(number, missing[i : i + size]) for i in range(0, len(missing), size)]
    if not work:
        return
    bar = tqdm.tqdm(
        total=sum(len(group) for _, group in work),
        unit="model",
        dynamic_ncols=True,
        disable=not sys.stderr.isatty(),
    )
    start = time.monotonic()
    done, reported = 0, 0
    with bar, tempfile.TemporaryDirectory(prefix="calibration") as directory:

        def exported(subject: Subject) -> str:
            path = os.path.join(directory, f"{key_of(subject)}.tflite")
            if not os.path.exists(path):
                with open(path, "wb") as file:
                    file.write(_tflite(subject, task, quantize))
            return path

        for number, group in work:
            paths = [exported(subject) for subject in group]
            latencies = backend.measure(paths, num_runs, num_warmup_runs)
            for subject, latency in zip(group, latencies):
                log.append(key_of(subject), number, latency.typical_ms)
            done += len(group)
            bar.update(len(group))
            share = done / bar.total
            if math.floor(10 * share) > reported:
                reported = math.floor(10 * share)
                minutes = (time.monotonic() - start) / 60 * (1 / share - 1)
                say(f"{done} of {bar.total} models measured, about {minutes:.1f} minutes to go")
