"""Runs every command of the documentation, page by page, and keeps what it printed.

  python -m benchmarks.documented_commands --work_dir=WORK --output=docs/results/commands.txt

The commands run in a fresh clone of what is committed here, in the environment that its `make`
sets up, with data made in WORK: photos of shapes, and small editions of ImageNet and COCO in
their real formats. What stands for a reader's own directory is filled in; what needs another
machine or days here is changed as `_CHANGES` says, and the output says so too. The exit code
is 1 if a command ends otherwise than is expected of it.

Takes about two hours on 2 cores. The same command goes on where it was stopped: commands that
ended as expected are not run again. What is expected is what a machine without internet, TPU and
phone can do.
"""

import datetime
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
from absl import app, flags
from PIL import Image, ImageDraw

FLAGS = flags.FLAGS
flags.DEFINE_string("work_dir", None, "Where clone, data and state go.", required=True)
flags.DEFINE_string("output", None, "Text file for the commands and what they printed.")
flags.DEFINE_string("pages", ".", "Regular expression: only pages whose names match.")
flags.DEFINE_string("skip", None, "Regular expression: commands that are left for another time.")
flags.DEFINE_bool("run", True, "Whether to run the commands, or only list them.")

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_PAGES = (
    "README.md",
    "docs/guides/reproducing_the_paper.md",
    "docs/guides/own_dataset.md",
    "docs/guides/own_search_space.md",
    "docs/guides/own_device.md",
    "docs/guides/detection.md",
    "docs/guides/tpu_and_multi_worker.md",
    "docs/guides/migrating.md",
    "docs/performance.md",
    "docs/results/README.md",
)
_COMMAND = r"(?:\$ )?(?:make|python|tunas-[a-z-]+|pip) |(?:for|export|cd|mkdir) "
_TIME_LIMIT_SECONDS = 3600
_OF_THIS_MACHINE = "WARNING: Location |Looking in |  Stored in directory: "
_FIRST_LINES, _LAST_LINES = 6, 14


class _Change(NamedTuple):
    """What is done to the commands that match: why, flags added, shell text before, exit code."""

    pattern: str
    why: str
    more: str = ""
    before: str = ""
    exit_code: int = 0


