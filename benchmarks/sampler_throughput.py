"""How many architectures per second rejection sampling draws and prices on one core.

  python -m benchmarks.sampler_throughput --ssd=proxylessnas_search --cost_model=pixel1

Draws networks without a cost window, so that each one counts, in turns; prints the median of
the turns, by the processor time that they took, which other work on the machine hardly changes.
"""

import statistics
import time

from absl import app, flags

from tunas_tf import cost_model, search_space
from tunas_tf.cost_model.sampling import sample_architectures

FLAGS = flags.FLAGS

flags.DEFINE_string("ssd", "proxylessnas_search", "Search space.")
flags.DEFINE_string("cost_model", "pixel1", "What networks are priced by.")
flags.DEFINE_integer("num_samples", 200_000, "Architectures of a turn.", 1)
flags.DEFINE_integer("rounds", 9, "Turns.", 1)


def main(argv) -> None:
    del argv
    model = cost_model.get(FLAGS.cost_model, search_space.get(FLAGS.ssd))
    rates = []
    for seed in range(FLAGS.rounds):
        start = time.process_time()
        sample_architectures(model, FLAGS.num_samples, seed)
        rates.append(FLAGS.num_samples / (time.process_time() - start))
    print(
        f"{FLAGS.ssd}, {FLAGS.cost_model}: {statistics.median(rates):,.0f} architectures per "
        f"second of one core (median of {FLAGS.rounds}; {min(rates):,.0f} to {max(rates):,.0f})"
    )


if __name__ == "__main__":
    app.run(main)
