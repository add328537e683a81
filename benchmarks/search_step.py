"""What does a search step cost? Against mask execution, and against the sampled network alone.

  python -m benchmarks.search_step --output=search_step.json

Random samples of a search space take the same step in turns, slice, mask, alone, slice, mask,
alone, ...: a training step (forward, backward, RMSProp) on one batch of random images, then a
forward pass on another. "slice" and "mask" are the executions of a supernet; "alone" is the
sampled network as a plain network of `build_classifier`, which is the limit; "widest" is mask
execution of the largest network, whatever the sample; "everything" is that of all options with
the most filters, as in warmup: what a supernet costs that computes all options and lets masks
choose. The table tells the median milliseconds over all samples, and the medians of the ratios
of a sample:

    mask/slice        how many times faster slice execution is.
    widest/slice      the same against a supernet that computes its widest network in every step.
    everything/slice  the same against a supernet without conditions.
    mask/alone        the most that mask/slice can be.
    slice/alone       how far slice execution is from the limit.
    slice'/alone      the same without what RMSProp takes longer for all weights of the supernet
                      than for those of the network: the published optimiser updates every
                      weight in every step.
    slice, new/alone  slice execution of a sample for the first time, as nearly all are in a search.

"controller" is what sample and update of a controller take beside that, with a cost model.

Then processes of their own tell the seconds to build a model, to trace its step, and to run
the first step, and the peak memory in megabytes beyond that of the imported libraries, over
steps of the largest network, of a warmup sample with all options of every choice, and of
random samples. They are compared with the largest network alone.

Takes about 20 minutes for each space on 2 cores, which should have nothing else to do;
nearly all of it traces the networks. --num_samples=0 leaves the turns out, --noprocesses the
processes.
"""

import gc
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import flags

from tunas_tf import search_space
from tunas_tf.command_line import app
from tunas_tf.common.files import write_json
from tunas_tf.controller import ESTIMATORS
from tunas_tf.search_space import arithmetic, spec

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "ssds",
    ["proxylessnas_search", "proxylessnas_enlarged_search", "mobilenet_v3_like_search"],
    "Search spaces.",
)
flags.DEFINE_float("filters_multiplier", 1.0, "Scales all filters.", lower_bound=0.0)
flags.DEFINE_integer("image_size", 64, "Side of the images in pixels.", lower_bound=32)
flags.DEFINE_integer("batch_size", 32, "Images per step.", lower_bound=1)
flags.DEFINE_integer("num_samples", 30, "Samples that take turns.", lower_bound=0)
flags.DEFINE_integer("num_turns", 5, "Turns of each sample.", lower_bound=1)
flags.DEFINE_integer("num_unmeasured", 20, "Samples that the supernets run before.", 1)
flags.DEFINE_bool("bfloat16", False, "Whether slice execution in bfloat16 takes turns as well.")
flags.DEFINE_bool("processes", True, "Whether to measure the first step and the peak memory.")
flags.DEFINE_string("output", None, "JSON file for the results.")
flags.DEFINE_string("probe", None, "What a process of its own measures; not for users.")

_NUM_CLASSES = 10
# Supernets as (execution, rematerialize), and the largest network alone.
_PROBES = {
    "slice": ("slice", False),
    "slice, rematerialize": ("slice", True),
    "mask": ("mask", False),
    "mask, rematerialize": ("mask", True),
    "alone": None,
}
_PROBE_STEPS = 5
_CONTROLLER_STEPS = 50


def random_indices(space, generator: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(generator.integers(c.num_options)) for c in search_space.choices_of(space))


def _largest_indices(space) -> tuple[int, ...]:
    """The network with the most multiply-adds, choice by choice."""

    def multiply_adds(indices):
        return arithmetic.count(search_space.resolve(space, indices), FLAGS.image_size, 1).madds

    choices = search_space.choices_of(space)
    indices = [choice.num_options - 1 for choice in choices]
    for _ in range(2):  # The second time with all other choices at their largest options.
        for position, choice in enumerate(choices):
            indices[position] = max(
                range(choice.num_options),
                key=lambda option: multiply_adds(
                    (*indices[:position], option, *indices[position + 1 :])
                ),
            )
    return tuple(indices)


