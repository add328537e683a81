"""The controller: sampling, rewards, policy gradient, and the choice of a network."""

from tunas_tf.controller.config import ESTIMATORS, REWARD_FUNCTIONS, ControllerConfig
from tunas_tf.controller.controller import Controller
from tunas_tf.controller.selection import Selection, select_argmax, select_feasible

__all__ = [
    "ESTIMATORS",
    "REWARD_FUNCTIONS",
    "Controller",
    "ControllerConfig",
    "Selection",
    "select_argmax",
    "select_feasible",
]
