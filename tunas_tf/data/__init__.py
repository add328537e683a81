"""Datasets: tensorflow-datasets, the embedded digits among them, and folders of images."""

from tunas_tf.data.classification import ClassificationDataset, load
from tunas_tf.data.digits import Digits

__all__ = ["ClassificationDataset", "Digits", "load"]
