"""Settings of a run that follow from others, as published.

A command derives each of them once, prints them at the start and writes them to config.json,
under "derived". `given` is what a flag says; None leaves it to the rule. Without TensorFlow.
"""

import math

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import CostModel
from tunas_tf.search_space import spec
from tunas_tf.search_space.architecture import Architecture

__all__ = [
    "EXECUTIONS",
    "NAN_POLICIES",
    "OPTIMIZERS",
    "PRECISIONS",
    "STRATEGIES",
    "cost_target",
    "dropout_rate",
    "execution",
    "has_mobilenet_v3_head",
    "total_steps",
    "uses_bfloat16",
    "weight_decay",
]

PRECISIONS = ("auto", "true", "false", "ontpu")
STRATEGIES = ("one_device", "mirrored", "multi_worker_mirrored", "tpu")
EXECUTIONS = ("auto", "mask", "slice")
OPTIMIZERS = ("rmsprop", "momentum", "adam")
# About a step whose numbers are not finite: end the run, or leave the step out.
NAN_POLICIES = ("stop", "skip")

# Larger than the others: on TPU v2, its supernet fits into memory in bfloat16 only.
_BFLOAT16_SPACES = ("mobilenet_v3_like_search",)

_WEIGHT_DECAY = 4e-5
_BFLOAT16_WEIGHT_DECAY = 3e-5

# Shorter trainings do not overfit.
_EPOCHS_WITH_DROPOUT = 150
_MOBILENET_V2_DROPOUT_RATE = 0.15
_MOBILENET_V3_DROPOUT_RATE = 0.25


def uses_bfloat16(given: str, ssd: str, on_tpu: bool) -> bool:
    """Whether networks compute in bfloat16.

    Args:
      given: one of `PRECISIONS`: true, false, ontpu (on a TPU only), or auto (published): as
        ontpu for mobilenet_v3_like_search, which needs it to fit on TPU v2, else false.
      ssd: the search space, or that of the network.
      on_tpu: whether the devices are TPUs.
    """
    if given not in PRECISIONS:
        raise InputError(f"use_bfloat16 is {given!r}; use one of {', '.join(PRECISIONS)}.")
    if given == "auto":
        given = "ontpu" if ssd in _BFLOAT16_SPACES else "false"
    return on_tpu if given == "ontpu" else given == "true"


def execution(given: str, rematerialize: bool, on_tpu: bool) -> tuple[str, bool]:
    """How a supernet computes a sample: its `execution`, and whether it rematerialises.

    Args:
      given: one of `EXECUTIONS`; auto is slice, or on TPUs, which need static shapes, mask.
      rematerialize: what a flag says; on TPUs always, since XLA keeps tensors of one shape only.
      on_tpu: whether the devices are TPUs.
    """
    if given not in EXECUTIONS:
        raise InputError(f"execution is {given!r}; use one of {', '.join(EXECUTIONS)}.")
    if on_tpu and given == "slice":
        raise InputError("execution is 'slice', but TPUs need static shapes; use auto or mask.")
    if given == "auto":
        given = "mask" if on_tpu else "slice"
    return given, rematerialize or on_tpu


def weight_decay(given: float | None, bfloat16: bool) -> float:
    """Factor of half the sum of squares of the kernels: 4e-5, or 3e-5 in bfloat16."""
    if given is not None:
        return given
    return _BFLOAT16_WEIGHT_DECAY if bfloat16 else _WEIGHT_DECAY


def has_mobilenet_v3_head(architecture: Architecture) -> bool:
    """Whether a convolution follows the global pool, as in MobileNetV3."""
    kinds = [type(placed.layer) for placed in architecture.layers()]
    return spec.GlobalPool in kinds and spec.Conv in kinds[kinds.index(spec.GlobalPool) :]


def dropout_rate(given: float | None, epochs: float, architecture: Architecture) -> float:
    """Dropout of the features before the classifier.

    0 below 150 epochs, else 0.25 for networks with the head of MobileNetV3 and 0.15 for the
    others, which have that of MobileNetV2.
    """
    if given is not None:
        return given
    if epochs < _EPOCHS_WITH_DROPOUT:
        return 0.0
    if has_mobilenet_v3_head(architecture):
        return _MOBILENET_V3_DROPOUT_RATE
    return _MOBILENET_V2_DROPOUT_RATE


def total_steps(epochs: float, num_examples: int, batch_size: int) -> int:
    """Whole steps of `batch_size` in so many passes over the examples."""
    if not math.isfinite(epochs):
        raise InputError(f"epochs is {epochs}; give a finite number of passes.")
    steps = int(epochs * num_examples / batch_size)
    if steps < 1:
        raise InputError(
            f"{epochs:g} epochs of {num_examples} examples are less than one step of "
            f"{batch_size}; give more epochs or a smaller train_batch_size."
        )
    return steps


def cost_target(given: float | None, cost_model: CostModel) -> float:
    """The cost to hit: by default that of the space's reference network."""
    target = cost_model.reference_cost() if given is None else given
    if target is None:
        raise InputError(
            f"{cost_model.space.name} has no reference network to take a target from; give "
            "rl_cost_model_target."
        )
    return target
