"""Flag files by name: those of the user, and those that come with the package."""

import difflib
import os
import pathlib

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


def resolve(argument: str) -> str:
    """`argument`; a --flagfile=NAME that is no file here names one of the package instead.

    Raises:
      InputError: there is none there either.
    """
    name = argument.removeprefix(_FLAG)
    if name == argument or os.path.exists(os.path.expanduser(name)):
        return argument
    shipped = _shipped()
    if name not in shipped:
        like = difflib.get_close_matches(name, shipped, n=1, cutoff=0.0)
        raise InputError(
            f"there is no flag file {brief(name)}, neither here nor among those that come with "
            f"the package; give the path of one, or a name such as {', '.join(like)}."
        )
    return f"{_FLAG}{shipped[name]}"
