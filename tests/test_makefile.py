"""The set-up in the Makefile, run with a stand-in for Python that needs no index."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from command_outcomes import ROOT, outcomes

_MAKEFILE = ROOT / "Makefile"

# Notes what it is asked to do, makes a .venv that holds a copy of itself, and installs
# nothing; installing fails while broken-install is there.
_STAND_IN = """#!/bin/sh
echo "$*" >> calls.log
case "$*" in
  "-c "*) echo "$0" ;;
  --version) echo "Python 3.11.0" ;;
  "-m venv --clear .venv") rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip install"*) test ! -e broken-install ;;
esac
"""

_PYTEST = "-m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder"


@pytest.fixture(name="checkout")
def _checkout(tmp_path):
    """A directory with all that the set-up looks at."""
    shutil.copy(_MAKEFILE, tmp_path)
    for name in ("requirements.lock", "setup.py", "pyproject.toml"):
        (tmp_path / name).touch()
    stand_in = tmp_path / "stand-in"
    stand_in.write_text(_STAND_IN)
    stand_in.chmod(0o755)
    return tmp_path


def _make_test(checkout, python="./stand-in"):
    """Runs `make test`; its outcome and what Python was asked to do."""
    log = checkout / "calls.log"
    log.unlink(missing_ok=True)
    result = subprocess.run(
        ["make", "test", f"PYTHON={python}"],
        cwd=checkout,
        env={"PATH": os.environ["PATH"]},  # Without the variables of a make that runs the tests.
        capture_output=True,
        text=True,
        check=False,
    )
    calls = log.read_text().splitlines() if log.exists() else []
    return result, [call for call in calls if not call.startswith("-c ")]


def test_second_run_only_tests(checkout):
    result, calls = _make_test(checkout)
    assert result.returncode == 0
    assert "-m venv --clear .venv" in calls
    (packages,) = (call for call in calls if "--requirement requirements.lock" in call)
    assert "--no-deps" in packages
    assert calls[-1] == _PYTEST

    result, calls = _make_test(checkout)
    assert (result.returncode, calls) == (0, [_PYTEST])


def test_first_candidate_that_runs_is_taken(checkout):
    result, calls = _make_test(checkout, "missing-python false ./stand-in")
    assert result.returncode == 0
    assert calls[-1] == _PYTEST


def test_unfit_python_is_refused_in_one_sentence(checkout):
    result, calls = _make_test(checkout, "missing-python false")
    assert result.returncode != 0
    assert calls == [] and not (checkout / ".venv").exists()
    sentence = result.stderr.splitlines()[0]
    assert sentence.startswith("error: no Python 3.10, 3.11 or 3.12")
    assert "among missing-python false;" in sentence


@pytest.mark.parametrize("minor, fits", [(9, False), (10, True), (12, True), (13, False)])
def test_versions_that_fit(checkout, minor, fits):
    pretend = f'import sys; sys.version_info = (3, {minor}, 1); sys._base_executable = "false"'
    python = checkout / "python"
    command = f"exec '{sys.executable}' -c '{pretend}; exec(sys.argv[2])'"
    python.write_text(f'#!/bin/sh\n{command} "$@"\n')
    python.chmod(0o755)
    result, _ = _make_test(checkout, "./python")
    assert ("Setting up .venv" in result.stdout) == fits


def test_interrupted_set_up_starts_over(checkout):
    (checkout / "broken-install").touch()
    result, calls = _make_test(checkout)
    assert result.returncode != 0
    assert not any("pytest" in call for call in calls)

    (checkout / "broken-install").unlink()
    result, calls = _make_test(checkout)
    assert result.returncode == 0
    assert "-m venv --clear .venv" in calls


def test_foreign_venv_and_lost_interpreter_are_replaced(checkout):
    interpreter = checkout / ".venv" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.symlink_to("/nowhere/python3.9")
    assert _make_test(checkout)[0].returncode == 0

    interpreter.unlink()
    result, calls = _make_test(checkout)
    assert result.returncode == 0
    assert "-m venv --clear .venv" in calls


@pytest.mark.parametrize("name, everything", [("requirements.lock", True), ("setup.py", False)])
def test_changed_files_are_installed_anew(checkout, name, everything):
    _make_test(checkout)
    stamp = checkout / ".venv" / ".ready"
    later = stamp.stat().st_mtime + 5
    os.utime(checkout / name, (later, later))
    _, calls = _make_test(checkout)
    assert ("-m venv --clear .venv" in calls) == everything
    assert any("--editable" in call for call in calls)


@pytest.mark.parametrize("target, number", [("search", 5), ("search-detection", 3)])
def test_commands_have_the_flags_that_they_are_given(target, number):
    recipe = subprocess.run(
        ["make", "--dry-run", target],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\\\n", " ")
    commands = re.findall(r"-m ((?:tunas_tf|object_detection)\.\w+) (.*)", recipe)
    assert len(commands) == number
    for module, arguments in commands:
        (outcome,) = outcomes(module, [shlex.split(arguments)])
        assert outcome["error"] is None, (module, arguments)
