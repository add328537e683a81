"""Checks a dataset before hours are spent on it: is all there, can it be decoded, how fast?

  python -m tunas_tf.check_data --dataset=imagenet2012 --dataset_dir=DIR

Lists the splits as search and train_eval use them, reads --num_examples of the training and
of the test images, spread over the files, and measures how fast training reads on this
machine. --num_examples=0 reads every image, which proves that all files are whole, and counts
the images of each class; of an image folder they are always counted. Warns of what makes a
dataset less useful: classes of few images, photos that are not stored upright. Ends with exit
code 2 and one line if something is missing or broken: trainings go on without the images that
cannot be decoded, and only say how many there are.
"""

from absl import flags

from tunas_tf.command_line import app, network_flags, training_flags

FLAGS = flags.FLAGS

training_flags.define_data()
network_flags.define("image_size", "format")
flags.DEFINE_integer(
    "num_examples", 256, "Images to read of the training and of the test set; 0: all.", 0
)


def main() -> None:
    from tunas_tf import data
    from tunas_tf.data import inspection, inspection_report

    dataset = data.load(
        FLAGS.dataset,
        FLAGS.dataset_dir,
        FLAGS.image_size,
        FLAGS.reward_fraction,
        on_broken="keep",  # Whoever checks wants to see them.
    )
    found = inspection.inspect(dataset, FLAGS.num_examples)
    network_flags.print_result(inspection_report.to_json(found), inspection_report.to_text(found))
    inspection_report.require_usable(found)


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
