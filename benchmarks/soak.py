"""Kills a search again and again, and compares what it finds with one that was left alone.

  python -m benchmarks.soak --num_kills=20
  python -m benchmarks.soak --num_kills=2 --epochs=0.2

Both searches are that of --search_flags with --deterministic, in directories of their own below
--output_dir. One in four kills comes while the process starts, the others when the search has
come to a random step, a random part of a loop later. Prints a table of the kills; the exit code
is 1 if anything differs: architecture.json, logits, weights, optimiser, metrics.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_integer("num_kills", 20, "How often one of the searches is killed.", 0)
flags.DEFINE_string("search_flags", "flags/quickstart.flags", "Flag file of the searches.")
flags.DEFINE_float("epochs", None, "Of the searches; default: that of their flag file.")
flags.DEFINE_integer("checkpoint_interval", 20, "Of the searches.", 1)
flags.DEFINE_integer("seed", 0, "Of the moments of the kills.")
flags.DEFINE_string("output_dir", None, "Where the searches go; default: a temporary directory.")

_STARTS_PER_KILL = 0.25
# About: how long a process takes before its first step, and a loop of the quickstart.
_SECONDS_TO_START = 20.0
_SECONDS_OF_LOOP = 2.0
# Later steps may be the last ones before a slow kill comes.
_LAST_PART = 0.9


class Kill(NamedTuple):
    """A kill, by the seconds that the process had lived, and the steps that it and the run did."""

    seconds: float
    resumed_from: int
    step: int


def _command(directory: str) -> list[str]:
    command = [sys.executable, "-m", "tunas_tf.search", f"--flagfile={FLAGS.search_flags}"]
    command += ["--deterministic", f"--checkpoint_dir={directory}"]
    command += [f"--checkpoint_interval={FLAGS.checkpoint_interval}"]
    return command + ([] if FLAGS.epochs is None else [f"--epochs={FLAGS.epochs}"])


def _start(directory: str) -> subprocess.Popen:
    log = open(f"{directory}.log", "a", encoding="utf-8")  # pylint: disable=consider-using-with
    return subprocess.Popen(_command(directory), stdout=log, stderr=log)


def _printed(directory: str) -> str:
    """By all processes so far."""
    if not os.path.exists(f"{directory}.log"):
        return ""
    with open(f"{directory}.log", encoding="utf-8", errors="replace") as file:
        return file.read()


def _last_step(directory: str) -> int:
    """Of the last whole line of the metrics, 0 if there is none."""
    try:
        with open(os.path.join(directory, "metrics.jsonl"), "rb") as file:
            lines = file.read().rpartition(b"\n")[0].splitlines()
    except FileNotFoundError:
        return 0
    return json.loads(lines[-1])["step"] if lines else 0


def _finish(directory: str) -> float:
    """Runs a search to its end; returns the seconds that took."""
    start = time.monotonic()
    if _start(directory).wait():
        raise SystemExit(f"the search failed; see {directory}.log")
    return time.monotonic() - start


def _kill_at(directory: str, step: int, delay: float) -> Kill | None:
    """Kills the search `delay` seconds after it has come to the step; None if it ended before."""
    start = time.monotonic()
    printed_before = _printed(directory)
    process = _start(directory)
    while process.poll() is None and _last_step(directory) < step:
        time.sleep(0.002)
    time.sleep(delay)
    if process.poll() is not None:
        if process.returncode:
            raise SystemExit(f"the search failed; see {directory}.log")
        return None
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = re.search(r"resumed from .*, step (\d+)", _printed(directory)[len(printed_before) :])
    return Kill(time.monotonic() - start, int(resumed[1]) if resumed else 0, _last_step(directory))


def _differences(one: str, other: str) -> list[str]:
    """What differs between two finished searches."""
    import tensorflow as tf

    from tunas_tf.training import analysis

    found, readers, metrics = [], [], []
    for directory in (one, other):
        analysis.write_architecture(directory, analysis.analyze(directory, "feasible"))
        readers.append(tf.train.load_checkpoint(directory))
        with open(os.path.join(directory, "metrics.jsonl"), encoding="utf-8") as file:
            metrics.append(file.read())
    with open(os.path.join(one, "architecture.json"), encoding="utf-8") as file:
        with open(os.path.join(other, "architecture.json"), encoding="utf-8") as other_file:
            if file.read() != other_file.read():
                found.append("architecture.json")
    if metrics[0] != metrics[1]:
        found.append("metrics.jsonl")
    names = [reader.get_variable_to_shape_map() for reader in readers]
    if names[0] != names[1]:
        found.append("the names in the checkpoints")
    for name in sorted(names[0].keys() & names[1].keys()):
        values = [tf.constant(reader.get_tensor(name)).numpy() for reader in readers]
        # How often each search was saved is not what it has found.
        if "save_counter" not in name and tf.io.serialize_tensor(
            values[0]
        ) != tf.io.serialize_tensor(values[1]):
            found.append(name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"))
    return found


def _run(output_dir: str) -> int:
    whole, broken = (os.path.join(output_dir, name) for name in ("undisturbed", "killed"))
    seconds = _finish(whole)
    total = _last_step(whole)
    print(f"undisturbed: {total} steps in {seconds:.0f} s")
    print("kill  seconds lived  resumed from  metrics at", flush=True)
    generator = random.Random(FLAGS.seed)
    last = max(1, int(_LAST_PART * total))
    steps = sorted(generator.randint(1, last) for _ in range(FLAGS.num_kills))
    number = 0
    for step in steps:
        if generator.random() < _STARTS_PER_KILL:
            kill = _kill_at(broken, 0, generator.uniform(0.0, _SECONDS_TO_START))
        else:
            kill = _kill_at(broken, step, generator.uniform(0.0, _SECONDS_OF_LOOP))
        if kill is None:
            break
        number += 1
        row = f"{number:4}  {kill.seconds:13.1f}  {kill.resumed_from:12}  {kill.step:10}"
        print(row, flush=True)
    if kill_is_missing := FLAGS.num_kills - number:
        print(f"the search was done before {kill_is_missing} more kills came")
    _finish(broken)
    differences = _differences(whole, broken)
    print(f"differs: {', '.join(differences[:10])}" if differences else "no bit differs")
    return 1 if differences else 0


def main(argv) -> int:
    del argv
    if FLAGS.output_dir:
        os.makedirs(FLAGS.output_dir, exist_ok=True)
        return _run(FLAGS.output_dir)
    with tempfile.TemporaryDirectory() as output_dir:
        return _run(output_dir)


if __name__ == "__main__":
    app.run(main)
