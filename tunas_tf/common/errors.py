"""The one exception for input that the user can mend, and its words for values from outside."""

import reprlib
from typing import Any

__all__ = ["InputError", "brief", "one_line"]

_MAX_CHARACTERS = 80


class InputError(ValueError):
    """Input is wrong: the message says what was given, what is allowed, what to do.

    Commands print the message as one line and exit with code 2.
    """


class _Brief(reprlib.Repr):
    """As `repr`, but of long and deep values only the beginning."""

    def __init__(self):
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = self.maxlong = 60
        self.maxtuple = self.maxlist = self.maxdict = 4

    def repr_int(self, x, level):
        # Python refuses to write out what has more digits than a few thousand.
        return super().repr_int(x, level) if x.bit_length() < 1000 else "a huge integer"


def one_line(text: Any, max_characters: int = 200) -> str:
    """Text from outside as a part of a message: one line, printable, the middle cut out if long."""
    printable = "".join(c if c.isprintable() else " " for c in str(text))
    line = " ".join(printable.split())
    if len(line) <= max_characters:
        return line
    half = (max_characters - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"


def brief(value: Any) -> str:
    """A value from outside as a part of a message: its `repr`, at most 80 characters of it."""
    return one_line(_Brief().repr(value), _MAX_CHARACTERS)
