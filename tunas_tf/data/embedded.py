"""Writes the datasets that are made from what is installed."""

import os
import sys

import tensorflow_datasets as tfds

from tunas_tf.common.errors import InputError
from tunas_tf.data.tfds_files import quiet_tfds

__all__ = ["prepare"]


def prepare(builder_cls: type[tfds.core.DatasetBuilder], dataset_dir: str) -> None:
    """Writes a dataset below `dataset_dir`, unless it is there.

    TFDS writes into a directory of another name and renames that at the end: after a
    crash the dataset is absent rather than damaged, and of several processes that
    prepare it at once the first to finish wins.
    """
    with quiet_tfds():
        if _is_prepared(builder_cls, dataset_dir):
            return
    # Not where the results of a command go: those may be JSON.
    print(
        f"making the dataset {builder_cls.name} in {dataset_dir}, once, in about half a minute",
        file=sys.stderr,
        flush=True,
    )
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    with quiet_tfds():
        try:
            builder_cls(data_dir=dataset_dir).download_and_prepare(download_config=config)
        except OSError as error:
            if not _is_prepared(builder_cls, dataset_dir):
                raise InputError(
                    f"the dataset {builder_cls.name} cannot be written to {dataset_dir} "
                    f"({error.strerror}); give a writable directory as --dataset_dir."
                ) from None


def _is_prepared(builder_cls: type[tfds.core.DatasetBuilder], dataset_dir: str) -> bool:
    return os.path.isdir(dataset_dir) and builder_cls(data_dir=dataset_dir).is_prepared()
