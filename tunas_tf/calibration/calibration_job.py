"""A calibration from plain settings to a cost model file with a picture of its errors."""

import dataclasses
import datetime
import sys
from collections.abc import Callable
from typing import Any

from tunas_tf import __version__
from tunas_tf.calibration import fitting, measuring, plan, report
from tunas_tf.calibration.measurement_log import MeasurementLog
from tunas_tf.calibration.validation import Validation
from tunas_tf.cost_model import CostModel, files
from tunas_tf.export.latency import Backend
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec

__all__ = ["CalibrationSettings", "Heads", "calibrate"]


@dataclasses.dataclass(frozen=True)
class CalibrationSettings:
    """What is measured, and how.

    Attributes:
      stem: path of the cost model file without its suffix .json.
      name: of the cost model.
      quantize: of the exported models.
      max_units: pieces to measure at most.
      num_fit_networks, num_validation_networks: as of `plan.make_plan`.
      num_runs, num_warmup_runs, num_passes: as of `measuring.measure_plan`.
      seed: of the choice of pieces and networks.
      command: as it was called, for the provenance.
      say: takes lines about the progress.
    """

    stem: str
    name: str
    quantize: str
    max_units: int
    num_fit_networks: int
    num_validation_networks: int
    num_runs: int
    num_warmup_runs: int
    num_passes: int
    seed: int
    command: str
    say: Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Heads:
    """What a task has behind the backbones of its networks.

    Attributes:
      subjects: to measure, all of them.
      cost: from their latencies to a cost model, as of `fitting.fit_cost_model`.
      provenance: what they are, for the file: names and texts.
    """

    subjects: tuple[Any, ...]
    cost: Callable[[fitting.LatencyOf], CostModel]
    provenance: dict[str, str]


def calibrate(
    settings: CalibrationSettings,
    space: spec.SearchSpace,
    num_classes: int,
    task: measuring.Task,
    backend: Backend,
    heads: Heads | None = None,
) -> Validation:
    """Measures, fits, and writes STEM.json and STEM.png; warns of a cost model that is no good.

    Args:
      settings: what to do.
      space: the search space.
      num_classes: outputs of a classifier that is a piece as others; 0: there is none.
      task: what the networks are for.
      backend: where to measure. STEM.measurements.jsonl takes every latency at once, and what it
        holds already is not measured again.
      heads: what is behind the backbones; None for classifiers.

    Returns:
      How far the cost model is off.
    """
    to_measure = plan.make_plan(
        space,
        task.image_size,
        num_classes,
        settings.max_units,
        settings.num_fit_networks,
        settings.num_validation_networks,
        settings.seed,
        heads.subjects if heads else (),
    )
    device = dataclasses.asdict(backend.provenance)
    # What differs from one process to the next on the same device.
    date = device.pop("date")
    operating_system = device.pop("operating_system")
    of_heads = heads.provenance if heads else {}
    log = MeasurementLog(
        f"{settings.stem}.measurements.jsonl",
        {
            "space": architecture_lib.to_json(space),
            "image_size": task.image_size,
            "num_classes": num_classes,
            **of_heads,
            "quantize": settings.quantize,
            "num_runs": settings.num_runs,
            "device": device,
        },
    )
    number = f"{len(to_measure.units)} of the {to_measure.num_possible_units} pieces"
    if heads:
        number += f", {len(to_measure.heads)} heads"
    settings.say(
        f"{number} of {space.name} and {len(to_measure.networks)} whole networks, "
        f"{settings.num_passes} times each, on {backend.provenance.device}"
    )
    if len(log):
        settings.say(f"{len(log)} measurements are in {log.path} already")
    megabytes = measuring.disk_megabytes(to_measure, task)
    settings.say(f"up to {megabytes:,.0f} MB of temporary files")
    measuring.measure_plan(
        to_measure,
        backend,
        log,
        task,
        quantize=settings.quantize,
        num_runs=settings.num_runs,
        num_warmup_runs=settings.num_warmup_runs,
        num_passes=settings.num_passes,
        say=settings.say,
    )
    fit = fitting.fit_cost_model(
        settings.name,
        space,
        to_measure,
        log,
        image_size=task.image_size,
        num_classes=num_classes,
        num_passes=settings.num_passes,
        head_cost=None if heads is None else heads.cost,
    )
    validation = fitting.validate(fit, to_measure, log, settings.num_passes)
    provenance = {
        **{name: str(value) for name, value in device.items() if value is not None},
        "operating_system": operating_system,
        **of_heads,
        "quantize": settings.quantize,
        "measured": f"{len(to_measure.units)} of {to_measure.num_possible_units} pieces, "
        f"{len(to_measure.fit_networks)} networks for the scale, {settings.num_passes} passes of "
        f"{settings.num_runs} runs",
        **validation.texts(),
        "command": settings.command,
        "tunas_tf": __version__,
        "date": date,
        "fitted": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    title = f"{space.name} on {backend.provenance.device}"
    report.draw(validation, title, f"{settings.stem}.png")
    files.save(fit.cost_model, f"{settings.stem}.json", provenance)
    if validation.warning:
        print(f"warning: {validation.warning}", file=sys.stderr)
    return validation
