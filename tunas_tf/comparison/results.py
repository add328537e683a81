"""Trained networks as lines of a file, written as they come.

Each line of results.jsonl is one training of one network, a JSON object with the fields of
`Result`. What a record does not know is null or left out.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from tunas_tf.common import checks, json_files
from tunas_tf.common.errors import InputError
from tunas_tf.comparison import json_lines

__all__ = ["KINDS", "Result", "append", "of_kind", "read"]

KINDS = ("tunas", "random", "reference", "evolution")

_AMOUNT = checks.number(0, 1e30)
_SEED = checks.integer(0, 2**31 - 1)
# AP may be -1: of nothing.
_QUALITY = checks.number(-1, 1)
_LINE = checks.record(
    {
        "kind": checks.choice(*KINDS),
        "ssd": checks.text,
        "indices": checks.text,
        "cost": checks.number(-1e30, 1e30),
        "seed": _SEED,
        "validation_accuracy": _QUALITY,
        "test_accuracy": _QUALITY,
        "seconds": _AMOUNT,
        "training_madds": _AMOUNT,
    },
    {
        "search_seconds": _AMOUNT,
        "search_madds": _AMOUNT,
        "search_seed": _SEED,
        "filters_multiplier": _AMOUNT,
        "supernet_accuracy": checks.mapping_of(_QUALITY),
        "setting": checks.text,
    },
)


@dataclasses.dataclass(frozen=True)
class Result:
    """One network, trained from scratch once.

    Attributes:
      kind: how it was found, one of KINDS.
      ssd: search space or network that `indices` belong to.
      indices: of the network, "0:2:1"; empty for a network without choices.
      cost: under the cost model of the comparison.
      seed: of the training.
      validation_accuracy: what networks are chosen by, 0 to 1 (for detection: AP).
      test_accuracy: what is reported, 0 to 1 (for detection: AP).
      seconds: that the training took.
      training_madds: multiply-adds of the training steps: those of a forward pass, times 3 for
        forward and backward, times the examples.
      search_seconds, search_madds: of the search that found it; 0 where there was none. For
        "evolution" those of the supernet's training, too.
      search_seed: of the search; None where there was none.
      filters_multiplier: of its search space.
      supernet_accuracy: with the weights of a supernet, by the supernet's name.
      setting: names the variant of the search where several are compared, e.g. "reward=mnas".
    """

    kind: str
    ssd: str
    indices: str
    cost: float
    seed: int
    validation_accuracy: float
    test_accuracy: float
    seconds: float
    training_madds: float
    search_seconds: float = 0.0
    search_madds: float = 0.0
    search_seed: int | None = None
    filters_multiplier: float = 1.0
    supernet_accuracy: dict[str, float] = dataclasses.field(default_factory=dict)
    setting: str = ""

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError(f"the kind of a result is {self.kind!r}; use {', '.join(KINDS)}.")
        for name in ("validation_accuracy", "test_accuracy", "seconds", "training_madds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise InputError(f"the {name} of a result is {value!r}; it must be a number.")
            if not math.isfinite(value):
                raise InputError(f"the {name} of a result is {value}; it must be finite.")

    @property
    def network(self) -> tuple[str, float, str]:
        """Equal for trainings of one network."""
        return self.ssd, self.filters_multiplier, self.indices


def of_kind(results: Sequence[Result], kind: str) -> list[Result]:
    """The results of one kind, in their order."""
    return [result for result in results if result.kind == kind]


def append(path: str, result: Result) -> None:
    """Adds one line; a last line that a kill has cut short is removed first."""
    value = {"version": json_files.VERSIONS["result"], **dataclasses.asdict(result)}
    json_lines.append(path, value)


def _parse(value: Any) -> Result:
    if isinstance(value, dict):
        # A later version may know more; what is null here takes the default.
        value = {name: item for name, item in value.items() if item is not None}
    _LINE(value)
    known = {field.name for field in dataclasses.fields(Result)}
    return Result(**{name: item for name, item in value.items() if name in known})


def read(path: str) -> list[Result]:
    """The results in a file; a last line that a kill has cut short does not count.

    Raises:
      InputError: the file cannot be read, or another line is damaged.
    """
    try:
        lines = json_files.read_lines(path)
    except OSError as error:
        raise InputError(
            f"the results {path} cannot be read ({error.strerror}); give the directory of a "
            "comparison."
        ) from None
    results = []
    for number, line in enumerate(lines, start=1):
        try:
            value = json_files.parse_json(line)
            json_files.check_version(f"line {number} of {path}", value, "result")
            results.append(_parse(value))
        except InputError:
            raise
        except ValueError as error:
            raise InputError(
                f"line {number} of {path} is no result ({error}); delete the line, and its "
                "network is trained again."
            ) from None
    return results
