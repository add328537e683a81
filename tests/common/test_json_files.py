"""Files that somebody else may have written."""

import functools
import os

import pytest

from tunas_tf.common import json_files
from tunas_tf.common.errors import InputError, brief, one_line


@pytest.mark.parametrize(
    "content, value",
    [
        (b'{"a": [1, 2.5, null, true, "\\u00e9"]}', {"a": [1, 2.5, None, True, "é"]}),
        (b'\xef\xbb\xbf{"a": 1}\r\n', {"a": 1}),  # As editors on Windows write it.
        (b'"' + b"x" * 1000 + b'"', "x" * 1000),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775807", -(2**63) + 1),
        (b"1.7976931348623157e308", 1.7976931348623157e308),
        (
            b"[" * 100 + b"]" * 100,
            functools.reduce(lambda inner, _: [inner], range(99), []),
        ),  # As deep as is allowed.
        ('{"\u2028": "\U0001f600"}'.encode(), {"\u2028": "\U0001f600"}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_what_is_read(content, value):
    assert json_files.parse_json(content) == value


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", r"it is not JSON \(Expecting value: line 1 column 1"),
        (b"{'a': 1}", "it is not JSON .Expecting property name"),
        (b"{} {}", "it is not JSON .Extra data"),
        (b'{"a": "\xff"}', "it is not JSON, as it is not text in UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "it is not JSON, as it is not text in UTF-8"),
        (b'{"a": "\\ud800"}', "not text in UTF-8"),
        (b'{"\\ud800": 1}', "not text in UTF-8"),
        (b"[" * 101 + b"]" * 101, "it is nested too deeply"),
        (b"[" * 200_000, "it is nested too deeply"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "it is nested too deeply"),
        (b'{"a": NaN}', "it holds NaN, which is no number of JSON"),
        (b"[-Infinity]", "it holds -Infinity, which is no number"),
        (b"[1e309]", "it holds the number 1e309, which is too large"),
        (b"9223372036854775808", "it holds the integer 9223372036854775808, .* more than 64 bits"),
        (b"-" + b"9" * 5000, "it holds the integer -9999.* ... 9*, which has more than 64 bits"),
        (b'{"a": 1, "b": 2, "a": 3}', "it holds the name 'a' twice in one object"),
    ],
)
def test_what_is_refused(content, reason):
    with pytest.raises(ValueError, match=reason) as error:
        json_files.parse_json(content)
    assert len(str(error.value)) < 200


def test_files(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": 1}')
    assert json_files.read_json(path, "give it", "config") == {"a": 1}
    path.write_bytes(b"[1]")
    with pytest.raises(InputError) as error:
        json_files.read_json(str(path), "give another one", "config")
    assert str(error.value) == (
        f"{path} is damaged: it holds [1] rather than an object; give another one."
    )
    with pytest.raises(InputError, match=f"{tmp_path}/b cannot be read .No such file.*; give it.$"):
        json_files.read_json(tmp_path / "b", "give it", "config")


def test_size(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"12345")
    assert json_files.read_bytes(path, 5) == b"12345"
    with pytest.raises(OSError, match="it is larger than 4 bytes"):
        json_files.read_bytes(path, 4)


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    reasons = {
        tmp_path / "fifo": "it is no regular file",  # Nobody writes to it: reading would wait.
        "/dev/zero": "it is no regular file",
        tmp_path: "Is a directory",
        "a\0b": "no file can have this name",
        "\ud800": "no file can have this name",
        tmp_path / "fifo" / "x": "Not a directory",
    }
    num_open = len(os.listdir("/proc/self/fd"))
    for path, reason in reasons.items():
        with pytest.raises(OSError) as error:
            json_files.read_bytes(path)
        assert error.value.strerror == reason
    assert len(os.listdir("/proc/self/fd")) == num_open


def test_links_are_followed(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert json_files.read_bytes(tmp_path / "b") == b"1"


@pytest.mark.parametrize(
    "content, lines",
    [(b"", []), (b"a", []), (b"a\n", [b"a"]), (b"a\n\nb\r\nc", [b"a", b"", b"b\r"])],
)
def test_lines(tmp_path, content, lines):
    (tmp_path / "log").write_bytes(content)
    assert json_files.read_lines(tmp_path / "log") == lines


def test_values_in_messages():
    assert brief("a") == "'a'" and brief(3) == "3" and brief(None) == "None"
    assert brief("a\n\x1b[2J") == "'a\\n\\x1b[2J'"
    large = {i: [i] * 9 for i in range(10**5)}
    for value in ("x" * 10**6, [0] * 10**6, large, 10**5000, b"x" * 999):
        assert len(brief(value)) <= 80
    deep = []
    for _ in range(10_000):
        deep = [deep]
    assert brief(deep) == "[[[[...]]]]"
    assert one_line(" a\n b\tc\x1b[2J\u202e ") == "a b c [2J"
    assert one_line("x" * 300).count("x") == 194 and " ... " in one_line("x" * 300)
