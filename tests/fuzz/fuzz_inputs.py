"""What nobody should write into a file: random bytes, random JSON, and damaged valid documents.

And the one thing that a reader may do with it: read it, or raise an InputError with a sentence.
"""

import copy
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
from hypothesis import strategies as st

from tunas_tf.common.errors import InputError

__all__ = [
    "CAMPAIGN",
    "contents",
    "damaged_bytes",
    "expect_sentence",
    "json_values",
    "lines",
    "slow",
    "write",
]

# The environment variable with the number of examples for each reader.
CAMPAIGN = "TUNAS_FUZZ_EXAMPLES"

# What `json.dumps` would not write stands for itself in the text.
_RAW = {
    "huge integer": "9" * 5000,
    "integer of 64 bits": "-9223372036854775808",
    "too large": "1e999",
    "deep list": "[" * 300 + "]" * 300,
    "deeper list": "[" * 100_000,
    "deep object": '{"a":' * 300 + "1" + "}" * 300,
    "half a pair": '"\\ud800"',
    "twice": '{"a": 1, "a": 2}',
}
_MARK = "raw text: "

_NAMES = st.sampled_from(
    ["type", "name", "blocks", "choices", "settings", "step", "../../etc/passwd", "a\nb", "$x$", ""]
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1, 2**31, 2**53, 2**62, -(2**62)]),
    st.floats(),
    st.sampled_from([0.0, -1.0, 1e308, -1e308, 5e-324, float("nan"), float("inf")]),
    st.text(max_size=20),
    st.sampled_from(["../../etc/passwd", "/dev/zero", "a\x00b", "a\nb", "\x1b[2J", "9" * 5000]),
    st.sampled_from([_MARK + name for name in _RAW]),
)


def json_values() -> st.SearchStrategy[Any]:
    """Random values of random structure."""
    names = st.one_of(_NAMES, st.text(max_size=5))
    return st.recursive(
        _SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)
        ),
        max_leaves=12,
    )


def _text(value: Any) -> str:
    text = json.dumps(value)
    for name, raw in _RAW.items():
        text = text.replace(json.dumps(_MARK + name), raw)
    return text


def _places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths of all parts of a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield from _places(item, (*path, key))


def _container(value: Any, path: tuple) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def _of_the_same_type(value: Any) -> st.SearchStrategy[Any]:
    """Values that a reader might take."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.one_of(st.integers(0, 9), st.sampled_from([2**31 - 1, 65536, 10**9, 10**15]))
    if isinstance(value, float):
        return st.floats(allow_nan=False, allow_infinity=False)
    if isinstance(value, str):
        return st.one_of(st.text(max_size=9), st.sampled_from(["$x^$", "<b>", "\u2028", "%s{0}"]))
    if isinstance(value, list):
        return st.lists(st.sampled_from(value), max_size=4) if value else st.just([])
    return st.just(value)


@st.composite
def _damaged_json(draw, document: Any, max_changes: int) -> bytes:
    """A valid document with a few values replaced, removed or added."""
    value = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, max_changes))):
        path = draw(st.sampled_from(list(_places(value))))
        if not path:
            continue
        container, key = _container(value, path), path[-1]
        kind = draw(st.sampled_from(["vary", "vary", "replace", "remove", "add", "move"]))
        if kind == "vary":
            container[key] = draw(_of_the_same_type(container[key]))
        elif kind == "replace":
            container[key] = draw(st.one_of(_SCALARS, json_values()))
        elif kind == "remove":
            del container[key]
        elif kind == "move":  # A valid value in a wrong place.
            other = draw(st.sampled_from(list(_places(document))))
            if other:
                container[key] = copy.deepcopy(_container(document, other)[other[-1]])
        elif isinstance(container, dict):
            container[draw(_NAMES)] = draw(_SCALARS)
        else:
            container.append(draw(_SCALARS))
    return _text(value).encode(errors="surrogatepass")


@st.composite
def damaged_bytes(draw, content: bytes, max_changes: int = 4) -> bytes:
    """Valid content with some bytes overwritten, removed, inserted or repeated, or cut off."""
    damaged = bytearray(content)
    for _ in range(draw(st.integers(1, max_changes))):
        position = draw(st.integers(0, len(damaged)))
        kind = draw(st.sampled_from(["overwrite", "remove", "insert", "cut", "repeat", "flip"]))
        if kind == "overwrite":
            new = draw(st.binary(min_size=1, max_size=8))
            damaged[position : position + len(new)] = new
        elif kind == "remove":
            del damaged[position : position + draw(st.integers(1, 16))]
        elif kind == "insert":
            damaged[position:position] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "cut":
            del damaged[position:]
        elif kind == "repeat":
            damaged[position:position] = damaged[: draw(st.integers(0, min(len(damaged), 2000)))]
        elif damaged:
            damaged[min(position, len(damaged) - 1)] ^= 1 << draw(st.integers(0, 7))
    return bytes(damaged)


def contents(document: Any) -> st.SearchStrategy[bytes]:
    """Of a file that should hold a JSON document like this one."""
    text = json.dumps(document).encode()
    return st.one_of(
        _damaged_json(document, 1),
        _damaged_json(document, 3),
        damaged_bytes(text),
        json_values().map(lambda value: _text(value).encode(errors="surrogatepass")),
        st.binary(max_size=200),
        st.sampled_from([b"", b"\xef\xbb\xbf" + text, text.decode().encode("utf-16"), text * 2]),
    )


def lines(documents: list[Any]) -> st.SearchStrategy[bytes]:
    """Of a file with a JSON document in each line."""
    text = b"".join(json.dumps(document).encode() + b"\n" for document in documents)
    some = st.lists(st.sampled_from(documents).flatmap(contents), min_size=1, max_size=3)
    one = contents(documents[-1]).map(lambda found: text + found + b"\n")
    return st.one_of(
        one,
        one,
        some.map(lambda found: b"\n".join(found) + b"\n"),
        some.map(lambda found: text + b"\n".join(found) + b"\n" + text),
        damaged_bytes(text),
        st.binary(max_size=200),
    )


def slow(factor: int) -> hypothesis.settings:
    """For readers that take long: outside of campaigns a part of the examples of the others."""
    number = hypothesis.settings.get_profile("fuzz").max_examples
    if CAMPAIGN not in os.environ:
        number = max(10, number // factor)
    return hypothesis.settings(max_examples=number)


def expect_sentence(read: Callable[[], Any], max_characters: int = 500) -> Any:
    """What `read` returns, None if it refuses its input as it should."""
    try:
        return read()
    except InputError as error:
        message = str(error)
        assert "\n" not in message, message
        assert len(message) < max_characters, message
        assert message.endswith("."), message
        return None


def write(path: pathlib.Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)
