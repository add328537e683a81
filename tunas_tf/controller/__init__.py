"""The controller: sampling, rewards, policy gradient, and the choice of a network.

Settings and the choice of a network are without TensorFlow.
"""

from typing import TYPE_CHECKING, Any

from tunas_tf.controller.config import ESTIMATORS, REWARD_FUNCTIONS, ControllerConfig
from tunas_tf.controller.selection import Selection, select_argmax, select_feasible

if TYPE_CHECKING:
    from tunas_tf.controller.controller import Controller

__all__ = [
    "ESTIMATORS",
    "REWARD_FUNCTIONS",
    "Controller",
    "ControllerConfig",
    "Selection",
    "select_argmax",
    "select_feasible",
]


def __getattr__(name: str) -> Any:
    if name == "Controller":
        # TensorFlow takes seconds to import: only for those who need it.
        from tunas_tf.controller.controller import Controller

        return Controller
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
