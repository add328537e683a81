"""Files of runs that are there, missing, half written or damaged."""

import numpy as np
import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.reporting import run_files


def test_metrics_of_a_running_and_resumed_run(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 3.0}\n{"step": 5, "loss": 2.0, "rate": 0.1}\n'
        '{"step": 5, "loss": 1.5}\nnonsense\n{"step": 9, "lo'
    )
    metrics = run_files.read_metrics(str(tmp_path))
    assert set(metrics) == {"loss", "rate"}
    np.testing.assert_array_equal(metrics["loss"].steps, [1, 5])
    np.testing.assert_array_equal(metrics["loss"].values, [3.0, 1.5])
    np.testing.assert_array_equal(metrics["rate"].steps, [5])


def test_nothing_yet(tmp_path):
    assert run_files.read_metrics(str(tmp_path)) == {}
    assert run_files.read_json(str(tmp_path), "evaluation.json") is None
    assert run_files.load_config(str(tmp_path)) is None


def test_documents_come_with_the_config(tmp_path):
    (tmp_path / "config.json").write_text('{"command": "search", "documents": ["search_space"]}')
    (tmp_path / "search_space.json").write_text('{"a": 1}')
    assert run_files.load_config(str(tmp_path))["search_space"] == {"a": 1}


def test_damaged_files(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="config.json is damaged: it is not JSON"):
        run_files.load_config(str(tmp_path))
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InputError, match="config.json is damaged: it holds .. rather than an obj"):
        run_files.load_config(str(tmp_path))
    (tmp_path / "config.json").write_text('{"commands": "search"}')
    with pytest.raises(InputError, match="is not that of a run, as it lacks command; restore it"):
        run_files.load_config(str(tmp_path))
    (tmp_path / "evaluation.json").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        run_files.read_json(str(tmp_path), "evaluation.json")
