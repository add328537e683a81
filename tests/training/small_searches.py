"""A search on a small space, and what it wrote."""

import json

from tunas_tf import cost_model as cost_model_lib
from tunas_tf.controller import ControllerConfig
from tunas_tf.cost_model import files as cost_model_files
from tunas_tf.models import Supernet
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.training import search_job
from tunas_tf.training.classification import ClassificationTask
from tunas_tf.training.run_directory import RunDirectory
from tunas_tf.training.search_settings import SearchSettings

SETTINGS = SearchSettings(
    augment=True,
    optimizer="rmsprop",
    model_learning_rate=1.0,
    model_warmup_steps_fraction=0.1,
    model_momentum=0.9,
    model_weight_decay=1e-4,
    rl_batch_size_multiplier=1.0,
    seed=0,
    cost_tolerance=0.05,
)


# Of the network (kernel 3, expansion 1), by hand. Stem: 9 * 3 * 8 at 8 x 8; bottleneck: 8 * 8,
# 9 * 8 and 8 * 8 at 8 x 8; classifier: 8 * 2.
TARGET = 64.0 * (216 + 64 + 72 + 64) + 16


def config(total_steps=24, **changes) -> ControllerConfig:
    return ControllerConfig(
        total_steps=total_steps, train_batch_size=8, rl_cost_model_target=TARGET, **changes
    )


def search(
    space,
    dataset,
    path,
    controller_config,
    checkpoint_interval=100,
    cost="madds",
    use_bfloat16=False,
    settings=SETTINGS,
):
    cost_model = cost and cost_model_lib.get(cost, space, 16, 2)
    documents = {"search_space": architecture_lib.to_json(space)}
    if cost:
        documents["cost_model"] = cost_model_files.to_json(cost_model, {})
    directory = RunDirectory(
        str(path),
        "search",
        {
            "cost_model": cost,
            "cost_tolerance": 0.05,
            "enable_cost_model": bool(cost),
            "image_size": 16,
            "dataset": "image_folder",
            "filters_multiplier": 1.0,
            "seed": 0,
        },
        {
            "derived": {
                "num_classes": 2,
                "total_steps": controller_config.total_steps,
                "rl_cost_model_target": controller_config.rl_cost_model_target,
            },
            "versions": {},
        },
        documents,
    )
    search_job.run_search(
        task=ClassificationTask(label_smoothing=0.1),
        supernet=search_job.make_supernet(lambda: Supernet(space, 2), settings.seed, use_bfloat16),
        dataset=dataset,
        cost_model=cost_model,
        controller_config=controller_config,
        settings=settings,
        run_directory=directory,
        iterations_per_loop=6,
        checkpoint_interval=checkpoint_interval,
    )


def metrics(path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