def one_hot_masks(space, indices: Sequence[int]) -> np.ndarray:
    choices = search_space.choices_of(space)
    masks = np.zeros((len(choices), max(c.num_options for c in choices)), np.float32)
    masks[np.arange(len(choices)), indices] = 1.0
    return masks


def _warmup_masks(space) -> np.ndarray:
    """All operations of every choice, and the most filters, as in the first steps of a search."""
    masks = one_hot_masks(space, _largest_indices(space))
    for row, choice in zip(masks, search_space.choices_of(space)):
        if choice.tag == spec.OPERATION:
            row[:] = 0.0
            row[: choice.num_options] = 1.0 / choice.num_options
    return masks


class _Contestant:
    """A model, and the step that is measured.

    Attributes:
      variables: its weights.
      step, update: tf.functions; update is the part of the optimiser alone.
    """

    def __init__(self, model, call: Callable):
        """
        Args:
          model: a Keras model.
          call: (images, masks) -> logits, half the sum of squares of the kernels in use.
        """
        import tensorflow as tf

        from tunas_tf.training.classification import smoothed_cross_entropy
        from tunas_tf.training.optimization import apply_mean_gradients, make_optimizer

        self.variables = model.trainable_variables
        optimizer = make_optimizer(
            self.variables, 0.165, FLAGS.batch_size, 10000, 0.025, momentum=0.9
        )
        shape = (FLAGS.batch_size, FLAGS.image_size, FLAGS.image_size, 3)
        images, reward_images = np.random.default_rng(0).normal(size=(2, *shape))
        self._images = tf.constant(images, tf.float32), tf.constant(reward_images, tf.float32)
        labels = tf.range(FLAGS.batch_size) % _NUM_CLASSES

        @tf.function(autograph=False)
        def step(images, reward_images, masks):
            with tf.GradientTape() as tape:
                logits, l2_loss = call(images, masks)
                loss = smoothed_cross_entropy(logits, labels, 0.1) + 4e-5 * l2_loss
            apply_mean_gradients(tape, loss, self.variables, optimizer)
            return loss, tf.reduce_mean(call(reward_images, masks)[0])

        @tf.function(autograph=False)
        def update(gradients):
            optimizer.apply_gradients(zip(gradients, self.variables))
            return optimizer.iterations.value()

        self._step, self._update = step, update

    def trace(self, masks) -> None:
        self._step.get_concrete_function(*self._images, masks)

    def seconds(self, masks, *images) -> float:
        """Of one step, on given training and reward images or the same ones again."""
        start = time.perf_counter()
        for result in self._step(*(images or self._images), masks):
            result.numpy()
        return time.perf_counter() - start

    def update_seconds(self) -> float:
        import tensorflow as tf

        gradients = [tf.zeros_like(variable) for variable in self.variables]
        self._update(gradients)
        seconds = []
        for _ in range(FLAGS.num_turns):
            start = time.perf_counter()
            self._update(gradients).numpy()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)


def make_supernet(space, execution: str, rematerialize: bool) -> _Contestant:
    from tunas_tf import models

    models.share_optimized_code()
    supernet = models.Supernet(
        space, _NUM_CLASSES, execution=execution, rematerialize=rematerialize
    )

    def call(images, masks):
        output = supernet(images, masks, training=True)
        return output.logits, output.l2_loss

    return _Contestant(supernet, call)


def _network(space, indices) -> _Contestant:
    import tensorflow as tf

    from tunas_tf import models

    architecture = search_space.resolve(space, indices)
    network = models.build_classifier(architecture, _NUM_CLASSES, FLAGS.image_size)
    kernels = models.kernels(network)

    def call(images, masks):
        del masks
        # As in a supernet, batch norm uses the current batch in the reward step too.
        logits = network(images, training=True)
        return logits, tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])

    return _Contestant(network, call)


