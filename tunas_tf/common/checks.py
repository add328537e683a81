"""What values from a JSON file must be.

A check is a function of a value and of the place where it stands; simple ones are combined:

    check = record({"step": integer(0)}, optional={"accuracy": nullable(number(0, 1))})
    check({"step": 5})

It raises ValueError: a clause about "it", the file, without a full stop. Names that a record does
not know are allowed: a later version may write more.
"""

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tunas_tf.common.errors import brief

__all__ = [
    "Check",
    "anything",
    "boolean",
    "choice",
    "integer",
    "list_of",
    "mapping_of",
    "nullable",
    "number",
    "record",
    "text",
]

Check = Callable[..., None]

# Floats hold all integers up to this one.
_MAX_INTEGER = 2**53
# They would break a line, or make a terminal do something.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _place(where: str) -> str:
    return f"its {where}" if where else "it"


def _below(where: str, name: Any) -> str:
    name = name if isinstance(name, int) or name.isidentifier() else brief(name)
    return f"{where}.{name}" if where else str(name)


def _refuse(value: Any, where: str, allowed: str) -> None:
    raise ValueError(f"{_place(where)} is {brief(value)} rather than {allowed}")


def anything(value: Any, where: str = "") -> None:
    """Whatever JSON can hold."""


def boolean(value: Any, where: str = "") -> None:
    """True or false."""
    if not isinstance(value, bool):
        _refuse(value, where, "true or false")


def text(value: Any, where: str = "") -> None:
    """A text of one line, without control characters; it may be empty."""
    if not isinstance(value, str) or _CONTROL.search(value):
        _refuse(value, where, "a line of text")


def choice(*values: str) -> Check:
    """One of some texts."""

    def check(value: Any, where: str = "") -> None:
        if value not in values:
            _refuse(value, where, f"one of {', '.join(values)}")

    return check


def integer(lowest: int = -_MAX_INTEGER, highest: int = _MAX_INTEGER) -> Check:
    """An integer within bounds; 1.0 and true are none."""

    def check(value: Any, where: str = "") -> None:
        if type(value) is not int or not lowest <= value <= highest:
            _refuse(value, where, f"an integer{_bounds(lowest, highest, _MAX_INTEGER)}")

    return check


def number(lowest: float = -math.inf, highest: float = math.inf) -> Check:
    """A finite number within bounds; true is none."""

    def check(value: Any, where: str = "") -> None:
        is_number = type(value) in (int, float) and abs(value) <= sys.float_info.max
        if not is_number or not lowest <= value <= highest:
            _refuse(value, where, f"a finite number{_bounds(lowest, highest, math.inf)}")

    return check


def _bounds(lowest: float, highest: float, unbounded: float) -> str:
    words = [] if lowest == -unbounded else [f" from {lowest:g}"]
    return "".join(words if highest == unbounded else [*words, f" up to {highest:g}"])


def nullable(check: Check) -> Check:
    """Null, or what `check` allows."""

    def check_if_there(value: Any, where: str = "") -> None:
        if value is not None:
            check(value, where)

    return check_if_there


def list_of(check: Check, lengths: Sequence[int] = ()) -> Check:
    """A list whose items are all what `check` allows; of one of some lengths, if any are given."""

    def check_items(value: Any, where: str = "") -> None:
        if not isinstance(value, list):
            _refuse(value, where, "a list")
        if lengths and len(value) not in lengths:
            _refuse(value, where, f"a list of {' or '.join(map(str, lengths))} items")
        for index, item in enumerate(value):
            check(item, _below(where, index))

    return check_items


def mapping_of(check: Check) -> Check:
    """An object of any names, each a line of text, whose values are all what `check` allows."""

    def check_values(value: Any, where: str = "") -> None:
        if not isinstance(value, dict):
            _refuse(value, where, "an object")
        for name, item in value.items():
            if _CONTROL.search(name):
                raise ValueError(f"{_place(where)} has the name {brief(name)}, no line of text")
            check(item, _below(where, name))

    return check_values


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with the names `required` and perhaps those `optional`."""

    def check_fields(value: Any, where: str = "") -> None:
        if not isinstance(value, dict):
            _refuse(value, where, "an object")
        if missing := [name for name in required if name not in value]:
            raise ValueError(f"{_place(where)} lacks {', '.join(missing)}")
        for name, check in {**required, **(optional or {})}.items():
            if name in value:
                check(value[name], _below(where, name))

    return check_fields
