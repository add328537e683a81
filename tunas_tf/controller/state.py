"""What changes while the controller learns, and the replicas that learn together."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from tunas_tf.controller.estimators import Regression

__all__ = ["ControllerState", "Replicas"]


class ControllerState(NamedTuple):
    """Tensors or variables, the same on all replicas.

    Attributes:
      logits: float32 [..., C, K], zeros at the start.
      second_moment: float32 [..., C, K], of Adam.
      reward_average, quality_average: float32 [...], not debiased.
      regression: of the measured part of the reward; only "control_variate" learns it.
      num_updates: int32 [].
    """

    logits: Any
    second_moment: Any
    reward_average: Any
    quality_average: Any
    regression: Regression
    num_updates: Any


@dataclasses.dataclass(frozen=True)
class Replicas:
    """The replicas that learn together.

    Attributes:
      count: how many there are.
      mean: from a list of tensors of one replica to the list of their means over replicas.
    """

    count: int
    mean: Callable[[list], list]
