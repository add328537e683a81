"""Does the search beat random networks of the same cost? Compares them, with pictures.

  python -m tunas_tf.compare_search --flagfile=flags/compare_quickstart.flags

Searches with several seeds; draws random networks within --cost_tolerance of the cost target;
scales reference networks to the same cost; evolves networks on the shared weights. Each
network is trained from scratch by one recipe, on what searches train on; networks are chosen by
their accuracy on what a search is rewarded with, and reported on the test split. Flags of
trainings begin with train_, but for --train_batch_size and those that searches share.

--output_dir then holds results.jsonl, summary.json, pictures and the searches; it is made into
one page by report --run_dir. The same command again goes on where it was stopped; larger
numbers add work, and what is there is not done again.

Compute is counted as measured seconds, and as multiply-adds of training steps: 3 times those of
a forward pass. Of the supernet all that runs is counted: in warmup all options of an operation
choice, and with --execution=mask every layer at its full width.

--ablations=reward,exponent,... also searches with other settings and tells how far from the
target the network is, and how many searches it takes until one is within the tolerance.
"""

from absl import flags

from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.command_line import (
    app,
    compare_command,
    compare_flags,
    network_flags,
    search_command,
    training_flags,
)
from tunas_tf.common.errors import InputError

FLAGS = flags.FLAGS

network_flags.define("ssd", "filters_multiplier", "image_size", "cost_model", "seed")
training_flags.define(epochs=90, train_batch_size=4096)
del FLAGS.checkpoint_dir  # Every search has its own, below --output_dir.
training_flags.define_label_smoothing()
search_command.define()
compare_flags.define()


def main() -> None:
    compare_flags.check()
    search_command.check_flags()
    space = network_flags.space()
    if not search_space.choices_of(space):
        raise InputError(f"{space.name} has no choices: there is nothing to compare.")
    cost_model_name = FLAGS.cost_model or cost_model_lib.default_name(space)
    cost_model_lib.ignored_inputs(cost_model_name)  # That there is one of this name.

    # TensorFlow takes seconds to import: only now, when the flags above are known to be right.
    from tunas_tf import data

    dataset = data.load(**training_flags.data_arguments())
    cost_model = cost_model_lib.get(cost_model_name, space, FLAGS.image_size, dataset.num_classes)
    compare_command.compare(space, dataset, cost_model_name, cost_model)


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
