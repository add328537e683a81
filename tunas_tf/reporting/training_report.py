"""The report of one network: its training, its evaluation, what it detects."""

import os
from typing import Any

from tunas_tf.common import checks
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import cost_text
from tunas_tf.reporting import charts, page
from tunas_tf.reporting.network_section import classes_of, network_section
from tunas_tf.reporting.run_files import picture_uri, read_json, read_metrics
from tunas_tf.reporting.settings_section import progress_text, settings_section
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import arithmetic

__all__ = ["report"]

# Figures of COCO, by their names in evaluation.json.
_COCO = {
    "ap": "AP (IoU 0.50 to 0.95)",
    "ap50": "AP at IoU 0.50",
    "ap75": "AP at IoU 0.75",
    "ap_small": "AP of small objects",
    "ap_medium": "AP of medium objects",
    "ap_large": "AP of large objects",
    "ar1": "AR with 1 detection",
    "ar10": "AR with 10 detections",
    "ar100": "AR with 100 detections",
    "ar_small": "AR of small objects",
    "ar_medium": "AR of medium objects",
    "ar_large": "AR of large objects",
}
_PREFIX = "model/"

_REQUIRED = checks.record(
    {
        "settings": checks.record(
            dict.fromkeys(("dataset", "image_size", "network", "seed"), checks.anything)
        ),
        "derived": checks.record({"total_steps": checks.anything}),
    }
)
_SHARE = checks.number(-1, 1)
_EVALUATION = checks.record(
    {"num_examples": checks.integer(0), "split": checks.text, "step": checks.integer(0)},
    {
        "accuracy": _SHARE,
        "ap_per_class": checks.nullable(checks.mapping_of(_SHARE)),
        **dict.fromkeys(_COCO, _SHARE),
    },
)


def _evaluation(directory: str, evaluation: dict[str, Any]) -> str:
    where = (
        f"{evaluation['num_examples']:,} images of {evaluation['split']}, each once, at step "
        f"{evaluation['step']:,}."
    )
    if "accuracy" in evaluation:
        content = [page.note(f"Accuracy {evaluation['accuracy']:.2%} on {where}")]
    else:
        names = {name: name.replace("_", " ") for name, v in evaluation.items() if type(v) is float}
        rows = [
            # COCO's -1: there is no object of that size.
            (text, "–" if evaluation[name] < 0 else f"{evaluation[name]:.4f}")
            for name, text in {**names, **_COCO}.items()
            if name in evaluation
        ]
        content = [page.note(f"On {where}"), page.table(["COCO's figures", "0 to 1"], rows)]
    if per_class := evaluation.get("ap_per_class"):
        ranked = sorted(per_class.items(), key=lambda item: -item[1])
        content.append(
            page.table(["class", "AP"], [(k, f"{v:.4f}") for k, v in ranked], "AP of each class")
        )
    picture = os.path.join(directory, "detections.png")
    if os.path.lexists(picture):
        content.append(
            page.figure(
                "Sample detections",
                picture_uri(picture),
                "Test images with the boxes, classes and scores that the detector found, and the "
                "objects that are there.",
                wide=True,
            )
        )
    return page.section("Evaluation", *content)


def _curves(metrics, last_step: int) -> str:
    """A picture for each metric of the training, the loss and the accuracy first."""
    titles = {
        "loss": "Training loss",
        "training_accuracy": "Training accuracy",
        "learning_rate": "Learning rate",
    }
    names = sorted(
        (name for name in metrics if name.startswith(_PREFIX)),
        key=lambda name: (
            list(titles).index(name.removeprefix(_PREFIX))
            if name.removeprefix(_PREFIX) in titles
            else len(titles),
            name,
        ),
    )
    figures = []
    for name in names:
        short = name.removeprefix(_PREFIX)
        title = titles.get(short, short.replace("_", " ").capitalize())
        curve = metrics[name]
        picture = charts.curves(
            [charts.Series(title, curve, short != "learning_rate")],
            short.replace("_", " ") + (" (0 to 1)" if "accuracy" in short else ""),
            last_step,
        )
        alt = (
            f"{title} over the steps, from {curve.values[0]:.4g} to {curve.values[-1]:.4g} at "
            f"step {curve.steps[-1]}."
        )
        figures.append(page.figure(title, picture, alt))
    return page.figures(*figures)


def report(directory: str, config: dict[str, Any]) -> str:
    """The page of a training, finished or running.

    Args:
      directory: of the run.
      config: its config.json.
    """
    try:
        _REQUIRED(config)
        architecture = architecture_lib.network_from_json(config["settings"]["network"])
    except ValueError as error:
        raise InputError(
            f"the run in {directory} cannot be shown, as {error}; give that of another training."
        ) from None
    settings, derived = config["settings"], config["derived"]
    metrics = read_metrics(directory)
    evaluation = read_json(directory, "evaluation.json", _EVALUATION)
    # The training of a classifier does not note the number of classes, but they can be told from
    # the parameters: each has a weight for every feature, and a bias.
    count = arithmetic.count(architecture, settings["image_size"], 0)
    detector = "detector" in settings
    num_classes = classes_of(config)
    if not detector and not num_classes and "params" in derived:
        above = derived["params"] - count.params
        num_classes = max(0, above // (architecture.output_filters + 1))

    values = {"progress": progress_text(config, metrics)}
    if evaluation is not None:
        quality = "accuracy" if "accuracy" in evaluation else "ap"
        if quality in evaluation:
            name = f"{'AP' if quality == 'ap' else quality} on {evaluation['split']}"
            value = evaluation[quality]
            values[name] = f"{value:.2%}" if value >= 0 else "–"  # COCO's -1: no object.
    for name in ("madds", "params"):
        if name in derived:
            values[cost_text.unit_name(name)] = cost_text.short_number(derived[name], name)
    content = [page.cards(values)]
    if evaluation is None:
        content.append(page.note("The network has not been evaluated yet.", important=True))
    else:
        content.append(_evaluation(directory, evaluation))
    if metrics:
        content.append(page.section("Training", _curves(metrics, derived["total_steps"])))
    content.append(
        network_section(
            "The backbone" if detector else "The network",
            f"A network of {architecture.ssd}.",
            architecture,
            settings["image_size"],
            num_classes,
        )
    )
    content.append(settings_section(config))
    return page.page(
        f"{'Detector' if detector else 'Network'} of {architecture.ssd}",
        f"trained on {settings['dataset']}, {settings['image_size']} × {settings['image_size']} "
        f"pixels, seed {settings['seed']}",
        content,
    )
