"""The search of a network from plain settings, for programs and for the commands alike."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tf_keras

from tunas_tf.common import run_config
from tunas_tf.common.errors import InputError, brief
from tunas_tf.controller import ControllerConfig
from tunas_tf.cost_model import CostModel
from tunas_tf.cost_model import files as cost_model_files
from tunas_tf.data import ClassificationDataset
from tunas_tf.data.splits import SplitDataset
from tunas_tf.models import Supernet
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec
from tunas_tf.training import analysis, devices, precision, recipe, search_job
from tunas_tf.training.classification import ClassificationTask
from tunas_tf.training.run_directory import RunDirectory
from tunas_tf.training.search_settings import SearchSettings, require_choices, reward_batch_size
from tunas_tf.training.task import Task

__all__ = ["ArchitectureSearch", "search_architecture"]


class ArchitectureSearch:
    """A search that is ready to start: what follows from its settings is derived and checked.

    Attributes:
      task, dataset, cost_model: as given.
      controller_config: settings of the controller.
      settings: those of weights and data.
      execution, rematerialize: how the supernet computes, see `recipe.execution`.
      supernet: with fresh weights that only the seed decides.
      derived: what follows from the settings and the data, by its name in config.json.
      documents: for a run directory: the space, and the cost model if there is one.
    """

    def __init__(
        self,
        *,
        space: spec.SearchSpace,
        dataset: SplitDataset,
        task: Task,
        cost_model: CostModel | None,
        build_supernet: Callable[[str, bool], tf_keras.Model],
        epochs: float = 90.0,
        use_bfloat16: str = "auto",
        execution: str = "auto",
        rematerialize: bool = False,
        model_weight_decay: float | None = None,
        rl_cost_model_target: float | None = None,
        **settings: Any,
    ):
        """
        Args:
          space: that the supernet has.
          dataset: images and labels.
          task: what is learned.
          cost_model: of `space`; None without one.
          build_supernet: makes the supernet, from its execution and whether it rematerializes.
          epochs: passes over the training examples that are not held out for the reward.
          use_bfloat16: one of `recipe.PRECISIONS`.
          execution, rematerialize: as for `recipe.execution`.
          model_weight_decay: None: by `recipe.weight_decay`.
          rl_cost_model_target: cost to hit, in the unit of the cost model; None: that of the
            space's reference network.
          **settings: further fields of `ControllerConfig` and `SearchSettings`.

        Raises:
          InputError: settings are out of their range or do not fit together, no network of the
            space is at the target, or the current devices cannot share a batch.
        """
        require_choices(space)
        target = None
        if cost_model is not None:
            if cost_model.space != space:
                raise InputError(
                    f"the cost model {cost_model.name} is not of the space that is searched, "
                    f"{space.name}; give one that was made for it."
                )
            target = recipe.cost_target(rl_cost_model_target, cost_model)
        elif rl_cost_model_target is not None:
            raise InputError("rl_cost_model_target has no effect without a cost_model.")
        num_examples = dataset.num_examples("search_train")
        batch_size = settings.get("train_batch_size", ControllerConfig.train_batch_size)
        bfloat16 = recipe.uses_bfloat16(use_bfloat16, space.name, precision.on_tpu())
        of_controller = {field.name for field in dataclasses.fields(ControllerConfig)}
        self.controller_config = ControllerConfig(
            total_steps=recipe.total_steps(epochs, num_examples, batch_size),
            rl_cost_model_target=target,
            **{name: value for name, value in settings.items() if name in of_controller},
        )
        self.settings = SearchSettings(
            model_weight_decay=recipe.weight_decay(model_weight_decay, bfloat16),
            **{name: value for name, value in settings.items() if name not in of_controller},
        )
        if cost_model is not None and target is not None:
            search_job.require_network_at(cost_model, target, self.settings.cost_tolerance)
        devices.require_divisible("train_batch_size", batch_size)
        devices.require_divisible(
            "train_batch_size * rl_batch_size_multiplier",
            reward_batch_size(batch_size, self.settings.rl_batch_size_multiplier),
        )
        self.task = task
        self.dataset = dataset
        self.cost_model = cost_model
        self.execution, self.rematerialize = recipe.execution(
            execution, rematerialize, precision.on_tpu()
        )
        self.supernet = search_job.make_supernet(
            functools.partial(build_supernet, self.execution, self.rematerialize),
            self.settings.seed,
            bfloat16,
        )
        self.derived: dict[str, Any] = {
            "total_steps": self.controller_config.total_steps,
            "rl_cost_model_target": target,
            "use_bfloat16": bfloat16,
            "model_weight_decay": self.settings.model_weight_decay,
            "reward_fraction": dataset.reward_fraction,
            "num_classes": dataset.num_classes,
            "search_train": num_examples,
            "search_validation": dataset.num_examples("search_validation"),
            "quality": task.quality_name,
        }
        self.documents = {"search_space": architecture_lib.to_json(space)}
        if cost_model is not None:
            self.documents["cost_model"] = cost_model_files.to_json(cost_model, {})

    def run(
        self, directory: RunDirectory, iterations_per_loop: int = 50, checkpoint_interval: int = 500
    ) -> None:
        """Trains supernet and controller to the last step; from a checkpoint if there is one.

        Args:
          directory: of the run, opened with `derived` and `documents`.
          iterations_per_loop: steps between two looks at the progress.
          checkpoint_interval: steps between two checkpoints.

        Raises:
          StoppedBySignal: SIGINT or SIGTERM came; a checkpoint is written.
        """
        search_job.run_search(
            task=self.task,
            supernet=self.supernet,
            dataset=self.dataset,
            cost_model=self.cost_model,
            controller_config=self.controller_config,
            settings=self.settings,
            run_directory=directory,
            iterations_per_loop=iterations_per_loop,
            checkpoint_interval=checkpoint_interval,
        )


def search_architecture(
    space: spec.SearchSpace,
    dataset: ClassificationDataset,
    checkpoint_dir: str,
    *,
    cost_model: CostModel | None,
    label_smoothing: float = 0.1,
    iterations_per_loop: int = 50,
    checkpoint_interval: int = 500,
    **settings: Any,
) -> analysis.Analysis:
    """Searches the best classifier of a space at a cost: `tunas_tf.search` as a function.

    It trains a supernet and a controller (TuNAS, https://arxiv.org/abs/2008.06120) and writes
    what the commands write: checkpoints, metrics.jsonl, TensorBoard events and, at the end,
    architecture.json. The same call again resumes, or reads what has been found. It computes on
    the devices of the current tf.distribute strategy: call it in the scope of one.

    Args:
      space: search space, e.g. from `search_space.get`.
      dataset: images and labels, from `data.load`.
      checkpoint_dir: directory of the run; created if it is missing. Locked until this process
        ends.
      cost_model: of `space`, e.g. from `cost_model.get`; None: the most accurate network,
        whatever it costs.
      label_smoothing: of the training loss, in [0, 1].
      iterations_per_loop: steps between two looks at the progress.
      checkpoint_interval: steps between two checkpoints.
      **settings: as the flags of `tunas_tf.search`, under the same names and with the same
        defaults: epochs, use_bfloat16, execution, rematerialize, model_weight_decay and
        rl_cost_model_target (see `ArchitectureSearch`), and the fields of `ControllerConfig` and
        `SearchSettings`, e.g. train_batch_size, rl_learning_rate, seed.

    Returns:
      What was found: its `architecture` is the most probable network within cost_tolerance of
      the target or, without a cost model, the most probable one.

    Raises:
      InputError: settings that are out of range or do not fit together or to the data; a
        directory that cannot be written, is in use, or holds another run.
      tunas_tf.StoppedBySignal: SIGINT or SIGTERM came; a checkpoint is written, from which the
        same call resumes.
      TypeError: there is no setting of that name.
    """
    for name, value, is_valid, allowed in (
        ("label_smoothing", label_smoothing, 0 <= label_smoothing <= 1, "in [0, 1]"),
        ("iterations_per_loop", iterations_per_loop, iterations_per_loop >= 1, "at least 1"),
        ("checkpoint_interval", checkpoint_interval, checkpoint_interval >= 1, "at least 1"),
    ):
        if not is_valid:
            raise InputError(f"{name} is {brief(value)}; it must be {allowed}.")
    search = ArchitectureSearch(
        space=space,
        dataset=dataset,
        task=ClassificationTask(label_smoothing),
        cost_model=cost_model,
        build_supernet=lambda execution, rematerialize: Supernet(
            space, dataset.num_classes, execution=execution, rematerialize=rematerialize
        ),
        **settings,
    )
    recorded = {
        "ssd": space.name,
        "dataset": dataset.name,
        "image_size": dataset.image_size,
        "enable_cost_model": cost_model is not None,
        "label_smoothing": label_smoothing,
        **dataclasses.asdict(search.controller_config),
        **dataclasses.asdict(search.settings),
    }
    del recorded["on_nan"]  # It may change when a run is resumed.
    defaults = {
        field.name: field.default
        for settings_type in (ControllerConfig, SearchSettings)
        for field in dataclasses.fields(settings_type)
        if field.default is not dataclasses.MISSING
    }
    directory = RunDirectory(
        checkpoint_dir,
        "search",
        recorded,
        {"derived": search.derived, "defaults": defaults, "versions": run_config.versions()},
        search.documents,
        writes=devices.is_chief(),
    )
    search.run(directory, iterations_per_loop, checkpoint_interval)
    found = analysis.analyze(checkpoint_dir)
    if directory.writes:
        analysis.write_architecture(checkpoint_dir, found)
    return found
