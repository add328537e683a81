"""Searches the backbone of a detector, with the quality of its detections as the reward.

  python -m object_detection.search --flagfile=flags/quickstart_detection.flags

As tunas_tf.search does for classifiers: one supernet under the head of --detector, one
controller, one run directory, from which tunas_tf.analyze_search names the backbone. The
quality of a sample is COCO's average precision of a reward batch (--quality). The cost is that
of the whole detector at --image_size. The same command again resumes.
"""

from absl import flags

from object_detection.command_line import detector_flags
from tunas_tf.command_line import (
    app,
    network_flags,
    search_command,
    strategy_flags,
    training_flags,
)
from tunas_tf.common.errors import InputError
from tunas_tf.training.search_settings import require_choices

FLAGS = flags.FLAGS

network_flags.define("ssd", "filters_multiplier", "seed")
detector_flags.define()
detector_flags.define_cost_model()
training_flags.define(epochs=90, train_batch_size=1024, **detector_flags.DATA)
detector_flags.define_data()
search_command.define()
strategy_flags.define()
flags.DEFINE_enum(
    "quality",
    "ap",
    ["ap", "ap50", "neg_loss"],
    "What the reward measures on a batch: COCO's average precision, that at IoU 0.5, or the "
    "negative loss.",
)


def main() -> None:
    search_command.check_flags()
    strategy_flags.check_flags()
    training_flags.require_checkpoint_dir()
    if FLAGS.quality == "neg_loss" and FLAGS.enable_cost_model:
        if FLAGS.rl_reward_function != "abs":
            raise InputError(
                f"--rl_reward_function={FLAGS.rl_reward_function} multiplies the quality, which "
                "is negative with --quality=neg_loss; use --rl_reward_function=abs."
            )
    space = network_flags.space()

    # TensorFlow takes seconds to import: only now, when the flags above are known to be right.
    from object_detection import data, modeling
    from object_detection.training.detection_task import DetectionTask

    definition = detector_flags.definition()
    space = modeling.trim(space, definition.input_levels)
    require_choices(space)
    with strategy_flags.devices():
        dataset = data.load(**detector_flags.data_arguments())
        sizes = FLAGS.image_size, dataset.num_classes
        cost_model = None
        if FLAGS.enable_cost_model:
            cost_model = detector_flags.cost_model(definition, space, *sizes)
        search_command.search(
            command="detection_search",
            title=f"search of a backbone in {space.name} for {definition.name} on {dataset.name}",
            space=space,
            dataset=dataset,
            task=DetectionTask(definition, *sizes, FLAGS.quality),
            cost_model=cost_model,
            build_supernet=lambda *execution: modeling.SupernetDetector(
                definition, space, *sizes, *execution
            ),
        )


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
