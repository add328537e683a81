"""Does a search step wait for its data?

  python -m benchmarks.input_pipeline
  python -m benchmarks.input_pipeline --dataset=image_folder --dataset_dir=DIR --image_size=224

Takes the training and reward batches of a search and, between them, its step on a supernet (see
`search_step`), and tells the median milliseconds of both: the time from the end of a step until
the next batches are there, and the step. Then the batches alone, as fast as they come, which is
what the pipeline has in reserve. At last the memory that the pipeline took.
"""

import itertools
import statistics
import time

import numpy as np
from absl import flags

from benchmarks import search_step
from tunas_tf import search_space
from tunas_tf.command_line import app

FLAGS = flags.FLAGS
flags.DEFINE_string("ssd", "quickstart_search", "Search space.")
flags.DEFINE_string("dataset", "digits", "As of the search command.")
flags.DEFINE_string("dataset_dir", None, "As of the search command.")
flags.DEFINE_integer("num_steps", 60, "Steps that are measured.", 1)

_FIRST_STEPS = 20


def main() -> None:
    import tensorflow as tf

    from tunas_tf.data import classification

    space = search_space.get(FLAGS.ssd)
    dataset = classification.load(FLAGS.dataset, FLAGS.dataset_dir, FLAGS.image_size)
    supernet = search_step.make_supernet(space, "slice", False)
    generator = np.random.default_rng(0)

    def step(images, reward_images) -> float:
        masks = tf.constant(
            search_step.one_hot_masks(space, search_step.random_indices(space, generator))
        )
        return supernet.seconds(masks, images, reward_images)

    zeros = tf.zeros((FLAGS.batch_size, FLAGS.image_size, FLAGS.image_size, 3))
    for _ in range(_FIRST_STEPS):
        step(zeros, zeros)
    before = search_step.peak_megabytes()
    batches = zip(
        dataset.training_batches("search_train", FLAGS.batch_size, seed=0),
        dataset.training_batches("search_validation", FLAGS.batch_size, seed=1, augment=False),
    )
    waits, steps = [], []
    for _ in range(_FIRST_STEPS + FLAGS.num_steps):
        start = time.perf_counter()
        (images, _), (reward_images, _) = next(batches)
        waits.append(1e3 * (time.perf_counter() - start))
        steps.append(1e3 * step(images, reward_images))
    start = time.perf_counter()
    for _ in itertools.islice(batches, FLAGS.num_steps):
        pass
    alone = 1e3 * (time.perf_counter() - start) / FLAGS.num_steps
    print(
        f"{FLAGS.ssd} on {FLAGS.dataset}, {FLAGS.batch_size} + {FLAGS.batch_size} images of "
        f"{FLAGS.image_size} pixels, {FLAGS.num_steps} steps\n"
        f"  a step                 {statistics.median(steps[_FIRST_STEPS:]):8.2f} ms\n"
        f"  waits for batches      {statistics.median(waits[_FIRST_STEPS:]):8.2f} ms\n"
        f"  batches without steps  {alone:8.2f} ms\n"
        f"  the first batches      {waits[0]:8.2f} ms\n"
        f"  memory                 {search_step.peak_megabytes() - before:8.0f} MB"
    )


if __name__ == "__main__":
    app.run(main)
