"""Flag files by name: those of the user, and those that come with the package."""

import difflib
import os
import pathlib
from collections.abc import Sequence

from tunas_tf.common.errors import InputError, brief

__all__ = ["resolve"]

_DIRECTORY = "flags"
_FLAG = "--flagfile="


def _root() -> pathlib.Path:
    """The directory whose `flags` come with the package: in the sources it is the one above."""
    package = pathlib.Path(__file__).parents[1]
    return package if (package / _DIRECTORY).is_dir() else package.parent


def _shipped() -> dict[str, str]:
    """Name -> path, for all flag files of the package: "flags/imagenet/found_90.flags"."""
    root = _root()
    return {
        path.relative_to(root).as_posix(): str(path)
        for path in sorted(root.glob(f"{_DIRECTORY}/**/*.flags"))
    }


def resolve(arguments: Sequence[str]) -> list[str]:
    """`arguments`, where --flagfile=NAME, if it is no file here, names one of the package.

    Raises:
      InputError: there is none there either.
    """
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in ("-flagfile", "--flagfile"):
            joined[-1] = f"{_FLAG}{argument}"  # The name may be an argument of its own.
        else:
            joined.append(argument)
    return [
        f"{_FLAG}{_path(argument.removeprefix(_FLAG))}" if argument.startswith(_FLAG) else argument
        for argument in joined
    ]


def _path(name: str) -> str:
    """Of the flag file `name`: of the user, else of the package."""
    if os.path.exists(os.path.expanduser(name)):
        return name
    shipped = _shipped()
    if name not in shipped:
        like = difflib.get_close_matches(name, shipped, n=1, cutoff=0.0)
        raise InputError(
            f"there is no flag file {brief(name)}, neither here nor among those that come with "
            f"the package; give the path of one, or a name such as {', '.join(like)}."
        )
    return shipped[name]
