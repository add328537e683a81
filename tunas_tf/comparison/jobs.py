"""The items of a comparison as work: searches, trainings, evaluations. Runs in the workers."""

import dataclasses
import functools
import glob
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf import data
from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json
from tunas_tf.common.json_files import VERSIONS
from tunas_tf.comparison import evolution
from tunas_tf.comparison.plan import (
    Comparison,
    Evolution,
    Fidelity,
    Found,
    Item,
    Search,
    Training,
    decisive,
)
from tunas_tf.comparison.results import Result
from tunas_tf.controller import ControllerConfig
from tunas_tf.cost_model import files as cost_model_files
from tunas_tf.models import Supernet, build_classifier
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import traversal
from tunas_tf.training import analysis, checkpoints, recipe, search_job
from tunas_tf.training.classification import ClassificationTask, correct
from tunas_tf.training.classifier_job import ClassifierEvaluator, ClassifierSettings
from tunas_tf.training.network_job import NetworkSettings, run_network
from tunas_tf.training.run_directory import RunDirectory
from tunas_tf.training.search_settings import SearchSettings

__all__ = ["Jobs", "check_settings"]

# Validation images are kept in memory if they are not more bytes than this.
_CACHE_BYTES = 2**30

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Settings = TypeVar("_Settings", bound="DataclassInstance")


def _fill(settings_type: type[_Settings], values: dict[str, Any]) -> _Settings:
    fields = dataclasses.fields(settings_type)
    return settings_type(**{field.name: values[field.name] for field in fields})


def _search_settings(comparison: Comparison, item: Search) -> dict[str, Any]:
    return {**comparison.settings, **dict(item.changes), "seed": item.seed}


def _network_settings(comparison: Comparison, seed: int) -> NetworkSettings:
    values = {**comparison.train_settings, **comparison.train_derived, "seed": seed}
    return _fill(NetworkSettings, values)


def check_settings(comparison: Comparison, searches: Iterable[Search]) -> None:
    """Raises InputError if some search or training refuses its settings, before any begins."""
    for item in searches:
        values = {**_search_settings(comparison, item), **comparison.derived}
        _fill(ControllerConfig, values)
        _fill(SearchSettings, values)
    train_settings = comparison.train_settings
    try:
        _network_settings(comparison, 0)
        ClassifierSettings(
            test_split="test",
            eval_batch_size=comparison.eval_batch_size,
            label_smoothing=train_settings["label_smoothing"],
            dropout_rate=train_settings["dropout_rate"] or 0.0,
            path_dropout_rate=train_settings["path_dropout_rate"],
            batch_norm_momentum=train_settings["batch_norm_momentum"],
        )
    except InputError as error:
        raise InputError(f"train_{error}") from None  # It begins with the name.


def _duration(elapsed: float, first_step: int, total_steps: int, directory: RunDirectory) -> float:
    """Seconds of a whole run, of which this process did the steps after `first_step`."""
    if first_step < total_steps:
        return elapsed * total_steps / (total_steps - first_step)
    # It was finished by a process that was killed before it could say so.
    start = os.path.getmtime(directory.file("config.json"))
    return max(map(os.path.getmtime, glob.glob(directory.file("ckpt-*")))) - start


