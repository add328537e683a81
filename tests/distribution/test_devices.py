"""Devices that are not there, and what the flags allow."""

import json

import command_outcomes
import pytest
import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.training import devices

_CLUSTER = {"worker": ["host1:2222", "host2:2222"]}


@pytest.mark.parametrize(
    "value",
    [
        "{",
        "[]",
        {"cluster": _CLUSTER},
        {"cluster": _CLUSTER, "task": {"type": "worker", "index": 2}},
        {"cluster": _CLUSTER, "task": {"type": "chief", "index": 0}},
        {"cluster": {"ps": ["host:1"], **_CLUSTER}, "task": {"type": "worker", "index": 0}},
        {"cluster": {"worker": ["host1"]}, "task": {"type": "worker", "index": 0}},
    ],
)
def test_a_cluster_that_makes_no_sense(value, monkeypatch):
    text = value if isinstance(value, str) else json.dumps(value)
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG does not list workers as host:port"):
        devices.make_strategy("multi_worker_mirrored")


def test_no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match="needs the environment variable TF_CONFIG"):
        devices.make_strategy("multi_worker_mirrored")


@pytest.mark.skipif(bool(tf.config.list_physical_devices("TPU")), reason="There is a TPU.")
def test_no_tpu():
    with pytest.raises(InputError, match="the TPU of this machine cannot be used"):
        devices.make_strategy("tpu")


def test_one_worker_is_its_own_chief():
    assert devices.num_workers() == 1 and devices.is_chief()
    assert devices.sum_over_workers([3, 4]) == [3, 4]
    devices.require_same_on_all_workers(7)


def test_a_batch_that_replicas_cannot_share(monkeypatch):
    class Three:
        num_replicas_in_sync = 3

    monkeypatch.setattr(tf.distribute, "get_strategy", Three)
    devices.require_divisible("train_batch_size", 6)
    with pytest.raises(InputError, match=r"train_batch_size is 8, which 3 replicas .* multiple"):
        devices.require_divisible("train_batch_size", 8)


def test_flags_without_effect():
    lines = [
        ["--checkpoint_dir=x", "--num_devices=2"],
        ["--checkpoint_dir=x", "--tpu=mine"],
        ["--checkpoint_dir=x", "--distribution_strategy=tpu", "--tpu_zone=here"],
        ["--checkpoint_dir=x", "--distribution_strategy=parameter_server"],
    ]
    errors = [o["error"] for o in command_outcomes.outcomes("tunas_tf.search", lines, run=True)]
    assert "--num_devices has no effect here: --distribution_strategy is one_device" in errors[0]
    assert "--tpu has no effect here: --distribution_strategy is one_device" in errors[1]
    assert "--tpu_zone has no effect here: no --tpu is named" in errors[2]
    assert "parameter_server" in errors[3]
