"""Reading files that anybody may have written, or damaged: within bounds, never with surprises.

Only regular files are read, as a FIFO or a device may never end, and only up to a size. JSON is
taken strictly: UTF-8 with or without a byte order mark, no name twice in an object, a limited
depth, finite numbers, integers of 64 bits, text that can be written again.

Files that outlive the program that wrote them say by which format, `VERSIONS`, in an entry
"version". Those without one are from before formats had numbers: they are of version 1.
"""

import errno
import json
import os
import stat
from typing import Any, NoReturn

from tunas_tf.common.errors import InputError, brief, one_line

__all__ = [
    "MAX_BYTES",
    "MAX_LOG_BYTES",
    "VERSIONS",
    "check_version",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_lines",
]

# Kind of file -> its newest format: the one that is written, and the last one that is understood.
# Whoever changes what an entry means, or adds one that a reader must not overlook, counts up.
VERSIONS = {
    "architecture": 1,  # A network: architecture.json, architecture_0.json ...
    "config": 1,  # A run directory: config.json, and what that says is beside it.
    "cost_model": 1,
    "evaluation": 1,  # Of a trained network.
    "export": 1,  # The description beside a .tflite file.
    "latency": 1,  # What benchmark measured.
    "measurements": 1,  # What a calibration measured.
    "outcome": 1,  # Of one search of a comparison.
    "result": 1,  # Of one training of a comparison.
    "search_space": 1,
    "summary": 1,  # Of a comparison.
}

# A cost model of a space of ~10^43 networks takes half a megabyte.
MAX_BYTES = 16 * 2**20
# A line for each of a hundred thousand loops of training takes some 100 MB.
MAX_LOG_BYTES = 256 * 2**20
# Whoever walks a value by recursion must not run out of stack; search spaces nest 20 deep.
MAX_DEPTH = 100

_MAX_INTEGER = 2**63 - 1


def read_bytes(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a file.

    Args:
      path: of the file.
      max_bytes: how large it may be.

    Raises:
      OSError: it is missing, no regular file, too large, or cannot be read; its `strerror` says
        which, as part of a sentence.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO waits for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except ValueError:  # A null character, or half of a surrogate pair.
        raise OSError(errno.EINVAL, "no file can have this name", path) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {max_bytes:,} bytes", path)
    return content


def read_lines(path: str | os.PathLike, max_bytes: int = MAX_LOG_BYTES) -> list[bytes]:
    """The lines of a file that grows; a last one that is not complete yet is left out.

    Raises:
      OSError: as `read_bytes`.
    """
    return read_bytes(path, max_bytes).split(b"\n")[:-1]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number of JSON")


def _integer(text: str) -> int:
    # Digits are counted first: Python refuses to read thousands of them.
    if len(text) > 20 or abs(value := int(text)) > _MAX_INTEGER:
        raise ValueError(f"it holds the integer {one_line(text, 40)}, which has more than 64 bits")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0.0:
        raise ValueError(f"it holds the number {one_line(text, 40)}, which is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it holds the name {brief(twice)} twice in one object")
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_refuse_constant,
    parse_float=_finite,
    parse_int=_integer,
)


def _check_depth_and_text(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, str) and not item.isascii():
                item.encode()  # "\ud800" alone is valid JSON, but no text.
        if not inner:
            return
        level = inner
    raise ValueError("it is nested too deeply")


def parse_json(content: bytes) -> Any:
    """The value in a JSON file, or in a line of one.

    Raises:
      ValueError: it is none; the message is a clause about "it", without a full stop.
    """
    try:
        value = _DECODER.decode(content.decode("utf-8-sig"))
        _check_depth_and_text(value)
        return value
    except UnicodeError:
        raise ValueError("it is not JSON, as it is not text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({one_line(error)})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check_version(path: str | os.PathLike, value: Any, kind: str) -> None:
    """Raises InputError if a newer program wrote `value`, the JSON value of the file at `path`.

    Args:
      path: of the file.
      value: if it is no object, it is left to other checks.
      kind: of file, a key of `VERSIONS`.
    """
    version = value.get("version", 1) if isinstance(value, dict) else 1
    if type(version) is not int or version < 1:
        raise InputError(
            f"{path} is damaged: its version is {brief(version)} rather than an integer from 1 up "
            f"to {VERSIONS[kind]}; restore it, or write it anew."
        )
    if version > VERSIONS[kind]:
        raise InputError(
            f"{path} was written by a newer tunas_tf (format {version}, this one knows up to "
            f"{VERSIONS[kind]}); update tunas_tf."
        )


def read_json(path: str | os.PathLike, remedy: str, kind: str) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
      path: of the file.
      remedy: what to do if it cannot be used, as an imperative.
      kind: of file, a key of `VERSIONS`.

    Raises:
      InputError: it cannot be read, is not such a file, or was written by a newer program.
    """
    try:
        value = parse_json(read_bytes(path))
        if not isinstance(value, dict):
            raise ValueError(f"it holds {brief(value)} rather than an object")
        check_version(path, value, kind)
        return value
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {remedy}.") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}; {remedy}.") from None
