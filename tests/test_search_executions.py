"""Searches by mask and by slice execution: the same samples, the same rewards."""

import json

import pytest
from command_outcomes import ROOT, outcomes

_STEPS = 20
_BATCH_SIZE = 32
_TIED_STEPS = 2


@pytest.mark.slow
def test_first_steps_do_not_depend_on_the_execution(tmp_path, digits_dir):
    lines = [
        [
            f"--flagfile={ROOT}/flags/quickstart.flags",
            f"--dataset_dir={digits_dir}",
            f"--checkpoint_dir={tmp_path}/{execution}",
            f"--execution={execution}",
            "--epochs=0.72",
            "--iterations_per_loop=1",
            # From the fifth step on the controller learns from the rewards, and samples narrow
            # networks in place of warmup.
            "--rl_delay_steps_fraction=0.2",
            "--increase_ops_warmup_steps_fraction=0.2",
            "--increase_filters_warmup_steps_fraction=0.2",
        ]
        for execution in ("mask", "slice")
    ]
    for outcome in outcomes("tunas_tf.search", lines, run=True):
        assert outcome["error"] is None
    mask, slice_ = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("mask", "slice")
    )
    assert [row["step"] for row in slice_] == [row["step"] for row in mask]
    assert mask[-1]["step"] == _STEPS
    # A step has one sample, so equal costs are equal samples; nearly all of them differ.
    costs = [row["rlcontroller/estimated_cost"] for row in mask]
    assert len(set(costs)) > _STEPS / 2
    assert [row["rlcontroller/estimated_cost"] for row in slice_] == costs
    # Rounding tells two equal logits apart: then one image more or less is right, in few steps.
    differences = [
        row["rlcontroller/validation_accuracy"] - other["rlcontroller/validation_accuracy"]
        for row, other in zip(slice_, mask)
    ]
    assert sum(abs(difference) > 1e-4 for difference in differences) <= _TIED_STEPS
    assert max(map(abs, differences)) < 1.5 / _BATCH_SIZE
    # Rewards differ by that and nothing else, up to the sign of the cost's part.
    rewards = [row["rlcontroller/reward"] + more for row, more in zip(mask, differences)]
    assert [row["rlcontroller/reward"] for row in slice_] == pytest.approx(rewards, abs=1e-4)
    losses = [row["model/loss"] for row in mask]
    assert [row["model/loss"] for row in slice_] == pytest.approx(losses, rel=1e-3)
