"""The report of a search: what it found, how it got there."""

import itertools
import os
from typing import Any, NamedTuple

from tunas_tf.common import checks
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import CostModel, cost_text
from tunas_tf.cost_model import files as cost_model_files
from tunas_tf.reporting import charts, choice_history, page
from tunas_tf.reporting.network_section import classes_of, network_section
from tunas_tf.reporting.run_files import Curve, read_json, read_metrics
from tunas_tf.reporting.settings_section import progress_text, settings_section
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.architecture import Architecture

__all__ = ["report"]

_QUALITY = "rlcontroller/validation_"
# Qualities from 0 to 1.
_SHARES = ("accuracy", "ap", "ap50")

_REQUIRED = checks.record(
    {
        "settings": checks.record(
            dict.fromkeys(
                ("cost_tolerance", "dataset", "image_size", "rl_reward_function", "seed"),
                checks.anything,
            )
        ),
        "derived": checks.record({"total_steps": checks.anything}),
        "search_space": checks.anything,
    }
)
# Beside the network, which `architecture.load` checks.
_ARCHITECTURE = checks.record(
    {},
    {
        "provenance": checks.record({}, {"step": checks.nullable(checks.integer(0))}),
        "select": checks.text,
    },
)


class _Choice(NamedTuple):
    """The network that the report shows; `note` says how it was chosen, or why there is none."""

    architecture: Architecture | None
    note: str


def _chosen(directory: str, space: spec.SearchSpace) -> _Choice:
    """The network of architecture.json, or else of the newest checkpoint."""
    path = os.path.join(directory, "architecture.json")
    value = read_json(directory, "architecture.json", _ARCHITECTURE)
    if value is not None:
        step = value.get("provenance", {}).get("step")
        rule = {"feasible": "the most probable within the tolerance of the target"}.get(
            value.get("select", ""), "the most probable option of every choice"
        )
        when = "" if step is None else f" at step {step:,}"
        note = f"The network of architecture.json: {rule}{when}."
        architecture = architecture_lib.load(path)
        try:
            traversal.validate_indices(space, architecture.indices)
        except InputError as error:
            raise InputError(f"{path} is no network of this search: {error}") from None
        return _Choice(architecture, note)

    # It needs TensorFlow, which takes seconds to import.
    from tunas_tf.training import analysis

    try:
        found = analysis.analyze(directory, "feasible")
    except InputError as error:
        try:
            found = analysis.analyze(directory, "argmax")
        except InputError:
            return _Choice(None, f"There is no network to show yet: {error}")
        note = "the most probable option of every choice"
    else:
        note = "the most probable within the tolerance of the target"
    return _Choice(
        found.architecture,
        f"There is no architecture.json yet. This network is {note}, by the newest checkpoint, "
        f"step {found.step:,}.",
    )


def _quality_name(metrics: dict[str, Curve]) -> str | None:
    return next((name for name in sorted(metrics) if name.startswith(_QUALITY)), None)


def _curves(metrics, config, history, target: float | None, unit: str) -> str:
    settings, derived = config["settings"], config["derived"]
    last_step = derived["total_steps"]
    figures: list[str] = []

    def add(title, ylabel, names, caption, **arguments):
        series = [
            charts.Series(label, metrics[name], noisy)
            for label, name, noisy in names
            if name in metrics
        ]
        if series:
            _add(figures, title, ylabel, series, caption, last_step, **arguments)

    quality = _quality_name(metrics)
    if quality is not None:
        name = quality.removeprefix(_QUALITY)
        add(
            f"Quality: {'AP' if name == 'ap' else name}",
            f"{'AP' if name == 'ap' else name}{' (0 to 1)' if name in _SHARES else ''}",
            [(name, quality, True)],
            "Of the sampled networks, with shared weights, on images held out for the reward. "
            "Faint: as measured; solid: its moving mean.",
        )
    add(
        "Reward",
        "reward",
        [("reward", "rlcontroller/reward", True), ("baseline", "rlcontroller/baseline", False)],
        f"Quality and cost together ({settings['rl_reward_function']}), and the moving average "
        "that it is compared with.",
    )
    if target is not None:
        add(
            "Cost",
            f"cost ({cost_text.unit_name(unit)})",
            [
                ("sampled", "rlcontroller/estimated_cost", True),
                ("expected", "rlcontroller/expected_cost", False),
            ],
            "Of the sampled networks, and the mean under the controller. Band: within "
            f"{settings['cost_tolerance']:.1%} of the target.",
            target=target,
            tolerance=settings["cost_tolerance"],
        )
    if history is not None:
        entropy = charts.Series("entropy", Curve(history.steps, history.entropy()))
        _add(
            figures,
            "Entropy of the controller",
            "entropy (nats)",
            [entropy],
            "The sum over all choices; 0 when it is sure of every one.",
            last_step,
        )
    add(
        "Training loss",
        "loss",
        [("loss", "model/loss", True)],
        "Of the shared weights, with weight decay.",
    )
    return page.figures(*figures)


