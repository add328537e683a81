"""One process at a time in a directory.

The lock is the kernel's, on a file of the directory, and is held until the process ends, by
whatever means: a dead process never blocks the next one, though its file stays.
"""

import contextlib
import fcntl
import os
import socket
import sys
import time

from tunas_tf.common.errors import InputError

__all__ = ["FILE_NAME", "hold"]

FILE_NAME = "lock"

# A process that was asked to end, or whose parent was killed, may take a moment.
_PATIENCE_SECONDS = 5.0
_SECONDS_BETWEEN_ATTEMPTS = 0.1

# Descriptors by path, open until this process ends.
_held: dict[str, int] = {}


def _holds(path: str) -> bool:
    """Whether this process holds the lock of the file that is at `path` now."""
    if path not in _held:
        return False
    with contextlib.suppress(OSError):  # It is gone, with its directory.
        if os.path.samestat(os.fstat(_held[path]), os.stat(path)):
            return True
    os.close(_held.pop(path))
    return False


def hold(directory: str, patience_seconds: float = _PATIENCE_SECONDS) -> None:
    """Locks a directory for this process; again and again if it likes.

    Args:
      directory: exists.
      patience_seconds: how long another process may take to end.

    Raises:
      InputError: another process holds the lock.
      OSError: the file cannot be written.
    """
    path = os.path.join(os.path.realpath(directory), FILE_NAME)
    if _holds(path):
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
                continue
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise InputError(
                f"{directory} is in use by {holder or 'another process'}; wait until that has "
                "ended, or stop it first."
            ) from None
        except OSError as error:
            os.close(descriptor)
            print(
                f"warning: {directory} is not protected against a second process, as its file "
                f"system has no locks ({error.strerror}).",
                file=sys.stderr,
            )
            return
    _held[path] = descriptor
    with contextlib.suppress(OSError):  # The lock is what counts, the note is a courtesy.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
