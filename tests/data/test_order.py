"""The exact order of examples: every one once in an epoch, from any place on, by the seed alone."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.data import order

_NUM = 10


def _in_memory(seed, first):
    return order.in_memory(tf.data.Dataset.range(_NUM), _NUM, seed, first)


def _read(epoch, position):
    """Of an epoch the numbers from 100 * epoch on; odd epochs begin at the other end."""
    numbers = tf.range(_NUM, dtype=tf.int64)
    numbers = tf.where(epoch % 2 == 1, numbers[::-1], numbers) + 100 * epoch
    return tf.data.Dataset.from_tensor_slices(numbers).skip(position)


def _in_blocks(seed, first, block_size=4):
    return order.in_blocks(_read, _NUM, block_size, seed, first)


def _take(dataset, number):
    return [int(value) for value in dataset.take(number)]


def test_each_example_comes_once_in_an_epoch_and_epochs_differ():
    drawn = np.reshape(_take(_in_memory(seed=3, first=0), 4 * _NUM), (4, _NUM))
    assert [sorted(epoch) for epoch in drawn.tolist()] == [list(range(_NUM))] * 4
    assert len({tuple(epoch) for epoch in drawn.tolist()}) == 4


def test_blocks_are_shuffled_one_by_one():
    drawn = np.reshape(_take(_in_blocks(seed=3, first=0), 40 * _NUM), (40, _NUM))
    for number, epoch in enumerate(drawn):
        places = epoch - 100 * number
        places = _NUM - 1 - places if number % 2 else places
        assert sorted(places[:4]) == [0, 1, 2, 3]
        assert sorted(places[4:8]) == [4, 5, 6, 7]
        assert sorted(places[8:]) == [8, 9]
    # Of 24 orders of four, and of 2 of two.
    assert len({tuple(epoch[:4] - epoch[:4].min()) for epoch in drawn[::2]}) > 10
    assert len({tuple(epoch[8:] - epoch[8:].min()) for epoch in drawn[::2]}) == 2


@pytest.mark.parametrize("stream", [_in_memory, _in_blocks])
def test_one_can_begin_anywhere(stream):
    expected = _take(stream(seed=7, first=0), 4 * _NUM)
    for first in (1, 3, 4, 9, 10, 17, 29):
        assert _take(stream(seed=7, first=first), _NUM) == expected[first : first + _NUM]


@pytest.mark.parametrize("stream", [_in_memory, _in_blocks])
def test_the_seed_alone_decides(stream):
    drawn = []
    for global_seed, seed in ((1, 5), (2, 5), (1, 6)):
        tf.random.set_seed(global_seed)
        drawn.append(_take(stream(seed, first=0), 30))
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_came_before_is_not_read():
    def read(epoch, position):
        del epoch
        seen = tf.data.Dataset.range(position, _NUM)
        return seen.map(lambda value: tf.py_function(remember, [value], tf.int64))

    def remember(value):
        values.append(int(value))
        return value

    values: list[int] = []
    next(iter(order.in_blocks(read, _NUM, 4, 0, first=3 * _NUM + 9)))
    assert values[:2] == [8, 9]  # The block of the example begins there.


def test_nested_examples_of_different_lengths_stay_together():
    examples = tf.data.Dataset.range(_NUM).map(
        lambda number: {"text": tf.strings.as_string(number), "rows": tf.fill([number, 2], number)}
    )
    dataset = order.in_memory(examples, _NUM, seed=1, first=4)
    assert dataset.element_spec["rows"].shape.as_list() == [None, 2]
    for example in dataset.take(_NUM):
        number = int(example["text"].numpy())
        np.testing.assert_array_equal(example["rows"], np.full((number, 2), number))
