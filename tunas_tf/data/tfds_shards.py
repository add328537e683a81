"""The files of a tensorflow-datasets split in a random order that is a function of the epoch."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import file_adapters

from tunas_tf.data import order

__all__ = ["ordered_examples"]


def ordered_examples(
    builder: tfds.core.DatasetBuilder,
    split: str,
    decoding: tfds.decode.PartialDecoding,
    block_size: int,
    seed: int,
    first: int,
) -> tf.data.Dataset:
    """The features of examples in random order, endlessly, each once before any comes again.

    Every epoch takes the files in an order of its own. To begin in the middle of an epoch costs
    reading at most one file and one block.

    Args:
      builder: of the dataset, whose files are there.
      split: in TFDS's notation: "train[100:]".
      decoding: which features, and how.
      block_size: examples that are in memory at a time, among which the order is random.
      seed: of the order.
      first: which one of the endless sequence to begin with, from 0.
    """
    instructions = builder.info.splits[split].file_instructions
    paths = tf.constant([str(instruction.filename) for instruction in instructions])
    starts = tf.constant([instruction.skip for instruction in instructions], tf.int64)
    lengths = np.array([instruction.take for instruction in instructions], np.int64)
    adapter = file_adapters.ADAPTER_FOR_FORMAT[
        builder.info.file_format or file_adapters.DEFAULT_FILE_FORMAT
    ]
    features = decoding.extract_features(builder.info.features)

    def records(path, start, length):
        return adapter.make_tf_data(path).skip(start).take(length)

    def features_of(record) -> Any:
        return features.deserialize_example(record, decoders=decoding.decoders)

    def read(epoch, position):
        # Other random numbers than those of the order in the blocks.
        file_seed = tf.random.fold_in(tf.constant([seed, 1], tf.int64), epoch)
        files = tf.random.experimental.stateless_shuffle(tf.range(len(lengths)), file_seed)
        sizes = tf.gather(lengths, files)
        ends = tf.cumsum(sizes)
        # How many of each file come before the position.
        passed = tf.clip_by_value(position - (ends - sizes), 0, sizes)
        left = passed < sizes
        columns = tf.gather(paths, files), tf.gather(starts, files) + passed, sizes - passed
        rest = tuple(tf.boolean_mask(column, left) for column in columns)
        examples = tf.data.Dataset.from_tensor_slices(rest).flat_map(records)
        return examples.map(features_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    return order.in_blocks(read, int(lengths.sum()), block_size, seed, first)