class Jobs:
    """Does the items of one comparison; what they share is loaded once."""

    def __init__(self, comparison: Comparison):
        self.comparison = comparison
        self._batches = None

    @functools.cached_property
    def dataset(self) -> data.ClassificationDataset:
        settings = self.comparison.settings
        return data.load(
            settings["dataset"],
            settings["dataset_dir"],
            settings["image_size"],
            settings["reward_fraction"],
            "stop" if settings["strict"] else "skip",
        )

    def __call__(self, item) -> Any:
        """Does one item.

        Returns:
          Of a search or an evolution what it has found, of a training its `Result`, of a
          fidelity item the accuracies of its networks.
        """
        work: dict[type[Item], Callable[[Any], Any]] = {
            Search: self.search,
            Training: self.train,
            Fidelity: self.fidelity,
            Evolution: self.evolve,
        }
        try:
            return work[type(item)](item)
        finally:
            tf_keras.backend.clear_session()  # Else Keras remembers all networks.

    def _build_supernet(self) -> Supernet:
        execution, rematerialize = self.comparison.execution
        return Supernet(
            self.comparison.space,
            self.dataset.num_classes,
            execution=execution,
            rematerialize=rematerialize,
        )

    def search(self, item: Search) -> Found:
        """Searches, or goes on with a search that was stopped."""
        comparison = self.comparison
        space, cost_model = comparison.space, comparison.cost_model
        settings = _search_settings(comparison, item)
        values = {**settings, **comparison.derived}
        start = time.monotonic()
        directory = RunDirectory(
            comparison.path("searches", item.name),
            "search",
            decisive(settings),
            {
                "derived": comparison.derived,
                "versions": comparison.versions,
                "defaults": comparison.defaults,
            },
            {
                "search_space": architecture_lib.to_json(space),
                "cost_model": cost_model_files.to_json(cost_model, {}),
            },
        )
        config = _fill(ControllerConfig, values)
        first_step = directory.checkpoint_step()
        search_job.run_search(
            task=ClassificationTask(settings["label_smoothing"]),
            supernet=search_job.make_supernet(
                self._build_supernet,
                item.seed,
                comparison.derived["use_bfloat16"],
            ),
            dataset=self.dataset,
            cost_model=cost_model,
            controller_config=config,
            settings=_fill(SearchSettings, values),
            run_directory=directory,
            iterations_per_loop=settings["iterations_per_loop"],
            checkpoint_interval=settings["checkpoint_interval"],
        )
        elapsed = time.monotonic() - start
        result = analysis.analyze(directory.path, "feasible")
        analysis.write_architecture(directory.path, result)
        found = Found(
            _duration(elapsed, first_step, config.total_steps, directory),
            comparison.search_madds(item, result.probabilities),
            {rule: selection.indices for rule, selection in result.selections.items()},
            {rule: selection.cost for rule, selection in result.selections.items()},
        )
        outcome = {"version": VERSIONS["outcome"], **dataclasses.asdict(found)}
        write_json(directory.file("outcome.json"), outcome)
        return found

    def train(self, item: Training) -> Result:
        """Trains a network from scratch, or goes on with it, and evaluates it."""
        comparison = self.comparison
        architecture, settings = item.network.architecture, comparison.train_settings
        path = comparison.path("networks", item.name)
        total_steps = comparison.train_derived["total_steps"]

        def open_directory() -> RunDirectory:
            return RunDirectory(
                path,
                "train_eval",
                {
                    **decisive(settings),
                    "seed": item.seed,
                    "network": architecture_lib.to_json(architecture),
                },
                {
                    "derived": comparison.train_derived,
                    "versions": comparison.versions,
                    "defaults": comparison.train_defaults,
                },
            )

        directory = open_directory()
        if directory.checkpoint_step() >= total_steps:
            # Nobody knows how long it took.
            shutil.rmtree(path)
            directory = open_directory()
        first_step = directory.checkpoint_step()
        start = time.monotonic()
        network, _ = run_network(
            task=ClassificationTask(settings["label_smoothing"]),
            build=lambda: build_classifier(
                architecture,
                self.dataset.num_classes,
                self.dataset.image_size,
                dropout_rate=recipe.dropout_rate(
                    settings["dropout_rate"], settings["epochs"], architecture
                ),
                path_dropout_rate=settings["path_dropout_rate"],
                batch_norm_momentum=settings["batch_norm_momentum"],
            ),
            dataset=self.dataset,
            settings=_network_settings(comparison, item.seed),
            run_directory=directory,
            train=True,
        )
        elapsed = time.monotonic() - start
        return Result(
            kind=item.kind,
            ssd=architecture.ssd,
            indices=traversal.format_indices(architecture.indices),
            cost=item.network.cost,
            seed=item.seed,
            validation_accuracy=self._accuracy(network, "search_validation"),
            test_accuracy=self._accuracy(network, "test"),
            seconds=_duration(elapsed, first_step, total_steps, directory),
            training_madds=comparison.training_madds(item.network),
            search_seconds=item.search_seconds,
            search_madds=item.search_madds,
            search_seed=item.search_seed,
            filters_multiplier=item.network.filters_multiplier,
        )

    def _accuracy(self, network: tf_keras.Model, split: str) -> float:
        batches = self.dataset.evaluation_batches(split, self.comparison.eval_batch_size)
        strategy = tf.distribute.get_strategy()
        distributed = strategy.experimental_distribute_dataset(batches)
        output = ClassifierEvaluator(network, distributed).evaluate(tf.constant(-1))
        return float(output["accuracy"])

    def _validation_batches(self) -> tf.data.Dataset:
        """Full batches in random order, as a search sees them: batch norm takes its statistics
        from the batch, so there may be no padding and no order by class. Always the same, in
        every process and at every pass: with a `first_batch` the order is the seed's alone."""
        if self._batches is None:
            size = min(self.comparison.eval_batch_size, self.comparison.num_validation_images)
            number = self.comparison.num_validation_images // size
            batches = self.dataset.training_batches(
                "search_validation", size, seed=0, augment=False, first_batch=0
            ).take(number)
            if number * size * self.dataset.image_size**2 * 3 * 4 <= _CACHE_BYTES:
                batches = batches.cache()
            self._batches = batches
        return self._batches

    def _shared_accuracy(self, search: Search):
        """The function from indices to the accuracy with the shared weights of a search."""
        supernet = search_job.make_supernet(
            self._build_supernet,
            search.seed,
            self.comparison.derived["use_bfloat16"],
        )
        path = checkpoints.newest(self.comparison.path("searches", search.name))
        checkpoint = tf.train.Checkpoint(supernet=supernet)
        checkpoint.read(path).assert_existing_objects_matched().expect_partial()
        largest = max(c.num_options for c in traversal.choices_of(self.comparison.space))

        @tf.function
        def mean_correct(images, labels, masks):
            return tf.reduce_mean(correct(supernet(images, masks).predictions, labels))

        def accuracy(indices: Sequence[int]) -> float:
            masks = tf.one_hot(indices, largest)
            values = [
                float(mean_correct(images, labels, masks))
                for images, labels in self._validation_batches()
            ]
            return float(np.mean(values))

        return accuracy

    def fidelity(self, item: Fidelity) -> list[float]:
        """Accuracies of networks with shared weights."""
        return list(map(self._shared_accuracy(item.search), item.networks))

    def evolve(self, item: Evolution) -> Found:
        """Evolution on the shared weights of a search; its time includes that of the search."""
        comparison = self.comparison
        path = comparison.path("evolution", f"{item.search.name}.csv")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        accuracy = self._shared_accuracy(item.search)
        settings = dataclasses.replace(
            comparison.evolution, seed=comparison.evolution.seed + item.search.seed
        )
        seconds: list[float] = []

        def timed(indices: tuple[int, ...]) -> float:
            start = time.monotonic()
            value = accuracy(indices)
            seconds.append(time.monotonic() - start)
            return value

        candidates = evolution.evolve(
            comparison.cost_model, timed, settings, *comparison.window, path
        )
        # Those that an earlier process has evaluated took as long as the others.
        if not seconds:
            for _ in range(2):  # The first call traces.
                timed(candidates[0].indices)
        mean = float(np.mean(seconds[1:] or seconds))
        madds = comparison.evaluation_madds(candidate.indices for candidate in candidates)
        best = candidates[0]
        return Found(
            item.search_seconds + mean * len(candidates),
            item.search_madds + madds,
            {"evolution": best.indices},
            {"evolution": best.cost},
        )
