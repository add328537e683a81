"""Files that grow by a line at a time, each a JSON object."""

import json
from typing import Any

__all__ = ["append"]


def append(path: str, value: dict[str, Any]) -> None:
    """Adds one line, in one write; a last line that a kill has cut short is removed first."""
    line = json.dumps(value) + "\n"
    with open(path, "a+b", buffering=0) as file:
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        file.write(line.encode())
