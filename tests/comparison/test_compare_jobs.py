"""What the items of a comparison share."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_comparison

from tunas_tf.comparison import jobs


@pytest.mark.parametrize("max_bytes", [2**30, 0])
def test_networks_are_compared_on_the_same_batches(image_folder, tmp_path, monkeypatch, max_bytes):
    """Whether or not they are kept in memory, and whichever search gives the weights."""
    monkeypatch.setattr(jobs, "_CACHE_BYTES", max_bytes)
    comparison = tiny_comparison.comparison(tmp_path, image_folder)

    def passes(search_seed):
        tf.random.set_seed(search_seed)  # As `make_supernet` does.
        batches = jobs.Jobs(comparison)._validation_batches()
        return [np.stack([images.numpy() for images, _ in batches]) for _ in range(3)]

    first, *others = [*passes(0), *passes(1)]
    assert first.shape == (2, 5, 16, 16, 3)
    assert len(np.unique(first.reshape(10, -1), axis=0)) == 10
    for other in others:
        np.testing.assert_array_equal(other, first)
