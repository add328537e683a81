"""How every command runs: flags in, exit code out, bad input as one line.

0    done; or stopped by SIGTERM, with a checkpoint written
1    a mistake of this program, or a crash
2    something to mend: bad input, a full disk, a package that is missing
3    one of several workers was lost
130  stopped by Ctrl-C
"""

import contextlib
import inspect
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

from absl import app, flags, logging

from tunas_tf.command_line import flag_files
from tunas_tf.command_line.help_text import help_text, own_flags
from tunas_tf.common import disk
from tunas_tf.common.errors import InputError

__all__ = [
    "EXIT_BAD_INPUT",
    "EXIT_INTERRUPTED",
    "EXIT_WORKER_LOST",
    "EXTRAS",
    "own_flags",
    "require_effect",
    "run",
]

EXIT_BAD_INPUT = 2
EXIT_WORKER_LOST = 3
EXIT_INTERRUPTED = 130  # What shells report for a program that SIGINT ended.

# Packages that not everyone needs -> the extra of setup.py that installs them.
EXTRAS = {"matplotlib": "plots", "pycocotools": "detection"}


def _fail(message) -> NoReturn:
    # One line, whatever the source of the message: scripts show the last line of stderr.
    print("error: " + " ".join(str(message).split()), file=sys.stderr)
    sys.exit(EXIT_BAD_INPUT)


@contextlib.contextmanager
def _readers_may_leave() -> Iterator[None]:
    """Whoever reads what is printed within it may have seen enough: `... | head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse_flags(argv: list[str], main: Callable[[], None]) -> list[str]:
    if {"-h", "-help", "--help", "-helpshort", "--helpshort"} & set(argv[1:]):
        with _readers_may_leave():
            print(help_text(inspect.getdoc(sys.modules[main.__module__]) or ""))
        sys.exit(0)
    try:
        return flags.FLAGS(flag_files.resolve(argv))
    except InputError as error:
        _fail(error)
    except flags.Error as error:
        message = str(error).removeprefix("ERROR:: ").rstrip(". ")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the flag file cannot be read ({error})"
    _fail(f"{message}. Run with --help to see the flags.")


def _run_checked(main: Callable[[], None], argv: list[str]) -> None:
    if len(argv) > 1:
        _fail(f"unexpected argument {argv[1]!r}; everything is given as --flag=value.")
    for flag in own_flags():
        if isinstance(flag.value, float) and math.isnan(flag.value):
            _fail(f"--{flag.name} is not a number; give one.")
    try:
        with _readers_may_leave():
            main()
    except InputError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        _fail(
            f"this needs {package}, which is not installed; install it by: "
            f"pip install 'tunas_tf[{EXTRAS[package]}]'"
        )
    except KeyboardInterrupt:
        print("interrupted.", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:  # pylint: disable=broad-except
        if (shortage := disk.shortage(error)) is None:
            raise
        _fail(
            f"nothing more can be written ({shortage}); make room, and start the same command "
            "again."
        )


def run(main: Callable[[], None]) -> None:
    """Runs a command as a program.

    Args:
      main: the command; it reads `flags.FLAGS`, and the docstring of its module is the text
        of --help. An `InputError` that it raises becomes one line on stderr and exit code 2.
        Other exceptions are defects and keep their traceback.
    """
    # Of the libraries only what needs attention: without a GPU, TensorFlow's C++ part reports
    # "errors" of CUDA; what really fails raises. It reads the level when it is imported, later.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.WARNING)
    app.run(
        lambda argv: _run_checked(main, argv),
        flags_parser=lambda argv: _parse_flags(argv, main),
    )


def require_effect(condition: bool, names: Iterable[str], reason: str) -> None:
    """Raises InputError if any of the flags `names` was given although it has no effect.

    Args:
      condition: whether the flags have an effect.
      names: of flags.
      reason: why they have none, as a clause: "--cost_model=pixel1 has a fixed resolution".
    """
    if condition:
        return
    for name in names:
        if flags.FLAGS[name].present:
            raise InputError(f"--{name} has no effect here: {reason}; leave it out.")