def _controller_seconds(space, estimator: str) -> float:
    """Of what a controller adds to a step: its sample, and what it learns from the reward."""
    import tensorflow as tf

    import tunas_tf

    cost_model = tunas_tf.cost_model.get("madds", space, FLAGS.image_size, _NUM_CLASSES)
    config = tunas_tf.ControllerConfig(
        total_steps=100,
        rl_delay_steps_fraction=0.0,
        increase_ops_warmup_steps_fraction=0.0,
        increase_filters_warmup_steps_fraction=0.0,
        rl_cost_model_target=float(cost_model.cost(_largest_indices(space))),
        rl_estimator=estimator,
    )
    controller = tunas_tf.Controller(space, config, tunas_tf.TensorFlowCostModel(cost_model))

    @tf.function(autograph=False)
    def step(number):
        sample = controller.sample(0, number)
        return controller.update(sample, tf.constant(0.5), 0, number)["reward"]

    seconds = []
    for number in range(_CONTROLLER_STEPS):
        start = time.perf_counter()
        step(tf.constant(number)).numpy()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _take_turns(space) -> dict[str, Any]:
    """Milliseconds of every sample."""
    import tensorflow as tf

    from tunas_tf.training import precision

    generator = np.random.default_rng(0)
    supernets = {name: make_supernet(space, name, False) for name in ("slice", "mask")}
    if FLAGS.bfloat16:
        with precision.network_precision(bfloat16=True):
            supernets["bfloat16"] = make_supernet(space, "slice", False)
    whole = {
        "widest": (supernets["mask"], tf.constant(one_hot_masks(space, _largest_indices(space)))),
        "everything": (supernets["mask"], tf.constant(_warmup_masks(space))),
    }
    for _ in range(FLAGS.num_unmeasured):
        # Every option is optimised by TensorFlow when it first runs.
        masks = tf.constant(one_hot_masks(space, random_indices(space, generator)))
        for supernet in supernets.values():
            supernet.seconds(masks)
    for supernet, masks in whole.values():
        supernet.seconds(masks)
    supernet_update = supernets["slice"].update_seconds()
    samples = []
    for number in range(FLAGS.num_samples):
        indices = random_indices(space, generator)
        masks = tf.constant(one_hot_masks(space, indices))
        network = _network(space, indices)
        network.seconds(masks)  # Traces.
        contestants = {name: (supernet, masks) for name, supernet in supernets.items()}
        contestants |= {"alone": (network, masks), **whole}
        turns = [
            {name: contestant.seconds(*how) for name, (contestant, *how) in contestants.items()}
            for _ in range(FLAGS.num_turns)
        ]
        row = {name: 1e3 * statistics.median(turn[name] for turn in turns) for name in turns[0]}
        # The first time that the supernet runs this sample, as in a search.
        row["slice, new"] = 1e3 * turns[0]["slice"]
        row["update of all weights"] = 1e3 * supernet_update
        row["update"] = 1e3 * network.update_seconds()
        samples.append({"indices": indices, **row})
        print(f"{number:3}  " + "  ".join(f"{k} {v:.0f}" for k, v in row.items()), flush=True)
        del network, contestants
        gc.collect()
    controllers = {name: 1e3 * _controller_seconds(space, name) for name in ESTIMATORS}
    return {"samples": samples, **_summary(samples), "controller_ms": controllers}


