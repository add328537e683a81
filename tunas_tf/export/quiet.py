"""Silence from native libraries, which write past Python and its log levels."""

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["quiet_native_code"]

_STDERR = 2


@contextlib.contextmanager
def quiet_native_code() -> Iterator[None]:
    """Drops what this process writes to the standard error within it.

    The converter and LiteRT report every step there. What fails raises all the same.
    """
    sys.stderr.flush()
    before = os.dup(_STDERR)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), _STDERR)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, _STDERR)
        os.close(before)
