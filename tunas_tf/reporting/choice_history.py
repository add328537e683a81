"""What the controller thought of every option, over the steps of a search."""

import collections
import glob
import os
from typing import NamedTuple

import numpy as np

from tunas_tf.search_space import spec, traversal

__all__ = ["ChoiceHistory", "describe_choice", "describe_option", "read"]

_PREFIX = "rlpathlogits/"


class ChoiceHistory(NamedTuple):
    """Probabilities over time.

    Attributes:
      steps: [times] in order.
      probabilities: for each choice [times, options].
    """

    steps: np.ndarray
    probabilities: list[np.ndarray]

    def entropy(self) -> np.ndarray:
        """[times] entropy of the controller's distribution in nats, the sum over choices."""
        total = np.zeros(len(self.steps))
        for rows in self.probabilities:
            total -= (rows * np.log(np.maximum(rows, 1e-300))).sum(axis=1)
        return total


def read(directory: str, space: spec.SearchSpace) -> ChoiceHistory | None:
    """Reads the TensorBoard events of a search; None if there are none yet.

    A search that was resumed has several files, and may have written a step twice: the later
    one counts.
    """
    # It imports TensorFlow, which takes seconds.
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    logits: dict[int, dict[str, float]] = collections.defaultdict(dict)
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), "events.out.tfevents.*"))):
        for event in EventFileLoader(path).Load():
            for value in event.summary.value:
                if value.tag.startswith(_PREFIX):
                    name = value.tag.removeprefix(_PREFIX)
                    logits[event.step][name] = float(tensor_util.make_ndarray(value.tensor))
    choices = traversal.choices_of(space)
    names = [
        [f"{choice.path}/{option}" for option in range(choice.num_options)] for choice in choices
    ]
    num_options = sum(map(len, names))
    # A step that the run is writing just now is not complete.
    steps = sorted(step for step, values in logits.items() if len(values) >= num_options)
    if not steps:
        return None
    probabilities = []
    for options in names:
        rows = np.array([[logits[step][name] for name in options] for step in steps])
        weights = np.exp(rows - rows.max(axis=1, keepdims=True))
        probabilities.append(weights / weights.sum(axis=1, keepdims=True))
    return ChoiceHistory(np.array(steps), probabilities)


def _words(name: str) -> str:
    """ "SeparableConv" -> "separable conv"; "kernel_size" -> "kernel"."""
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
    return {"kernel_size": "kernel", "squeeze_and_excite": "SE"}.get(spaced, spaced).replace(
        "_", " "
    )


def describe_option(option) -> str:
    """A few characters: "×6", "5", "skip", "bottleneck", "yes"."""
    if isinstance(option, spec.Expansion):
        return f"×{option.ratio:g}"
    if isinstance(option, spec.Zero):
        return "skip"
    if isinstance(option, bool):
        return "yes" if option else "no"
    return _words(type(option).__name__) if hasattr(option, "__dataclass_fields__") else str(option)


def describe_choice(
    choices: tuple[traversal.Choice, ...], position: int
) -> tuple[int, int | None, str]:
    """Where a choice stands: block, layer within it (None: the whole block), and what it decides.

    Where the layer may be of several operations, as "tucker conv kernel".
    """
    choice = choices[position]
    parts = choice.path.split("/")
    block = int(parts[1])
    if parts[2] != "layers":
        return block, None, "filters"
    fields = [part for part in parts[4:] if not part.isdecimal() and part != "choices"]
    field = fields[-1] if fields and fields[-1] != "layer" else "operation"
    text = _words(field)
    if choice.parent is not None:
        above, option = choice.parent
        operations = [o for o in choices[above].one_of.choices if not isinstance(o, spec.Zero)]
        if len(operations) > 1:
            text = f"{describe_option(choices[above].one_of.choices[option])} {text}"
    return block, int(parts[3]), text
