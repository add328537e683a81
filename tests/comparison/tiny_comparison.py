"""A comparison that takes seconds: a space of 25 networks on 16 x 16 pixels."""

import importlib

from tunas_tf import cost_model as cost_model_lib
from tunas_tf.comparison import networks
from tunas_tf.comparison.evolution import EvolutionSettings
from tunas_tf.comparison.extent import Extent
from tunas_tf.comparison.plan import Comparison, Search
from tunas_tf.comparison.workers import attempt
from tunas_tf.search_space import registry

__all__ = ["InProcess", "Silence", "comparison", "extent"]


def comparison(directory, image_folder: str) -> Comparison:
    """9 steps of 8 images each, on 36 of 48 images."""
    # Not when this file is imported: tests of all spaces would find this one, too.
    importlib.import_module("tiny_space")
    space = registry.get("tiny_search")
    cost_model = cost_model_lib.get("madds", space, 16, 2)
    shared = {
        "augment": True,
        "checkpoint_interval": 4,
        "dataset": "image_folder",
        "dataset_dir": image_folder,
        "deterministic": False,
        "image_size": 16,
        "iterations_per_loop": 4,
        "label_smoothing": 0.1,
        "on_nan": "stop",
        "optimizer": "rmsprop",
        "reward_fraction": 0.25,
        "train_batch_size": 8,
    }
    settings = {
        **shared,
        "cost_tolerance": 0.3,
        "enable_cost_model": True,
        "filters_multiplier": 1.0,
        "increase_filters_warmup_steps_fraction": 0.25,
        "increase_ops_warmup_steps_fraction": 0.25,
        "model_learning_rate": 1.0,
        "model_momentum": 0.9,
        "model_warmup_steps_fraction": 0.1,
        "rl_baseline_momentum": 0.95,
        "rl_batch_size_multiplier": 1.0,
        "rl_cost_model_exponent": -0.1,
        "rl_cost_samples": 64,
        "rl_delay_steps_fraction": 0.25,
        "rl_entropy_regularization": 0.0,
        "rl_estimator": "reinforce",
        "rl_learning_rate": 0.01,
        "rl_residual_weight": 0.1,
        "rl_reward_function": "abs",
        "strict": False,
        "use_exponential_rl_learning_rate_schedule": True,
    }
    train_settings = {
        **shared,
        "base_learning_rate": 1.0,
        "batch_norm_momentum": 0.8,
        "dropout_rate": None,
        "ema_decay": 0.0,
        "epochs": 2.0,
        "momentum": 0.9,
        "path_dropout_rate": 0.0,
        "warmup_steps_fraction": 0.1,
    }
    data = {"num_classes": 2, "total_steps": 9, "use_bfloat16": False}
    target = cost_model.reference_cost()
    derived = {
        **data,
        "model_weight_decay": 1e-4,
        "rl_cost_model_target": target,
        "search_validation": 12,
    }
    train_derived = {**data, "train_split": "search_train", "weight_decay": 1e-4}
    return Comparison(
        str(directory),
        space,
        cost_model,
        target,
        settings,
        derived,
        train_settings,
        train_derived,
        EvolutionSettings(population_size=3, num_generations=1, num_parents=2),
        execution=("slice", False),
        eval_batch_size=5,
        versions={},
    )


def extent(of: Comparison, num_random: int, num_searches: int = 1) -> Extent:
    """With a reference network, two noise trainings, fidelity and evolution."""
    searches = tuple(Search(f"seed{seed}", seed) for seed in range(num_searches))
    reference = networks.random_networks(of.cost_model, 1, 9, *of.window)
    return Extent(
        searches=searches,
        random=tuple(networks.random_networks(of.cost_model, num_random, 0, *of.window)),
        references=tuple(reference),
        noise_seeds=2,
        noise_networks=1,
        fidelity_searches=searches,
        evolution=True,
        ablations={},
    )


class InProcess:
    """Does the items in this process, one after the other; a pool of one."""

    number = 1

    def __init__(self, jobs):
        self.jobs = jobs
        self.done = []
        self._waiting = []

    @property
    def has_idle(self) -> bool:
        return not self._waiting

    def start(self, item) -> None:
        self._waiting.append(item)

    def wait(self, timeout=None):
        del timeout
        item = self._waiting.pop()
        self.done.append(item)
        return [attempt(self.jobs, item)]


class Silence:
    """Progress that keeps its lines."""

    def __init__(self):
        self.lines = []

    def start(self, key) -> None: ...

    def finish(self, key, work) -> None: ...

    def fail(self, key) -> None: ...

    def show(self, remaining) -> None: ...

    def minutes_left(self, remaining) -> float:
        return 0.0

    def say(self, line) -> None:
        self.lines.append(line)
