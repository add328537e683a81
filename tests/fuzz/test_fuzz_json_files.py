"""The one reader of JSON files."""

import json
import math

import pytest
from fuzz_inputs import contents, damaged_bytes, expect_sentence, json_values, lines, write
from hypothesis import given
from hypothesis import strategies as st

from tunas_tf.common import checks, json_files, run_config

_CONFIG = {
    "command": "search",
    "settings": {"seed": 3, "image_size": 64, "ssd": "s", "cost_tolerance": 0.01},
    "derived": {"total_steps": 843, "rl_cost_model_target": 84.0},
    "documents": ["search_space"],
    "flags": {"dataset_dir": None},
    "versions": {"numpy": "2.2.6"},
}


@pytest.fixture(name="directory", scope="module")
def _directory(tmp_path_factory):
    return tmp_path_factory.mktemp("json")


def _require_plain(value) -> None:
    """Whatever was read can be written again, walked and used as a number."""
    json.dumps(value, allow_nan=False).encode()
    if isinstance(value, dict):
        for name, item in value.items():
            name.encode()
            _require_plain(item)
    elif isinstance(value, list):
        for item in value:
            _require_plain(item)
    elif isinstance(value, (int, float)):
        assert math.isfinite(float(value)) and abs(value) < 2**1024
    else:
        assert value is None or isinstance(value, str)


@given(content=contents(_CONFIG))
def test_json(directory, content):
    path = write(directory / "any.json", content)
    value = expect_sentence(lambda: json_files.read_json(path, "give another file", "config"))
    if value is not None:
        _require_plain(value)


@given(text=json_values().map(lambda value: json.dumps(value, allow_nan=True)))
def test_valid_json_is_read_as_others_read_it(text):
    """Of what is not refused, Python's own reader makes the same."""
    try:
        value = json_files.parse_json(text.encode(errors="surrogatepass"))
    except ValueError:
        return
    assert value == json.loads(text)


@given(content=lines([_CONFIG, {"step": 1}]))
def test_lines(directory, content):
    path = write(directory / "any.jsonl", content)
    found = json_files.read_lines(path)
    assert b"".join(line + b"\n" for line in found) == content[: content.rfind(b"\n") + 1]


@given(content=contents(_CONFIG), document=contents({"type": "SearchSpace"}))
def test_configurations(directory, content, document):
    write(directory / "config.json", content)
    write(directory / "search_space.json", document)
    config = expect_sentence(lambda: run_config.read(str(directory), "give another directory"))
    if config is not None:
        assert isinstance(config["command"], str)
        assert set(config.get("documents", ())) <= set(run_config.DOCUMENTS)
        assert isinstance(config.get("settings", {}).get("seed", 0), int)


@given(value=json_values(), lowest=st.integers(-5, 5))
def test_checks(value, lowest):
    """They say a clause, or the value is what they promise."""
    promises = {
        checks.integer(lowest): lambda v: type(v) is int and v >= lowest,
        checks.number(lowest): lambda v: isinstance(v, (int, float)) and lowest <= v < math.inf,
        checks.text: lambda v: isinstance(v, str) and len(v.splitlines()) <= 1,
        checks.list_of(checks.text): lambda v: all(isinstance(item, str) for item in v),
        checks.mapping_of(checks.anything): lambda v: isinstance(v, dict),
        checks.record({"a": checks.boolean}): lambda v: v["a"] in (True, False),
        checks.choice("a", "b"): lambda v: v in ("a", "b"),
        checks.nullable(checks.integer()): lambda v: v is None or type(v) is int,
    }
    for check, holds in promises.items():
        try:
            check(value)
        except ValueError as error:
            message = str(error)
            assert message.startswith("it") and "\n" not in message and len(message) < 300
        else:
            assert holds(value)


@given(content=damaged_bytes(b"\x1b[2J name \xe2\x80\xa8 " * 20))
def test_text_in_messages(content):
    from tunas_tf.common.errors import brief, one_line

    for text in (content.decode(errors="replace"), content, [content] * 9, {1: content}):
        for message in (brief(text), one_line(text)):
            assert message.isprintable() and len(message) <= 200
