"""Writing files that a reader may open at any moment."""

import contextlib
import json
import os
from typing import Any

__all__ = ["write_json"]


def write_json(path: str, value: Any) -> None:
    """Writes `value` in one go: a reader sees the old file or the new one, never half."""
    temporary = f"{path}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise
