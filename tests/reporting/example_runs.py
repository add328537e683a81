"""Run directories as commands leave them, without any training."""

import json
import math
import pathlib

import numpy as np

from tunas_tf import cost_model, search_space
from tunas_tf.cost_model import files as cost_model_files
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import arithmetic

SSD = "quickstart_search"
TARGET = 6_702_528.0
TOTAL_STEPS = 200

_SETTINGS = {
    "cost_tolerance": 0.01,
    "dataset": "digits",
    "enable_cost_model": True,
    "image_size": 64,
    "rl_reward_function": "abs",
    "filters_multiplier": 1.0,
    "seed": 3,
    "ssd": SSD,
    "a<script>": "<b>bold</b> & more",
}
_VERSIONS = {"tunas_tf": "0.1.0"}


def _write(path: pathlib.Path, value) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _write_metrics(directory: pathlib.Path, num_steps: int, values) -> None:
    lines = [
        json.dumps({"step": step, **{name: function(step) for name, function in values.items()}})
        for step in range(1, num_steps + 1)
    ]
    # The run is writing the next one.
    text = "\n".join(lines) + '\n{"step": 9'
    (directory / "metrics.jsonl").write_text(text, encoding="utf-8")


def logits(step: int) -> np.ndarray:
    """[choices, options] the controller of the example at a step: ever surer of the last option."""
    choices = search_space.choices_of(search_space.get(SSD))
    widest = max(choice.num_options for choice in choices)
    rows = np.zeros((len(choices), widest), np.float32)
    for row, choice in zip(rows, choices):
        row[choice.num_options - 1] = step / 50
    return rows


def write_events(directory: pathlib.Path, steps, scale: float = 1.0) -> None:
    """TensorBoard events as a search writes them."""
    import tensorflow as tf

    choices = search_space.choices_of(search_space.get(SSD))
    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default():
        for step in steps:
            for choice, row in zip(choices, scale * logits(step)):
                for option in range(choice.num_options):
                    name = f"rlpathlogits/{choice.path}/{option}"
                    tf.summary.scalar(name, row[option], step=step)
            tf.summary.scalar("model/loss", 1.0, step=step)
    writer.close()


def write_checkpoint(directory: pathlib.Path, step: int) -> None:
    """The part of a search's checkpoint that its analysis reads."""
    import tensorflow as tf

    state = tf.train.Checkpoint(logits=tf.Variable(logits(step)))
    checkpoint = tf.train.Checkpoint(
        controller=tf.train.Checkpoint(state=state),
        global_step=tf.Variable(step, dtype=tf.int64),
    )
    manager = tf.train.CheckpointManager(checkpoint, str(directory), max_to_keep=1)
    manager.save(checkpoint_number=step)


def write_search(
    directory: pathlib.Path,
    num_steps: int = TOTAL_STEPS,
    command: str = "search",
    quality: str = "accuracy",
    **settings,
) -> None:
    """A search in quickstart_search that has done `num_steps`."""
    directory.mkdir(parents=True, exist_ok=True)
    space = search_space.get(SSD)
    model = cost_model.get("madds", space, 64, 10)
    _write(directory / "search_space.json", architecture_lib.to_json(space))
    _write(directory / "cost_model.json", cost_model_files.to_json(model, {}))
    config = {
        "command": command,
        "settings": {**_SETTINGS, **settings},
        "documents": ["cost_model", "search_space"],
        "derived": {
            "total_steps": TOTAL_STEPS,
            "rl_cost_model_target": TARGET,
            "num_classes": 10,
        },
        "versions": _VERSIONS,
    }
    _write(directory / "config.json", config)
    if num_steps:
        _write_metrics(
            directory,
            num_steps,
            {
                "model/loss": lambda step: 2.0 / step,
                f"rlcontroller/validation_{quality}": lambda step: 1 - math.exp(-step / 50),
                "rlcontroller/reward": lambda step: 0.5 - 1 / step,
                "rlcontroller/baseline": lambda step: 0.4 - 1 / step,
                "rlcontroller/estimated_cost": lambda step: TARGET * (1 + 1 / step),
                "rlcontroller/expected_cost": lambda step: TARGET * (1 + 0.5 / step),
            },
        )


def write_architecture(directory: pathlib.Path) -> None:
    """The architecture.json of a search: its reference network."""
    space = search_space.get(SSD)
    value = architecture_lib.to_json(search_space.resolve(space, space.reference_indices))
    value.update(select="feasible", provenance={"step": TOTAL_STEPS})
    _write(directory / "architecture.json", value)


def write_training(directory: pathlib.Path, command: str = "train_eval", **settings) -> None:
    """A training that is half done."""
    directory.mkdir(parents=True, exist_ok=True)
    space = search_space.get(SSD)
    network = search_space.resolve(space, space.reference_indices)
    config = {
        "command": command,
        "settings": {**_SETTINGS, "network": architecture_lib.to_json(network), **settings},
        "documents": [],
        "derived": {"total_steps": TOTAL_STEPS},
        "versions": _VERSIONS,
    }
    if "detector" in settings:
        config["derived"].update(num_classes=11)
    else:
        counts = arithmetic.count(network, 64, 10)
        config["derived"].update(counts._asdict())
    _write(directory / "config.json", config)
    _write_metrics(
        directory,
        TOTAL_STEPS // 2,
        {
            "model/loss": lambda step: 2.0 / step,
            "model/training_accuracy": lambda step: 1 - 1 / step,
            "model/learning_rate": lambda step: 0.1,
        },
    )


PNG = bytes.fromhex(  # One grey pixel.
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63680000"
    "00820081772cd1c60000000049454e44ae426082"
)