def _add(figures, title, ylabel, series, caption, last_step, **arguments) -> None:
    alt = f"{title} over the steps. " + " ".join(
        f"{label} goes from {curve.values[0]:.4g} to {curve.values[-1]:.4g} at step "
        f"{curve.steps[-1]}."
        for label, curve, _ in series
    )
    if arguments.get("target") is not None:
        alt += f" The target is {arguments['target']:.4g}."
    picture = charts.curves(series, ylabel, last_step, **arguments)
    figures.append(page.figure(title, picture, alt, caption))


def _heat_maps(space: spec.SearchSpace, history, architecture, last_step: int) -> str:
    """A figure for each block."""
    choices = traversal.choices_of(space)
    places = [choice_history.describe_choice(choices, n) for n in range(len(choices))]
    figures = []
    numbers = [n for n, choice in enumerate(choices) if choice.num_options > 1]
    for block, group in itertools.groupby(numbers, key=lambda number: places[number][0]):
        strips, words = [], []
        for number in group:
            _, layer, decides = places[number]
            title = decides if layer is None else f"layer {layer}: {decides}"
            options = [
                choice_history.describe_option(option) for option in choices[number].one_of.choices
            ]
            chosen = None if architecture is None else architecture.indices[number]
            rows = history.probabilities[number]
            strips.append(charts.Strip(title, options, chosen, rows))
            words.append(
                f"{title}: "
                + ", ".join(f"{text} {value:.2f}" for text, value in zip(options, rows[-1]))
            )
        figures.append(
            page.figure(
                f"Block {block}",
                charts.heat_map(history.steps, strips, last_step),
                f"Heat maps of the probabilities of the options of block {block} over the steps. "
                f"At step {history.steps[-1]}: {'; '.join(words)}.",
            )
        )
    return page.figures(*figures)


def _key_figures(config, metrics, chosen: _Choice, cost_model: CostModel | None, target) -> str:
    values = {"progress": progress_text(config, metrics)}
    quality = _quality_name(metrics)
    if quality is not None:
        mean = charts.moving_mean(metrics[quality]).values[-1]
        name = quality.removeprefix(_QUALITY)
        values[f"{'AP' if name == 'ap' else name} of sampled networks"] = (
            f"{mean:.1%}" if name in _SHARES else f"{mean:.4g}"
        )
    if cost_model is not None:
        unit = cost_model.unit
        name = cost_text.unit_name(unit)
        values[f"cost target ({name})"] = cost_text.short_number(target, unit)
        if chosen.architecture is not None:
            cost = float(cost_model.cost(chosen.architecture.indices))
            values[f"cost of the network ({name})"] = cost_text.short_number(cost, unit)
            values["distance to the target"] = f"{cost / target - 1:+.2%}"
    return page.cards(values)


def report(directory: str, config: dict[str, Any]) -> str:
    """The page of a search, finished or running.

    Args:
      directory: of the run.
      config: its config.json, with documents.
    """
    metrics = read_metrics(directory)
    try:
        _REQUIRED(config)
        space = architecture_lib.space_from_json(config["search_space"])
    except ValueError as error:
        raise InputError(
            f"the run in {directory} cannot be shown, as {error}; give that of another search."
        ) from None
    settings, derived = config["settings"], config["derived"]
    cost_model = None
    if config.get("cost_model") is not None:
        cost_model = cost_model_files.from_json(config["cost_model"])
    target = derived.get("rl_cost_model_target")
    if cost_model is not None and target is None:
        raise InputError(
            f"the run in {directory} cannot be shown, as it has a cost model and no target; give "
            "that of another search."
        )
    chosen = _chosen(directory, space)
    history = choice_history.read(directory, space)

    content = [_key_figures(config, metrics, chosen, cost_model, target)]
    if chosen.architecture is None:
        content.append(page.section("The network", page.note(chosen.note, important=True)))
    else:
        content.append(
            network_section(
                "The network",
                chosen.note,
                chosen.architecture,
                settings["image_size"],
                classes_of(config),
                cost_model,
            )
        )
    if metrics:
        unit = "" if cost_model is None else cost_model.unit
        content.append(page.section("The search", _curves(metrics, config, history, target, unit)))
    if history is not None:
        content.append(
            page.section(
                "What the controller thought",
                page.note(
                    "The probability of each option over the steps: dark is 0, bright is 1. The "
                    "option of the network above is marked (▸). Choices of a skipped layer "
                    "have no effect."
                ),
                _heat_maps(space, history, chosen.architecture, derived["total_steps"]),
            )
        )
    content.append(settings_section(config))
    kind = "Detector search" if "detector" in settings else "Search"
    return page.page(
        f"{kind} in {space.name}",
        f"on {settings['dataset']}, {settings['image_size']} × {settings['image_size']} pixels, "
        f"seed {settings['seed']}",
        content,
    )
