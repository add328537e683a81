"""What all tests share. Its place also makes helpers here, like example_spaces, importable."""

import pytest


@pytest.fixture(scope="session")
def digits_dir(tmp_path_factory) -> str:
    """A dataset_dir with a small edition of `digits`: 1,000 training and 200 test images."""
    # Tests of commands that need no TensorFlow also load this file.
    from tunas_tf.data import digits

    directory = str(tmp_path_factory.mktemp("datasets"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "NUM_EXAMPLES", {"train": 1000, "test": 200})
        digits.prepare(directory)
    return directory


@pytest.fixture(scope="session")
def imagenet_dir(tmp_path_factory) -> str:
    """A dataset_dir with a small `imagenet2012`: 240 training and 60 validation images."""
    import miniature_imagenet

    return miniature_imagenet.build(tmp_path_factory.mktemp("imagenet"))
