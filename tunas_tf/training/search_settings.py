"""What a search is told about the weights and the data. Without TensorFlow."""

import dataclasses

from tunas_tf.common.errors import InputError, brief
from tunas_tf.search_space import spec, traversal
from tunas_tf.training.recipe import NAN_POLICIES, OPTIMIZERS

__all__ = ["SearchSettings", "require_choices", "reward_batch_size"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Settings of a search beside `ControllerConfig`; the defaults are the published values.

    Attributes:
      augment: whether training images are cropped at random, and mirrored where that makes sense.
      optimizer: of the shared weights, one of `recipe.OPTIMIZERS`.
      model_learning_rate: peak rate of the shared weights, per 256 examples.
      model_warmup_steps_fraction: part of the steps in which it grows.
      model_momentum: of the optimizer.
      model_weight_decay: factor of half the sum of squares of the kernels in use.
      rl_batch_size_multiplier: examples of a reward batch per training example.
      seed: of samples and data.
      cost_tolerance: relative distance to the target that counts as reached.
      deterministic: whether the seed decides every bit, however often the search is resumed.
      on_nan: what to do about a step with a loss that is no finite number, one of
        `recipe.NAN_POLICIES`.
    """

    augment: bool = True
    optimizer: str = "rmsprop"
    model_learning_rate: float = 0.165
    model_warmup_steps_fraction: float = 0.025
    model_momentum: float = 0.9
    model_weight_decay: float
    rl_batch_size_multiplier: float = 4.0
    seed: int = 0
    cost_tolerance: float = 0.01
    deterministic: bool = False
    on_nan: str = "stop"

    def __post_init__(self):
        for name, is_valid, allowed in (
            ("optimizer", self.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}"),
            ("model_learning_rate", self.model_learning_rate >= 0, "at least 0"),
            (
                "model_warmup_steps_fraction",
                0 <= self.model_warmup_steps_fraction <= 1,
                "in [0, 1]",
            ),
            ("model_momentum", 0 <= self.model_momentum <= 1, "in [0, 1]"),
            ("model_weight_decay", self.model_weight_decay >= 0, "at least 0"),
            # NumPy takes seeds of 32 bits; those of several streams are made from this one.
            ("seed", 0 <= self.seed < 2**31, "in [0, 2**31)"),
            ("cost_tolerance", 0 < self.cost_tolerance <= 1, "above 0 and at most 1"),
            ("on_nan", self.on_nan in NAN_POLICIES, f"one of {', '.join(NAN_POLICIES)}"),
        ):
            if not is_valid:
                raise InputError(f"{name} is {brief(getattr(self, name))}; it must be {allowed}.")


def reward_batch_size(train_batch_size: int, rl_batch_size_multiplier: float) -> int:
    """Examples that measure the reward of a step, over all replicas."""
    size = round(train_batch_size * rl_batch_size_multiplier)
    if size < 1:
        raise InputError(
            f"rl_batch_size_multiplier is {rl_batch_size_multiplier:g}, which leaves no image of "
            f"a train_batch_size of {train_batch_size} for the reward; give more."
        )
    return size


def require_choices(space: spec.SearchSpace) -> None:
    """Raises InputError if the space is a single network."""
    if not traversal.choices_of(space):
        raise InputError(f"{space.name} has no choices: there is nothing to search.")
