"""The real commands on hostile files: exit code 2 and one line, no traceback, no waiting."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from command_outcomes import ROOT, outcomes
from fuzz_inputs import contents
from hypothesis import given, settings
from hypothesis import strategies as st

from tunas_tf import cost_model, search_space
from tunas_tf.cost_model import files
from tunas_tf.search_space import architecture as architecture_lib

_SPACE = search_space.get("quickstart_search")
_INDICES = search_space.format_indices(_SPACE.reference_indices)
_NETWORK = {
    **architecture_lib.to_json(search_space.resolve(_SPACE, _SPACE.reference_indices)),
    "cost_target": 6.7e6,
    "cost_tolerance": 0.01,
}
_MODEL = files.to_json(cost_model.get("madds", _SPACE, 64, 10), {})
_CONFIG = {
    "command": "search",
    "settings": {"seed": 3, "image_size": 64},
    "derived": {"total_steps": 200},
    "documents": ["search_space"],
}

# Arguments with PATH in place of the hostile file; what stands beside it.
_READERS = {
    "describe": ["--architecture=PATH"],
    "estimate_cost": ["--ssd=quickstart_search", f"--indices={_INDICES}", "--cost_model=PATH"],
    "sample_architectures": ["--like=PATH"],
    "import_cost_model": ["--ssd=quickstart_search", "--upstream_file=PATH", "--output=OUT"],
    "report": ["--run_dir=DIRECTORY"],
}
_DOCUMENTS = {
    "describe": _NETWORK,
    "estimate_cost": _MODEL,
    "sample_architectures": _NETWORK,
    "import_cost_model": {"KERNEL_DATA": 1},
    "report": _CONFIG,
}


def _fill(arguments: list[str], path: pathlib.Path) -> list[str]:
    values = {"PATH": path, "OUT": path.with_suffix(".out"), "DIRECTORY": path.parent}
    for name, value in values.items():
        arguments = [argument.replace(name, str(value)) for argument in arguments]
    return arguments


def _write(root: pathlib.Path, number: int, content: bytes) -> pathlib.Path:
    directory = root / str(number)
    directory.mkdir()
    (directory / "cost_model.json").write_bytes(json.dumps(_MODEL).encode())
    path = directory / "config.json"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("command", _READERS)
def test_commands_that_read_a_file(tmp_path, command):
    """Many files in one process."""
    found = []
    number = max(10, settings.get_profile("fuzz").max_examples // 5)

    @settings(max_examples=number)
    @given(content=contents(_DOCUMENTS[command]))
    def collect(content):
        found.append(content)

    collect()
    paths = [_write(tmp_path, number, content) for number, content in enumerate(found)]
    arguments = [_fill(_READERS[command], path) for path in paths]
    for outcome in outcomes(f"tunas_tf.{command}", arguments, run=True):
        error = outcome["error"]
        if error is not None:
            assert "Traceback" not in error, error
            assert "\n" not in error and error.endswith("."), error


def _run(command: str, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", f"tunas_tf.{command}", *arguments],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _expect_one_line(result: subprocess.CompletedProcess) -> None:
    assert result.returncode == 2, result.stderr
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ") and line.endswith("."), line


@pytest.mark.parametrize("command", _READERS)
def test_a_fifo_does_not_hang(tmp_path, command):
    path = tmp_path / "config.json"
    os.mkfifo(path)
    result = _run(command, *_fill(_READERS[command], path))
    _expect_one_line(result)
    assert "no regular file" in result.stderr


@pytest.mark.parametrize("command", ["describe", "estimate_cost"])
@pytest.mark.parametrize("path", ["/dev/zero", "/", "/dev/stdin", "\x1b[2J", "x" * 300])
def test_paths_that_are_no_files(command, path):
    arguments = [argument.replace("PATH", path) for argument in _READERS[command]]
    _expect_one_line(_run(command, *arguments))


_FLAG_FILES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")),
    st.lists(
        st.sampled_from(
            ["--ssd=quickstart_search", "--indices=0:0", "--flagfile=SELF", "--no", "--", "#", "-h"]
        ),
        max_size=5,
    ).map(lambda lines: "\n".join(lines).encode()),
)


def test_flag_files(tmp_path):
    """Read by absl, before the command is asked."""
    found = []

    @settings(max_examples=6)
    @given(content=_FLAG_FILES)
    def collect(content):
        found.append(content)

    collect()
    for number, content in enumerate(found):
        path = tmp_path / f"{number}.flags"
        path.write_bytes(content.replace(b"SELF", str(path).encode()))
        result = _run("describe", f"--flagfile={path}")
        assert result.returncode in (0, 2), result.stderr
        assert "Traceback" not in result.stderr, (content, result.stderr)