_FEW_STEPS = "--train_batch_size=8 --epochs=0.1"
_FEW_SEARCH_STEPS = f"{_FEW_STEPS} --rl_batch_size_multiplier=1 --iterations_per_loop=1"
_OF_COCO = "--epochs=0.5"  # Its small edition has 60 images.
_CHANGES = (
    _Change("--distribution_strategy=tpu(?!.*runs/mobilenet_v3)", "no TPU here", exit_code=2),
    _Change("--backend=adb", "no phone here", exit_code=2),
    _Change(r"builder\('cifar10'", "downloads, and no internet here", exit_code=1),
    _Change("--dataset=cifar10", "was not downloaded", exit_code=2),
    _Change(
        "^pip ",
        "in an environment of its own",
        before="python -m venv ../elsewhere && . ../elsewhere/bin/activate &&",
    ),
    _Change(
        r"^tunas-search --flagfile=flags/quickstart.flags$",
        "in that environment, in an empty directory; a tenth of the steps",
        more="--epochs=0.3",
        before="mkdir -p ../empty && . ../elsewhere/bin/activate && cd ../empty &&",
    ),
    _Change("_360.flags|_90.flags", "a few steps in place of days", more=_FEW_STEPS),
    _Change(
        r"\.search .*(imagenet/(?!.*tpu)|imagenet2012(?!.*tpu)|coco)",
        "a few steps in place of days",
        more=_FEW_SEARCH_STEPS,
    ),
    _Change(
        r"\.search .*tpu.*runs/mobilenet_v3",
        "no TPU here: a few steps on the CPU",
        more="--distribution_strategy=one_device --execution=slice --use_bfloat16=false "
        f"{_FEW_SEARCH_STEPS}",
    ),
    _Change(
        "proxylessnas_doubled", "a target that the random figures hit", "--rl_cost_model_target=60"
    ),
    _Change(r"detection.train_eval.*coco", "a few steps in place of days", more=_FEW_STEPS),
    _Change("coco", "", more=_OF_COCO),
    _Change(
        "--backbone_checkpoint",
        "a few steps; the classifier is trained before",
        before="python -m tunas_tf.train_eval --flagfile=flags/quickstart_train.flags "
        "--architecture=runs/quickstart_detection/search/architecture.json --epochs=0.1 "
        "--checkpoint_dir=runs/classifier >/dev/null &&",
    ),
    _Change("runs/large/search", "a few steps in place of an hour", more="--epochs=0.2"),
    _Change(
        "two_replicas|two_workers|by_latency",
        "a third of the steps",
        more="--epochs=1",
    ),
    _Change(
        "compare.search",
        "the smallest comparison; docs/results has the whole one",
        more="--epochs=0.2 --output_dir=runs/compared_$RANDOM",
    ),
    _Change("compare.search.*ablation", "one search each", more="--num_ablation_searches=1"),
    _Change(
        "compare.search.*compare_quickstart",
        "with few networks",
        more="--num_searches=1 --train_epochs=0.2 --num_random=2 --num_noise_networks=1 "
        "--num_noise_seeds=2 --nofidelity --evolution_population_size=4 "
        "--evolution_num_generations=1 --evolution_num_parents=2",
    ),
    _Change(
        r"benchmarks\.search_step",
        "one small space; docs/results has the whole table",
        more="--ssds=quickstart_search --num_samples=2 --num_unmeasured=2",
    ),
    _Change(
        r"benchmarks\.kernel_cache",
        "one small space; docs/performance.md has the three",
        more="--ssds=quickstart_search --num_samples=2 --num_unmeasured=2 --rounds=1",
    ),
    _Change(r"benchmarks\.soak", "once in place of 20 times", more="--num_kills=1 --epochs=0.3"),
    _Change(r"benchmarks\.controller_study", "in 3 minutes", more="--steps=300"),
    _Change("SHARED/run", "on one machine"),
    _Change(
        "detection.calibrate_cost_model",
        "fewer measurements",
        more="--num_passes=1 --num_fit_networks=4 --num_validation_networks=4",
    ),
)

# What stands for something of the reader's, by what the command says beside it.
_STAND_INS = (
    (r"SHARED", "runs/shared"),
    (r'"host1:2222", "host2:2222"', '"localhost:2222"'),
    (r"ARCHITECTURE\.json", "runs/quickstart_detection/search/architecture.json"),
    (r"(?<==)RUN(?= --select)", "runs/quickstart/search"),
    (r"(?<=backbone_checkpoint=)RUN", "runs/classifier"),
    (r"(?<==)RUN", "runs/mine"),
    (r"0:0:0:1:…", ":".join("0001" + 69 * "0")),
)


def _dataset_dir(command: str) -> str:
    if "imagenet" in command or "found_" in command:
        return "imagenet"
    if "coco" in command:
        return "coco/datasets"
    return "tfds" if "cifar10" in command else "photos"


def _statements(block: str) -> list[str]:
    """Those of a block for the shell, each as it stands; output of transcripts left out."""
    lines = block.splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    statements, text = [], ""
    for line in lines:
        text += line + "\n"
        complete = subprocess.run(["bash", "-n", "-c", text], capture_output=True, check=False)
        if complete.returncode == 0 and not line.endswith("\\"):
            if line == "wait":  # It belongs to what runs in the background.
                text = f"{statements.pop()}\n{text}"
            statements.append(text.strip())
            text = ""
    return statements


def _blocks(page: str) -> list[str]:
    """Blocks of commands, and commands with flags within the text, in their order."""
    text = (_ROOT / page).read_text(encoding="utf-8")
    pattern = (
        r"^```(?P<language>\w*)\n(?P<block>.*?)^```$"
        r"|`(?P<inline>python -m (?:benchmarks\.[^`]+|[^`…]+ --[^`…]+))`"
    )
    found = re.finditer(pattern, text, re.MULTILINE | re.DOTALL)
    texts = [
        one["block"] or re.sub(r"\s+", " ", one["inline"]) for one in found if not one["language"]
    ]
    # All but the one that runs this.
    own = "benchmarks.documented_commands"
    return [block for block in texts if re.match(_COMMAND, block) and own not in block]


