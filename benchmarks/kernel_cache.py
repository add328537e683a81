"""What a search with variable widths gains by the kernels that oneDNN keeps.

  python -m benchmarks.kernel_cache

oneDNN compiles a kernel for every shape of a layer, and keeps 1,024 of them if nothing else is
said; `import tunas_tf` says 65,536. Processes with either number take turns, A B A B. Each runs a
step of `search_step` in slice execution for random samples, the same ones in all processes: first
some that are not measured, then new ones, once each, as in a search. The table tells the median
milliseconds of a step, the median of the ratios of a sample, and the peak memory of the process.
The flags of `search_step` for images and samples count here as well.
"""

import json
import os
import statistics
import subprocess
import sys

import numpy as np
from absl import flags

from benchmarks import search_step
from tunas_tf import search_space
from tunas_tf.command_line import app

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 2, "Processes of each kind and space.", lower_bound=1)
flags.DEFINE_bool("worker", False, "Whether this process is one of them; not for users.")

_VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
_STOCK = "1024"


def _run_worker() -> dict:
    import tensorflow as tf

    space = search_space.get(FLAGS.ssds[0], FLAGS.filters_multiplier)
    supernet = search_step.make_supernet(space, "slice", False)
    generator = np.random.default_rng(0)
    milliseconds = []
    for _ in range(FLAGS.num_unmeasured + FLAGS.num_samples):
        indices = search_step.random_indices(space, generator)
        masks = tf.constant(search_step.one_hot_masks(space, indices))
        milliseconds.append(1e3 * supernet.seconds(masks))
    return {
        "ms": milliseconds[FLAGS.num_unmeasured :],
        "megabytes": search_step.peak_megabytes(),
    }


def _worker(ssd: str, capacity: str | None) -> dict:
    environment = {name: value for name, value in os.environ.items() if name != _VARIABLE}
    if capacity is not None:
        environment[_VARIABLE] = capacity
    command = [sys.executable, "-m", "benchmarks.kernel_cache", *sys.argv[1:]]
    output = subprocess.run(
        [*command, f"--ssds={ssd}", "--worker"],  # Of a flag that is there twice the last counts.
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def main() -> None:
    if FLAGS.worker:
        print(json.dumps(_run_worker()))
        return
    print(f"{'':32}{'1,024: ms':>12}{'MB':>8}{'65,536: ms':>12}{'MB':>8}{'ratio':>8}")
    for ssd in FLAGS.ssds:
        few, many = [], []
        for _ in range(FLAGS.rounds):
            few.append(_worker(ssd, _STOCK))
            many.append(_worker(ssd, None))
        row = f"{ssd:32}"
        for workers in (few, many):
            row += f"{statistics.median(ms for worker in workers for ms in worker['ms']):12.1f}"
            row += f"{statistics.median(worker['megabytes'] for worker in workers):8.0f}"
        ratios = [
            before / after
            for a, b in zip(few, many)
            for before, after in zip(a["ms"], b["ms"], strict=True)
        ]
        print(f"{row}{statistics.median(ratios):8.2f}", flush=True)


if __name__ == "__main__":
    app.run(main)
