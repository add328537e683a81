"""How every command runs: flags in, exit code out, bad input as one line."""

import sys
from typing import Callable

from absl import app, flags

from tunas_tf.common.errors import InputError

__all__ = ["require_effect", "run"]

EXIT_BAD_INPUT = 2


def _fail(message: str) -> None:
    # One line, whatever the source of the message: scripts show the last line of stderr.
    print("error: " + " ".join(str(message).split()), file=sys.stderr)
    sys.exit(EXIT_BAD_INPUT)


def _parse_flags(argv: list[str]) -> list[str]:
    try:
        return app.parse_flags_with_usage(argv) if _wants_help(argv) else flags.FLAGS(argv)
    except flags.Error as error:
        _fail(f"{error}. Run with --help to see the flags.")
        raise AssertionError("unreachable") from error


def _wants_help(argv: list[str]) -> bool:
    return any(arg.lstrip("-").split("=")[0].startswith("help") for arg in argv[1:])


def run(main: Callable[[], None]) -> None:
    """Runs a command as a program.

    Args:
      main: the command; it reads `flags.FLAGS`. An `InputError` that it raises becomes one
        line on stderr and exit code 2. Other exceptions are defects and keep their traceback.
    """

    def checked(argv: list[str]) -> None:
        if len(argv) > 1:
            _fail(f"unexpected argument {argv[1]!r}; everything is given as --flag=value.")
        try:
            main()
        except InputError as error:
            _fail(error)

    app.run(checked, flags_parser=_parse_flags)


def require_effect(condition: bool, names: list[str], reason: str) -> None:
    """Raises InputError if any of the flags `names` was given although it has no effect.

    Args:
      condition: whether the flags have an effect.
      names: of flags.
      reason: when they have one, as a clause: "--cost_model=pixel1 has a fixed resolution".
    """
    if condition:
        return
    for name in names:
        if flags.FLAGS[name].present:
            raise InputError(f"--{name} has no effect here: {reason}; leave it out.")
