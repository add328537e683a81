"""A run of train_eval, made once."""

import detector_runs
import pytest


@pytest.fixture(scope="session")
def detector_run_dir(tmp_path_factory, digit_scenes_dir) -> str:
    """A run of a small SSDLite without averages of its weights."""
    directory = tmp_path_factory.mktemp("detector") / "run"
    detector_runs.make_run(directory, detector_runs.small_definition(), digit_scenes_dir)
    return str(directory)
