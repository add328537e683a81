"""Whether an error says that nothing more can be written. Without TensorFlow."""

import errno
import os

__all__ = ["shortage"]

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def shortage(error: BaseException) -> str | None:
    """The system's words if an error comes from a full disk, a quota or a limit, else None."""
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno in _NUMBERS else None
    if not type(error).__module__.startswith("tensorflow"):
        return None
    # TensorFlow has kinds of errors of its own, with the system's words in their text.
    return next((text for text in map(os.strerror, _NUMBERS) if text in str(error)), None)
