"""What commands make of their flags, many lines in one process."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

__all__ = ["ROOT", "outcomes", "printed_by"]

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Flags are global to a process, so those of each command are parsed in one of its own. From
# (module, list of arguments, whether to run it too) to, for each, the flags or what is wrong.
_PROGRAM = """
import contextlib, importlib, io, json, sys
from absl import flags
from tunas_tf.command_line import app
from tunas_tf.common.errors import InputError

module, lines, run = json.load(sys.stdin)
command = importlib.import_module(module)
outcomes = []
for line in lines:
    flags.FLAGS.unparse_flags()
    outcome = {"error": None}
    printed = io.StringIO()
    try:
        stray = flags.FLAGS([module, *line])[1:]
        if stray:
            raise InputError(f"unexpected argument {stray[0]!r}")
        own = app.own_flags()
        outcome["values"] = {flag.name: flag.value for flag in own}
        outcome["idle"] = [flag.name for flag in own if flag.present and flag.value == flag.default]
        if run:
            with contextlib.redirect_stdout(printed):
                command.main()
    except (flags.Error, InputError) as error:
        outcome["error"] = str(error)
    outcomes.append({**outcome, "printed": printed.getvalue()})
json.dump(outcomes, sys.stdout)
"""


def outcomes(
    module: str, lines: list[list[str]], run: bool = False, cwd: pathlib.Path = ROOT
) -> list[dict[str, Any]]:
    """What the command `module` makes of each list of arguments."""
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps([module, lines, run]),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        return [{"error": result.stderr}] * len(lines)
    return json.loads(result.stdout)


def printed_by(module: str, *arguments: str, cwd: pathlib.Path) -> str:
    """What the command `module`, which has to succeed, prints in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
