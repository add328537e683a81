"""Measures the subjects of a plan on a device, a group after the other."""

import math
import os
import sys
import tempfile
import time
from typing import Callable, Sequence

import numpy as np
import tf_keras
import tqdm

from tunas_tf import models
from tunas_tf.calibration.measurement_log import MeasurementLog
from tunas_tf.calibration.plan import Plan, Subject, key_of
from tunas_tf.cost_model.units import Unit
from tunas_tf.export.conversion import convert
from tunas_tf.export.latency import Backend
from tunas_tf.search_space import arithmetic

__all__ = ["disk_megabytes", "measure_plan"]

# Models that take turns. Pieces: together they are larger than the caches, as the layers of a
# network are. Networks run alone, as in a benchmark and in most apps.
_UNITS_PER_GROUP = 24
_NETWORKS_PER_GROUP = 1


def _tflite(subject: Subject, image_size: int, num_classes: int, quantize: str) -> bytes:
    """The subject as a .tflite file, with random weights: they do not matter for the latency."""
    if isinstance(subject, Unit):
        network = models.build_layers(
            subject.layers, subject.input_size, subject.input_filters, subject.filters
        )
    else:
        network = models.build_classifier(subject, num_classes, image_size)
    images = None
    if quantize == "int8":
        images = [np.random.default_rng(0).random(network.input_shape[1:], np.float32)]
    tflite = convert(
        network, quantize=quantize, representative_images=images, signature=False
    )
    tf_keras.backend.clear_session()  # Else Keras remembers all of them.
    return tflite


def disk_megabytes(plan: Plan, image_size: int, num_classes: int) -> float:
    """What the exported models of a plan take, in float32."""
    units = sum(arithmetic.operations_count(unit.operations()).params for unit in plan.units)
    networks = sum(arithmetic.count(n, image_size, num_classes).params for n in plan.networks)
    return (units + networks) * 4 / 1e6


def measure_plan(
    plan: Plan,
    backend: Backend,
    log: MeasurementLog,
    *,
    image_size: int,
    num_classes: int,
    quantize: str,
    num_runs: int,
    num_warmup_runs: int,
    num_passes: int,
    say: Callable[[str], None] = print,
) -> None:
    """Measures what the log does not hold yet.

    Every subject is measured in `num_passes` passes over the plan, so that no one depends on
    what else the machine did at one moment. Between the passes the exported models lie in a
    temporary directory of `disk_megabytes(plan)`.

    Args:
      plan: what to measure.
      backend: where.
      log: takes every latency as soon as it is known.
      image_size, num_classes: of the whole networks.
      quantize: of the exported models.
      num_runs, num_warmup_runs: of each model in each pass.
      num_passes: looks at each subject.
      say: for the lines about the time that it takes.
    """
    work: list[tuple[int, Sequence[Subject]]] = []
    for number in range(num_passes):
        # The networks come in between, when the machine is as warm as for the pieces.
        half = len(plan.units) // 2
        for subjects, size in (
            (plan.units[:half], _UNITS_PER_GROUP),
            (plan.networks, _NETWORKS_PER_GROUP),
            (plan.units[half:], _UNITS_PER_GROUP),
        ):
            missing = [s for s in subjects if not log.has(key_of(s), number)]
            work += [
                (number, missing[i : i + size]) for i in range(0, len(missing), size)
            ]
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
                    file.write(_tflite(subject, image_size, num_classes, quantize))
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
