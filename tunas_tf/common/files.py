"""Writing files that a reader may open at any moment."""

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any, TextIO

__all__ = ["replaced", "write_json"]


@contextlib.contextmanager
def replaced(path: str) -> Iterator[TextIO]:
    """A file for the new text of `path`: a reader sees the old text or all of the new one."""
    temporary = f"{path}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def write_json(path: str, value: Any) -> None:
    """Writes `value` in one go."""
    with replaced(path) as file:
        json.dump(value, file, indent=2)
        file.write("\n")