def _prepared(statement: str) -> tuple[str, list[str], int]:
    """From what a page says to (what is run, why it differs, the exit code to expect)."""
    one_line = re.sub(r"\s*\\\n\s*", " ", statement)
    text = statement.replace("DIR", str(_work_dir() / _dataset_dir(statement)))
    for pattern, value in _STAND_INS:
        text = re.sub(pattern, value, text)
    reasons, exit_code = [], 0
    for change in _CHANGES:
        if re.search(change.pattern, one_line, re.DOTALL):
            reasons += [change.why] if change.why else []
            exit_code = max(exit_code, change.exit_code)
            # In a loop before what puts it into the background, else at the end.
            text = re.sub(r"( &\ndone\nwait)?\Z", rf" {change.more}\1", text, count=1).rstrip()
            text = f"{change.before} {text}".strip()
    return text, reasons, exit_code


def _work_dir() -> pathlib.Path:
    return pathlib.Path(FLAGS.work_dir).resolve()


def _make_photos(directory: pathlib.Path) -> None:
    """480 of three shapes on noise, in a folder for each."""
    generator = np.random.default_rng(0)
    for shape in ("circle", "square", "triangle"):
        (directory / shape).mkdir(parents=True)
        for number in range(160):
            noise = generator.integers(0, 90, (96, 128, 3), np.uint8)
            image = Image.fromarray(noise)
            x, y, size = generator.integers([5, 5, 25], [60, 40, 50]).tolist()
            corners = [(x, y), (x + size, y + size)]
            if shape == "triangle":
                corners = [(x, y + size), (x + size, y + size), (x + size // 2, y)]
            draw = {"circle": "ellipse", "square": "rectangle", "triangle": "polygon"}[shape]
            colour = tuple(generator.integers(120, 255, 3).tolist())
            getattr(ImageDraw.Draw(image), draw)(corners, fill=colour)
            image.save(directory / shape / f"{number}.jpg")


_DATA = """
import pathlib, sys
import miniature_coco, miniature_imagenet, numpy, published_release
work = pathlib.Path(sys.argv[1])
miniature_coco.build(work / "coco")
miniature_imagenet.write_archives(work / "imagenet/downloads/manual")
sizes = {"proxylessnas_enlarged_search": 5983, "mobilenet_v3_like_search": 29068}
# Random milliseconds of parts, with which networks come to about the published targets.
generator = numpy.random.default_rng(0)
figures = {
    name: tuple(map(published_release.encode, (generator.uniform(0, 1.64, size), [30.0])))
    for name, size in sizes.items()
}
pathlib.Path("cost_model_data.py").write_text(published_release.source(figures))
"""


def _make_data(environment: dict[str, str]) -> None:
    work = _work_dir()
    _make_photos(work / "photos")
    subprocess.run(
        ["python", "-c", _DATA, str(work)],
        cwd=work / "clone",
        env={**environment, "PYTHONPATH": f"tests{os.pathsep}.", "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
    )


def _shown(printed: str) -> list[str]:
    """The first and the last lines; of a line that was written over, the last state."""
    lines = [line.rpartition("\r")[2].rstrip() for line in printed.split("\n")]
    # Of the index of packages that this machine has, and of its directories.
    lines = [line for line in lines if not re.match(_OF_THIS_MACHINE, line)]
    lines = [line.replace(os.path.expanduser("~"), "~") for line in lines]
    if len(lines) <= _FIRST_LINES + _LAST_LINES + 1:
        return lines
    left_out = f"[... {len(lines) - _FIRST_LINES - _LAST_LINES} lines ...]"
    return [*lines[:_FIRST_LINES], left_out, *lines[-_LAST_LINES:]]


def _run(text: str, state: list[str], environment: dict[str, str]) -> dict:
    start = time.monotonic()
    script = "\n".join([*state, text])
    try:
        result = subprocess.run(
            ["bash", "-c", script],
            cwd=_work_dir() / "clone",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIME_LIMIT_SECONDS,
            check=False,
        )
        printed, exit_code = result.stdout, result.returncode
    except subprocess.TimeoutExpired as error:
        printed, exit_code = error.stdout or b"", -1
    # The clone is the directory the reader is in.
    shown = printed.decode("utf-8", "replace").replace(f"{_work_dir()}/clone", ".")
    return {
        "exit_code": exit_code,
        "seconds": round(time.monotonic() - start, 1),
        "printed": [line.replace(str(_work_dir()), "WORK") for line in _shown(shown)],
    }


def _commit() -> str:
    line = ["git", "log", "-1", "--format=%h of %cs"]
    clone = _work_dir() / "clone"
    return subprocess.run(line, cwd=clone, check=True, capture_output=True, text=True).stdout


def _write(results: list[dict]) -> None:
    """All that has been run so far, as text."""
    lines = [
        "Every command of the documentation, run by `python -m benchmarks.documented_commands`",
        f"{datetime.date.today()}, commit {_commit().strip()}, {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}",
        "WORK is its --work_dir. Of long outputs the first and last lines are kept.",
    ]
    page = None
    for row in results:
        if row["page"] != page:
            page = row["page"]
            lines += ["", "=" * 80, page, "=" * 80]
        lines += ["", *(f"$ {line}" for line in row["command"].splitlines())]
        if row["reasons"]:
            lines.append(f"# Changed: {'; '.join(row['reasons'])}.")
        lines += [*row["printed"], f"# Exit code {row['exit_code']}, {row['seconds']:.0f} s"]
        if row["exit_code"] != row["expected"]:
            lines.append(f"# UNEXPECTED: should have been {row['expected']}")
    pathlib.Path(FLAGS.output).write_text("\n".join([*lines, ""]), encoding="utf-8")


def main(argv) -> int:
    del argv
    # A shell's background jobs ignore Ctrl-C, and so would all commands, which have tests of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    work, clone = _work_dir(), _work_dir() / "clone"
    path = f"{clone}/.venv/bin{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": f"{clone}/.venv"}
    environment.pop("PYTHONPATH", None)
    if FLAGS.run and not clone.exists():
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "--quiet", str(_ROOT), str(clone)], check=True)
    state_file = work / "state.json"
    kept = json.loads(state_file.read_text()) if state_file.exists() else {}
    results: list[dict] = []
    seen = set()
    for page in filter(lambda page: re.search(FLAGS.pages, page), _PAGES):
        for block in _blocks(page):
            state: list[str] = []
            for statement in _statements(block):
                text, reasons, expected = _prepared(statement)
                key = "\n".join([*state, text])
                if re.match("(cd|export) ", statement):
                    state.append(text)
                    continue
                if key in seen:
                    continue
                seen.add(key)
                if FLAGS.skip and re.search(FLAGS.skip, text):
                    continue
                shown = text.replace(str(work), "WORK")
                print(f"{page}: {shown}", *reasons, sep="\n    ", flush=True)
                if not FLAGS.run:
                    continue
                row = kept.get(key)
                if row is None or row["exit_code"] != expected:
                    if (clone / ".venv/.ready").exists() and not (work / "photos").exists():
                        _make_data(environment)
                    row = _run(text, state, environment)
                row |= {"page": page, "command": "\n".join([*state, shown])}
                row |= {"reasons": reasons, "expected": expected}
                print(f"    -> {row['exit_code']}, {row['seconds']} s", flush=True)
                kept[key] = row
                results.append(row)
                state_file.write_text(json.dumps(kept))
                if FLAGS.output:
                    _write(results)
    return int(any(row["exit_code"] != row["expected"] for row in results))


if __name__ == "__main__":
    sys.exit(app.run(main))
