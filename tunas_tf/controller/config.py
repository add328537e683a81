"""What the controller can be told: the published flags, under their published names."""

import dataclasses

from tunas_tf.common.errors import InputError

__all__ = [
    "ESTIMATORS",
    "EXAMPLES_PER_LEARNING_RATE",
    "REWARD_FUNCTIONS",
    "ControllerConfig",
    "validate_warmup",
]

REWARD_FUNCTIONS = ("abs", "mnas", "mnas_hard")
ESTIMATORS = ("reinforce", "control_variate")

# The published learning rates, of the controller as of the weights, are per this many
# training examples in a step.
EXAMPLES_PER_LEARNING_RATE = 256


def validate_warmup(
    rl_delay_steps_fraction: float,
    increase_ops_warmup_steps_fraction: float,
    increase_filters_warmup_steps_fraction: float,
) -> None:
    """Raises InputError if the controller would learn while a warmup still replaces choices."""
    for name, fraction in (
        ("increase_ops_warmup_steps_fraction", increase_ops_warmup_steps_fraction),
        ("increase_filters_warmup_steps_fraction", increase_filters_warmup_steps_fraction),
    ):
        if fraction > rl_delay_steps_fraction:
            raise InputError(
                f"{name} is {fraction:g}, longer than rl_delay_steps_fraction "
                f"{rl_delay_steps_fraction:g}; the controller may only start after the warmups: "
                "shorten the warmup or lengthen the delay."
            )


@dataclasses.dataclass(frozen=True)
class ControllerConfig:
    """Settings of the controller.

    Attributes:
      total_steps: steps of the whole search.
      train_batch_size: examples per step over all replicas, which scales the learning rate.
      rl_learning_rate: of the controller's Adam, per 256 training examples.
      use_exponential_rl_learning_rate_schedule: growth by a factor 10 after the delay.
      rl_entropy_regularization: weight of the entropy in the objective.
      rl_baseline_momentum: of the moving average of rewards.
      rl_delay_steps_fraction: part of the steps in which only the shared weights learn.
      increase_ops_warmup_steps_fraction: part of the steps in which operation choices may
        run all their options.
      increase_filters_warmup_steps_fraction: part of the steps in which filter choices may
        take their largest option.
      rl_reward_function: "abs", "mnas" or "mnas_hard".
      rl_cost_model_target: the cost to hit, in the unit of the cost model; None without one.
      rl_cost_model_exponent: strength of the cost in the reward, negative.
      rl_estimator: of the policy gradient, "reinforce" (published) or "control_variate".
      rl_cost_samples: "control_variate" only: architectures per step and replica for the
        gradient of the known part of the reward.
      rl_residual_weight: "control_variate" only: weight of what the regression of quality
        leaves unexplained. 1 is unbiased in every step; less is less noisy and decides
        sooner, up to before the shared weights have settled. 0.1 suits short searches,
        0.3 long ones.

    Raises:
      InputError: a setting is out of its range, or a warmup goes on when the controller learns.
    """

    total_steps: int
    train_batch_size: int = 4096
    rl_learning_rate: float = 3e-4
    use_exponential_rl_learning_rate_schedule: bool = True
    rl_entropy_regularization: float = 0.0
    rl_baseline_momentum: float = 0.95
    rl_delay_steps_fraction: float = 0.25
    increase_ops_warmup_steps_fraction: float = 0.25
    increase_filters_warmup_steps_fraction: float = 0.25
    rl_reward_function: str = "abs"
    rl_cost_model_target: float | None = None
    rl_cost_model_exponent: float = -0.10
    rl_estimator: str = "reinforce"
    rl_cost_samples: int = 64
    rl_residual_weight: float = 0.1

    def __post_init__(self):
        for name, words in (
            ("rl_reward_function", REWARD_FUNCTIONS),
            ("rl_estimator", ESTIMATORS),
        ):
            if getattr(self, name) not in words:
                raise InputError(
                    f"{name} is {getattr(self, name)!r}; use one of {', '.join(words)}."
                )
        target = self.rl_cost_model_target
        for name, is_valid, allowed in (
            ("total_steps", self.total_steps >= 1, "at least 1"),
            ("train_batch_size", self.train_batch_size >= 1, "at least 1"),
            ("rl_learning_rate", self.rl_learning_rate >= 0, "at least 0"),
            ("rl_entropy_regularization", self.rl_entropy_regularization >= 0, "at least 0"),
            ("rl_baseline_momentum", 0 <= self.rl_baseline_momentum < 1, "in [0, 1)"),
            ("rl_delay_steps_fraction", 0 <= self.rl_delay_steps_fraction <= 1, "in [0, 1]"),
            (
                "increase_ops_warmup_steps_fraction",
                self.increase_ops_warmup_steps_fraction >= 0,
                "at least 0",
            ),
            (
                "increase_filters_warmup_steps_fraction",
                self.increase_filters_warmup_steps_fraction >= 0,
                "at least 0",
            ),
            ("rl_cost_model_target", target is None or target > 0, "above 0"),
            ("rl_cost_model_exponent", self.rl_cost_model_exponent < 0, "below 0"),
            ("rl_cost_samples", self.rl_cost_samples >= 2, "at least 2"),
            ("rl_residual_weight", 0 <= self.rl_residual_weight <= 1, "in [0, 1]"),
        ):
            if not is_valid:
                raise InputError(f"{name} is {getattr(self, name)}; it must be {allowed}.")
        validate_warmup(
            self.rl_delay_steps_fraction,
            self.increase_ops_warmup_steps_fraction,
            self.increase_filters_warmup_steps_fraction,
        )

    @property
    def base_learning_rate(self) -> float:
        """The learning rate at the end of the delay, for this batch size."""
        return self.rl_learning_rate * self.train_batch_size / EXAMPLES_PER_LEARNING_RATE
