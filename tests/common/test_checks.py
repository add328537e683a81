"""What values of JSON files must be, and what is said if they are not."""

import math

import pytest

from tunas_tf.common import checks

_RECORD = checks.record(
    {"step": checks.integer(0), "where": checks.record({"place": checks.text})},
    optional={"costs": checks.mapping_of(checks.list_of(checks.nullable(checks.number(0, 1))))},
)


def test_what_is_allowed():
    _RECORD({"step": 0, "where": {"place": ""}, "more": object()})
    _RECORD({"step": 5, "where": {"place": "é"}, "costs": {"a b": [0, 1.0, None], "": []}})
    checks.number()(-1.5)
    checks.integer()(-(2**53))
    checks.boolean(False)
    checks.choice("a", "b")("b")
    checks.list_of(checks.anything, lengths=(0, 2))([1, "x"])


@pytest.mark.parametrize(
    "value, message",
    [
        (None, "it is None rather than an object"),
        ([], "it is [] rather than an object"),
        ({}, "it lacks step, where"),
        ({"step": 1.0, "where": {}}, "its step is 1.0 rather than an integer from 0"),
        ({"step": True, "where": {}}, "its step is True rather than an integer from 0"),
        ({"step": -1, "where": {}}, "its step is -1 rather than an integer from 0"),
        ({"step": 1, "where": {}}, "its where lacks place"),
        ({"step": 1, "where": {"place": 3}}, "its where.place is 3 rather than a line of text"),
        ({"step": 1, "where": {"place": "a\n"}}, "its where.place is 'a\\n' rather than a line of"),
        ({"step": 1, "where": {"place": "\x1b"}}, "its where.place is '\\x1b' rather than a line"),
        ({"step": 1, "where": {"place": ""}, "costs": []}, "its costs is [] rather than an object"),
        (
            {"step": 1, "where": {"place": ""}, "costs": {"a b": [0, 2]}},
            "its costs.'a b'.1 is 2 rather than a finite number from 0 up to 1",
        ),
        (
            {"step": 1, "where": {"place": ""}, "costs": {"a": [True]}},
            "its costs.a.0 is True rather than a finite number from 0 up to 1",
        ),
        (
            {"step": 1, "where": {"place": ""}, "costs": {"a\n": []}},
            "its costs has the name 'a\\n', no line of text",
        ),
    ],
)
def test_what_is_refused(value, message):
    with pytest.raises(ValueError) as error:
        _RECORD(value)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "check, value",
    [
        (checks.number(), math.nan),
        (checks.number(), math.inf),
        (checks.number(), 10**400),
        (checks.number(), "1"),
        (checks.integer(), 2**53 + 1),
        (checks.boolean, 0),
        (checks.boolean, None),
        (checks.choice("a", "b"), ["a"]),
        (checks.choice("a", "b"), "c"),
        (checks.list_of(checks.anything), (1,)),
        (checks.list_of(checks.anything, lengths=(2,)), [1]),
        (checks.text, "\u2029"),
    ],
)
def test_more_that_is_refused(check, value):
    with pytest.raises(ValueError, match="^it is .* rather than "):
        check(value)
