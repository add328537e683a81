"""config.json of a run."""

import json

import pytest

from tunas_tf.common import run_config
from tunas_tf.common.errors import InputError


def _write(directory, **config):
    (directory / "config.json").write_text(json.dumps(config))


def test_documents_stand_under_their_names(tmp_path):
    _write(tmp_path, command="search", documents=["cost_model"], settings={"seed": 3, "own": []})
    (tmp_path / "cost_model.json").write_text('{"a": 1}')
    config = run_config.read(str(tmp_path), "give another one")
    assert config["cost_model"] == {"a": 1} and config["settings"] == {"seed": 3, "own": []}


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "config", "", None, ["cost_model"]])
def test_no_other_file_is_opened(tmp_path, name):
    directory = tmp_path / "run"
    directory.mkdir()
    (tmp_path / "secret.json").write_text("{}")
    _write(directory, command="search", documents=[name])
    with pytest.raises(InputError, match="not that of a run, as its documents.0 is .* one of cos"):
        run_config.read(str(directory), "give another one")


@pytest.mark.parametrize(
    "config, message",
    [
        ({}, "is not that of a run, as it lacks command; give another one"),
        ({"command": ["search"]}, "as its command is"),
        ({"command": "search", "settings": []}, "as its settings is .. rather than an object"),
        (
            {"command": "search", "settings": {"image_size": 10**9}},
            "its settings.image_size is 1000000000 rather than an integer from 1 up to 65536",
        ),
        ({"command": "search", "derived": {"total_steps": "9"}}, "its derived.total_steps is '9'"),
        ({"command": "search", "versions": {"a": 1}}, "as its versions.a is 1 rather than a line"),
        ({"command": "search", "documents": ["cost_model"]}, "cost_model.json cannot be read .No"),
    ],
)
def test_what_is_none(tmp_path, config, message):
    _write(tmp_path, **config)
    with pytest.raises(InputError, match=message):
        run_config.read(str(tmp_path), "give another one")
