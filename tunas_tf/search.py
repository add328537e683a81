"""Searches a network: trains a supernet and a controller in one run directory.

  python -m tunas_tf.search --flagfile=flags/quickstart.flags

Takes a dataset, a search space and a cost target; gives checkpoints, TensorBoard events and
metrics.jsonl in --checkpoint_dir, from which analyze_search names the network. The same
command again resumes; Ctrl-C and SIGTERM save a checkpoint first.
"""

from absl import flags

from tunas_tf import cost_model as cost_model_lib
from tunas_tf.command_line import (
    app,
    network_flags,
    search_command,
    strategy_flags,
    training_flags,
)
from tunas_tf.training.search_settings import require_choices

FLAGS = flags.FLAGS

network_flags.define("ssd", "filters_multiplier", "image_size", "cost_model", "seed")
training_flags.define(epochs=90, train_batch_size=4096)
training_flags.define_label_smoothing()
search_command.define()
strategy_flags.define()


def main() -> None:
    search_command.check_flags()
    strategy_flags.check_flags()
    training_flags.require_checkpoint_dir()
    space = network_flags.space()
    require_choices(space)
    cost_model_name = FLAGS.cost_model or cost_model_lib.default_name(space)
    cost_model_lib.ignored_inputs(cost_model_name)  # That there is one of this name.

    # TensorFlow takes seconds to import: only now, when the flags above are known to be right.
    from tunas_tf import data
    from tunas_tf.models import Supernet
    from tunas_tf.training.classification import ClassificationTask

    with strategy_flags.devices():
        dataset = data.load(**training_flags.data_arguments())
        cost_model = None
        if FLAGS.enable_cost_model:
            cost_model = cost_model_lib.get(
                cost_model_name, space, FLAGS.image_size, dataset.num_classes
            )
        search_command.search(
            command="search",
            title=f"search in {space.name} on {dataset.name}",
            space=space,
            dataset=dataset,
            task=ClassificationTask(FLAGS.label_smoothing),
            cost_model=cost_model,
            build_supernet=lambda execution, rematerialize: Supernet(
                space, dataset.num_classes, execution=execution, rematerialize=rematerialize
            ),
        )


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
