"""Settings that cannot work are refused in one sentence."""

import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.controller.config import ControllerConfig


def test_learning_rate_scales_with_the_batch():
    # 3e-4 * 4096 / 256
    assert ControllerConfig(total_steps=1).base_learning_rate == pytest.approx(4.8e-3)
    config = ControllerConfig(total_steps=1, train_batch_size=64, rl_learning_rate=0.1)
    assert config.base_learning_rate == pytest.approx(0.025)


@pytest.mark.parametrize(
    "name", ["increase_ops_warmup_steps_fraction", "increase_filters_warmup_steps_fraction"]
)
def test_warmup_may_not_outlast_the_delay(name):
    ControllerConfig(total_steps=10, **{name: 0.25})
    with pytest.raises(InputError, match=f"{name} is 0.3, longer than rl_delay_steps_fraction"):
        ControllerConfig(total_steps=10, **{name: 0.3})


@pytest.mark.parametrize(
    "name, value",
    [
        ("total_steps", 0),
        ("train_batch_size", 0),
        ("rl_learning_rate", -1.0),
        ("rl_entropy_regularization", -0.1),
        ("rl_baseline_momentum", 1.0),
        ("rl_delay_steps_fraction", 1.5),
        ("rl_reward_function", "absolute"),
        ("rl_cost_model_target", 0.0),
        ("rl_cost_model_exponent", 0.1),
        ("rl_estimator", "none"),
        ("rl_cost_samples", 1),
        ("rl_residual_weight", 1.1),
    ],
)
def test_values_out_of_range(name, value):
    with pytest.raises(InputError, match=f"^{name} is .*(must be|use one of)"):
        ControllerConfig(**{"total_steps": 10, name: value})
