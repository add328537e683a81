"""The networks that an evolution has evaluated, as a CSV file that grows with them."""

import dataclasses
import math
import os
from collections.abc import Callable

from tunas_tf.common.errors import InputError, brief
from tunas_tf.common.json_files import MAX_LOG_BYTES, read_bytes
from tunas_tf.search_space import traversal

__all__ = ["Candidate", "CandidateLog", "read_qualities"]

_COLUMNS = ("number", "generation", "origin", "cost", "quality", "indices")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network that was evaluated.

    Attributes:
      number: from 0, in the order of evaluation.
      generation: 0 for the random one.
      origin: "random", "mutation" or "crossover".
      cost: in the unit of the cost model.
      quality: what evolution maximises.
      indices: of the network; choices without effect stand at 0.
    """

    number: int
    generation: int
    origin: str
    cost: float
    quality: float
    indices: tuple[int, ...]


def _read(path: str) -> tuple[list[tuple[str, float]], int]:
    """(indices, quality) of the candidates, and the bytes that they take.

    A last line that a kill has cut short does not count.
    """
    try:
        content = read_bytes(path, MAX_LOG_BYTES)
        complete = content[: content.rfind(b"\n") + 1]
        # No value holds a comma or needs quotes.
        rows = [tuple(line.split(",")) for line in complete.decode("utf-8").split("\n")[:-1]]
    except OSError as error:
        raise InputError(
            f"the candidates {path} cannot be used ({error.strerror}); give another file."
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            f"the candidates {path} cannot be used, as they are not text in UTF-8; delete the "
            "file, and they are evaluated again."
        ) from None
    header, *rows = rows or [_COLUMNS]
    if header != _COLUMNS or any(len(row) != len(_COLUMNS) for row in rows):
        raise InputError(f"{path} is no file of candidates; give another one.")
    found = [(row[-1], _quality(path, number, row[-2])) for number, row in enumerate(rows)]
    return found, len(complete)


def _quality(path: str, number: int, text: str) -> float:
    try:
        if math.isfinite(quality := float(text)):
            return quality
    except ValueError:
        pass
    raise InputError(
        f"the quality of candidate {number} in {path} is no number but {brief(text)}; delete this "
        "line and those after it."
    )


def read_qualities(path: str) -> list[float]:
    """The qualities of the candidates in a file, in their order.

    Raises:
      InputError: it cannot be read, or is no such file.
    """
    return [quality for _, quality in _read(path)[0]]


class CandidateLog:
    """The file of candidates. What an earlier process has evaluated is not asked for again."""

    def __init__(self, path: str):
        """Opens the file, or begins it; raises InputError if it is another one."""
        self.path = path
        self._known: list[tuple[str, float]] = []
        num_bytes = 0
        if os.path.lexists(path):
            self._known, num_bytes = _read(path)
        try:
            with open(path, "a", encoding="utf-8", newline="") as file:
                file.truncate(num_bytes)
                if not num_bytes:
                    file.write(",".join(_COLUMNS) + "\n")
        except OSError as error:
            raise InputError(
                f"the candidates {path} cannot be used ({error.strerror}); give another file."
            ) from None

    def quality(self, number: int, indices: str, evaluate: Callable[[], float]) -> float:
        """That of the next candidate, from the file or else by `evaluate`."""
        if number >= len(self._known):
            return float(evaluate())
        known, quality = self._known[number]
        if known != indices:
            raise InputError(
                f"candidate {number} in {self.path} is another network: the file belongs to a "
                "search with another seed, other settings or another window; give another file."
            )
        return quality

    def append(self, candidate: Candidate) -> None:
        """Adds a candidate, unless an earlier process has."""
        if candidate.number < len(self._known):
            return
        row = dataclasses.asdict(candidate)
        row["indices"] = traversal.format_indices(candidate.indices)
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            # repr of a float is exact, so a resumed search sees the very same numbers.
            file.write(",".join(str(row[column]) for column in _COLUMNS) + "\n")
            file.flush()
            os.fsync(file.fileno())
