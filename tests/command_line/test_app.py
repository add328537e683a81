"""How a command ends: exit codes, one line for bad input, help."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from absl import flags

import tunas_tf
from tunas_tf.command_line import app
from tunas_tf.common.errors import InputError

_COMMAND = '''
"""Counts sheep.

And says so."""
import os, signal, sys
from absl import flags
from tunas_tf.command_line import app, network_flags
from tunas_tf.common.errors import InputError

FLAGS = flags.FLAGS
flags.DEFINE_integer("sheep", 3, "How many.", lower_bound=1)
flags.DEFINE_string("end", "well", "How it ends.")
flags.DEFINE_bool("loud", True, "Whether they say so.")
flags.DEFINE_enum("wool", None, ["white", "black"], "Of what colour they are. " * 9)
network_flags.define("seed")

def main():
    if FLAGS.end == "bad input":
        raise InputError("the sheep are\\n  gone; bring others.")
    if FLAGS.end == "plots":
        sys.modules["matplotlib"] = None
        import matplotlib
    if FLAGS.end == "defect":
        raise ValueError("a wolf")
    if FLAGS.end == "full disk":
        with open("/dev/full", "w") as file:
            file.write("wool")
    if FLAGS.end == "tensorflow":
        import tensorflow as tf
        tf.config.list_physical_devices()
        tf.reduce_sum(tf.ones([2]))
    if FLAGS.end == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    print("sheep\\n" * FLAGS.sheep, end="")

if __name__ == "__main__":
    app.run(main)
'''


@pytest.fixture(name="run")
def _run(tmp_path):
    path = tmp_path / "count_sheep.py"
    path.write_text(_COMMAND)
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(tunas_tf.__file__).parents[1])}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, str(path), *arguments],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )

    return run


def test_ends_well(run):
    result = run("--sheep=2")
    assert (result.returncode, result.stdout, result.stderr) == (0, "sheep\nsheep\n", "")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--end=bad input"], "error: the sheep are gone; bring others."),
        (["--sheep=0"], "error: flag --sheep=0: 0 is not a positive integer"),
        (["--sheep=many"], "error: flag --sheep=many: invalid literal"),
        (["--wolves=1"], "error: Unknown command line flag 'wolves'. Run with --help"),
        (["--sheep"], "error: Missing value for flag --sheep"),
        (["stray"], "error: unexpected argument 'stray'"),
        (
            ["--flagfile=flags/quikstart.flags"],
            "error: there is no flag file 'flags/quikstart.flag",
        ),
        (["--flagfile=flags/quickstart.flags"], "error: Unknown command line flag 'ssd'"),
        (["--end=plots"], "error: this needs matplotlib, which is not installed; install it by: "),
        (["--end=full disk"], "error: nothing more can be written (No space left on device); make"),
        (["--flagfile=binary.flags"], "error: the flag file cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, tmp_path, arguments, message):
    (tmp_path / "binary.flags").write_bytes(b"\xff\xfe\x00")
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_flag_file(run, tmp_path):
    (tmp_path / "one.flags").write_text("# Just one.\n--sheep=1\n")
    assert run("--flagfile=one.flags").stdout == "sheep\n"
    assert run("--flagfile", "one.flags").stdout == "sheep\n"


def test_a_flag_file_of_the_package_may_be_named_in_two_words(run):
    # It is found, and has the flags of another command.
    result = run("--flagfile", "flags/quickstart.flags")
    assert result.stderr.startswith("error: Unknown command line flag 'ssd'")


def test_defects_keep_their_traceback(run):
    result = run("--end=defect")
    assert result.returncode == 1
    assert "Traceback" in result.stderr and "a wolf" in result.stderr


def test_interrupt(run):
    result = run("--end=interrupt")
    assert (result.returncode, result.stderr) == (130, "interrupted.\n")


def test_help_shows_the_commands_own_flags(run):
    result = run("--help")
    assert result.returncode == 0
    assert result.stdout.startswith("Counts sheep.\n\nAnd says so.\n")
    assert "--sheep (default: 3)\n        How many." in result.stdout
    assert "--end (default: well)\n" in result.stdout
    assert "--[no]loud (default: true)\n" in result.stdout
    assert "--wool=white|black\n        Of what colour" in result.stdout
    assert "--verbosity" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_help_shows_the_commands_own_flags_first(run):
    flags_in_order = [line for line in run("--help").stdout.splitlines() if line[2:4] == "--"]
    names = [re.sub(r"[ =].*", "", line.strip()) for line in flags_in_order]
    assert names == ["--sheep", "--end", "--[no]loud", "--wool", "--seed"]


def test_tensorflow_starts_in_silence(run):
    """With its notices about processors and drivers that are not there, nobody reads errors."""
    result = run("--end=tensorflow")
    assert (result.returncode, result.stderr) == (0, "")


def test_reader_that_has_seen_enough(run, tmp_path):
    """The pipe is closed at its other end before the command writes."""
    reading, writing = os.pipe()
    os.close(reading)
    path = tmp_path / "count_sheep.py"
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(tunas_tf.__file__).parents[1])}
    with os.fdopen(writing, "w") as stdout:
        result = subprocess.run(
            [sys.executable, str(path), "--sheep=100000"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            check=False,
        )
    assert (result.returncode, result.stderr) == (0, "")


def test_require_effect_refuses_flags_that_were_given(monkeypatch):
    values = flags.FlagValues()
    flags.DEFINE_integer("given", 1, "", flag_values=values)
    flags.DEFINE_integer("left_out", 1, "", flag_values=values)
    values(["program", "--given=1"])
    monkeypatch.setattr(flags, "FLAGS", values)
    app.require_effect(True, ["given", "left_out"], "unused")
    app.require_effect(False, ["left_out"], "unused")
    with pytest.raises(InputError, match="--given has no effect here: it is fixed; leave it out"):
        app.require_effect(False, ["left_out", "given"], "it is fixed")


def test_help_into_a_reader_that_has_left():
    process = subprocess.Popen(
        [sys.executable, "-m", "tunas_tf.search", "--help"],
        cwd=pathlib.Path(tunas_tf.__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0


@pytest.mark.parametrize("number, exit_code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_exit_code_of_a_training_that_was_stopped(number, exit_code):
    program = (
        "from tunas_tf.command_line import training_flags\n"
        "from tunas_tf.training.loop import StoppedBySignal\n"
        "def train():\n"
        f"    raise StoppedBySignal({int(number)})\n"
        "training_flags.stop_cleanly(train)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], check=False)
    assert result.returncode == exit_code