def _summary(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def median(value: Callable[[dict], float]) -> float:
        return statistics.median(map(value, samples))

    names = [name for name in samples[0] if name != "indices"]
    ratios = {
        "mask/slice": median(lambda row: row["mask"] / row["slice"]),
        "widest/slice": median(lambda row: row["widest"] / row["slice"]),
        "everything/slice": median(lambda row: row["everything"] / row["slice"]),
        "mask/alone": median(lambda row: row["mask"] / row["alone"]),
        "slice/alone": median(lambda row: row["slice"] / row["alone"]),
        "slice'/alone": median(
            lambda row: (row["slice"] - row["update of all weights"] + row["update"]) / row["alone"]
        ),
        "slice, new/alone": median(lambda row: row["slice, new"] / row["alone"]),
    }
    if FLAGS.bfloat16:
        ratios["bfloat16/slice"] = median(lambda row: row["bfloat16"] / row["slice"])
    return {
        "median_ms": {name: median(lambda row, name=name: row[name]) for name in names},
        "median_ratio": ratios,
    }


def peak_megabytes() -> float:
    """Of this process; what getrusage tells is at least the memory of the one that started it."""
    (peak,) = re.findall(
        r"^VmHWM:\s+(\d+) kB$", pathlib.Path("/proc/self/status").read_text(), re.M
    )
    return int(peak) / 1024


def _run_probe(space, name: str) -> dict[str, float]:
    """In a process of its own: seconds to the first step, and the peak memory of some steps."""
    import tensorflow as tf

    from tunas_tf import models  # Imported before it counts.

    del models
    imported = peak_megabytes()
    largest = _largest_indices(space)
    masks = tf.constant(one_hot_masks(space, largest))
    times = [time.perf_counter()]
    if _PROBES[name] is None:
        contestant = _network(space, largest)
    else:
        contestant = make_supernet(space, *_PROBES[name])
    times.append(time.perf_counter())
    contestant.trace(masks)
    times.append(time.perf_counter())
    contestant.seconds(masks)
    times.append(time.perf_counter())
    generator = np.random.default_rng(0)
    for _ in range(_PROBE_STEPS):
        contestant.seconds(masks)
    largest_peak = peak_megabytes() - imported
    if _PROBES[name] is not None:
        for _ in range(_PROBE_STEPS):
            contestant.seconds(tf.constant(_warmup_masks(space)))
            contestant.seconds(tf.constant(one_hot_masks(space, random_indices(space, generator))))
    build, trace, first = np.diff(times)
    return {
        "build_seconds": build,
        "trace_seconds": trace,
        "first_step_seconds": first,
        "largest_megabytes": largest_peak,
        "peak_megabytes": peak_megabytes() - imported,
    }


def _probe(name: str, ssd: str) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.search_step",
        f"--probe={name}",
        f"--ssds={ssd}",
        f"--filters_multiplier={FLAGS.filters_multiplier}",
        f"--image_size={FLAGS.image_size}",
        f"--batch_size={FLAGS.batch_size}",
    ]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def _print_summary(ssd: str, result: dict[str, Any]) -> None:
    print(f"\n{ssd}: {len(result['samples'])} samples")
    for kind, digits in (("median_ms", 1), ("median_ratio", 2), ("controller_ms", 2)):
        for name, value in result[kind].items():
            print(f"  {kind:14}{name:24}{value:10.{digits}f}")


def _print_probes(ssd: str, probes: dict[str, dict[str, float]]) -> None:
    columns = list(probes["alone"])
    print(f"\n{ssd}\n{'':22}" + "".join(f"{column:>20}" for column in columns))
    for name, row in probes.items():
        print(f"{name:22}" + "".join(f"{row[column]:20.1f}" for column in columns))
    alone = probes["alone"]["peak_megabytes"]
    for name in list(probes)[:-1]:
        print(f"peak of {name} / alone: {probes[name]['peak_megabytes'] / alone:.2f}")


def main() -> None:
    spaces = [search_space.get(ssd, FLAGS.filters_multiplier) for ssd in FLAGS.ssds]
    if FLAGS.probe:
        print(json.dumps(_run_probe(spaces[0], FLAGS.probe)))
        return
    results = {"image_size": FLAGS.image_size, "batch_size": FLAGS.batch_size}
    for ssd, space in zip(FLAGS.ssds, spaces):
        results[ssd] = {}
        if FLAGS.num_samples:
            results[ssd] = _take_turns(space)
            _print_summary(ssd, results[ssd])
        if FLAGS.processes:
            probes = results[ssd]["processes"] = {name: _probe(name, ssd) for name in _PROBES}
            _print_probes(ssd, probes)
        if FLAGS.output:
            write_json(FLAGS.output, results)


if __name__ == "__main__":
    app.run(main)
