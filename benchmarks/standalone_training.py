"""How fast is a stand-alone network trained and evaluated? Against the stock Keras network.

  python -m benchmarks.standalone_training --output=standalone_training.json

Our mobilenet_v3_large and tf_keras.applications.MobileNetV3Large take the same training step
(`NetworkTrainer`) and the same `ClassifierEvaluator` on the same batches of the embedded
digits, in turns: ours, stock, ours, stock. The table tells the median time of a step of each
network, and the ratio of the medians: below 1 ours is faster.

Both have the same weights in number and shape. They differ in layers without weights: the
stock network gates squeeze-and-excite by a piecewise linear sigmoid, composes its activations
of several layers, and pads before strided depthwise convolutions.

Takes about 3 minutes on 2 cores, which should have nothing else to do.
"""

import dataclasses
import json
import statistics
import time
from collections.abc import Callable

# First, as it sets what TensorFlow is to use.
from tunas_tf import data, models, search_space

# isort: split
import tensorflow as tf
import tf_keras
from absl import flags

from tunas_tf.command_line import app
from tunas_tf.training.classification import ClassificationTask
from tunas_tf.training.classifier_job import ClassifierEvaluator
from tunas_tf.training.network_trainer import NetworkTrainer
from tunas_tf.training.optimization import make_optimizer

FLAGS = flags.FLAGS
flags.DEFINE_integer("image_size", 64, "Side of the images in pixels.", lower_bound=32)
flags.DEFINE_integer("batch_size", 32, "Images per step.", lower_bound=1)
flags.DEFINE_integer("rounds", 7, "Turns of each network.", lower_bound=1)
flags.DEFINE_integer("train_steps", 20, "Training steps in a turn.", lower_bound=1)
flags.DEFINE_integer("eval_steps", 20, "Evaluation steps in a turn.", lower_bound=1)
flags.DEFINE_string("dataset_dir", None, "Where the digits are; default: the usual place.")
flags.DEFINE_string("output", None, "JSON file for the results.")

_NUM_CLASSES = 10


def _ours() -> tf_keras.Model:
    network = search_space.resolve(search_space.get("mobilenet_v3_large"), ())
    return models.build_classifier(network, _NUM_CLASSES, FLAGS.image_size)


def _stock() -> tf_keras.Model:
    return tf_keras.applications.MobileNetV3Large(
        input_shape=(FLAGS.image_size, FLAGS.image_size, 3),
        weights=None,
        classes=_NUM_CLASSES,
        dropout_rate=0.0,
        classifier_activation=None,
        include_preprocessing=False,
    )


@dataclasses.dataclass
class _Contestant:
    """A network, what it does in a turn, and the seconds per step of its turns so far."""

    num_parameters: int
    turns: dict[str, Callable[[], None]]
    seconds: dict[str, list[float]]

    def take_turn(self, name: str, num_steps: int) -> None:
        start = time.perf_counter()
        self.turns[name]()
        self.seconds[name].append((time.perf_counter() - start) / num_steps)


def _contestant(network: tf_keras.Model, dataset: data.ClassificationDataset) -> _Contestant:
    total_steps = FLAGS.train_steps * (FLAGS.rounds + 1)
    optimizer = make_optimizer(
        network.trainable_variables, 0.165, FLAGS.batch_size, total_steps, 0.025, momentum=0.9
    )
    batches = dataset.training_batches("train", FLAGS.batch_size, seed=0)
    task = ClassificationTask(label_smoothing=0.1)
    trainer = NetworkTrainer(task, network, optimizer, batches, weight_decay=4e-5)
    evaluator = ClassifierEvaluator(network, dataset.evaluation_batches("test", FLAGS.batch_size))
    turns = {
        # Reading a result waits for all of it.
        "train": lambda: float(trainer.train(tf.constant(FLAGS.train_steps))["model/loss"]),
        "evaluate": lambda: float(evaluator.evaluate(tf.constant(FLAGS.eval_steps))["accuracy"]),
    }
    num_parameters = sum(v.shape.num_elements() for v in network.trainable_variables)
    return _Contestant(num_parameters, turns, {name: [] for name in turns})


def main() -> None:
    dataset = data.load("digits", FLAGS.dataset_dir, FLAGS.image_size)
    num_steps = {"train": FLAGS.train_steps, "evaluate": FLAGS.eval_steps}
    contestants = {}
    for name, build in (("ours", _ours), ("stock", _stock)):
        tf_keras.utils.set_random_seed(0)
        contestants[name] = _contestant(build(), dataset)
        for turn in contestants[name].turns.values():
            turn()  # Traces, and fills the input pipeline.
    for _ in range(FLAGS.rounds):
        for kind, steps in num_steps.items():
            for contestant in contestants.values():
                contestant.take_turn(kind, steps)

    result = {"image_size": FLAGS.image_size, "batch_size": FLAGS.batch_size}
    print(f"{'network':10}{'parameters':>12}{'train ms/step':>16}{'evaluate ms/step':>18}")
    for name, contestant in contestants.items():
        medians = {kind: statistics.median(contestant.seconds[kind]) for kind in num_steps}
        print(
            f"{name:10}{contestant.num_parameters:12}"
            f"{1e3 * medians['train']:16.1f}{1e3 * medians['evaluate']:18.1f}"
        )
        result[name] = {
            "parameters": contestant.num_parameters,
            "median_seconds": medians,
            "seconds": contestant.seconds,
        }
    result["ratio"] = {
        kind: result["ours"]["median_seconds"][kind] / result["stock"]["median_seconds"][kind]
        for kind in num_steps
    }
    print(f"{'ratio':22}{result['ratio']['train']:16.3f}{result['ratio']['evaluate']:18.3f}")
    if FLAGS.output:
        with open(FLAGS.output, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    app.run(main)
