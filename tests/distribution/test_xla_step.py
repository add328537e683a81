"""A search step in mask execution compiles under XLA, which TPUs need: no shape is dynamic."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf import cost_model as cost_model_lib
from tunas_tf.controller import Controller, ControllerConfig
from tunas_tf.cost_model.tensorflow_evaluator import TensorFlowCostModel
from tunas_tf.models import Supernet
from tunas_tf.training.classification import ClassificationTask
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.search_job import make_supernet
from tunas_tf.training.search_trainer import SearchTrainer


def _trainer() -> SearchTrainer:
    import tiny_space  # Registers its space, which other tests would list.

    space = tiny_space.tiny_search()
    supernet = make_supernet(lambda: Supernet(space, 2, execution="mask", rematerialize=True), 0)
    optimizer = make_optimizer(supernet.trainable_variables, 1.0, 256, 10, 0.0, momentum=0.9)
    cost_model = cost_model_lib.get("madds", space, 16, 2)
    config = ControllerConfig(
        total_steps=10,
        train_batch_size=8,
        rl_delay_steps_fraction=0.5,
        rl_cost_model_target=cost_model.reference_cost(),
        rl_estimator="control_variate",
        increase_ops_warmup_steps_fraction=0.5,
        increase_filters_warmup_steps_fraction=0.5,
    )
    controller = Controller(space, config, TensorFlowCostModel(cost_model))
    nothing = tf.data.Dataset.from_tensors(0)
    return SearchTrainer(
        ClassificationTask(0.1), supernet, controller, optimizer, nothing, nothing, 4e-5, seed=0
    )


def _after_steps(jit_compile: bool) -> list[np.ndarray]:
    """Weights and logits after eight steps: with warmup at first, then the controller learns."""
    trainer = _trainer()
    draw, samples = trainer.controller.sample, []
    # XLA draws other random numbers, so samples are drawn before, and given to the step.
    trainer.controller.sample = lambda seed, step: samples[-1]
    generator = np.random.default_rng(0)
    batches = [
        (
            tf.constant(generator.normal(size=(8, 16, 16, 3)), tf.float32),
            tf.constant(generator.integers(2, size=8), tf.int32),
        )
        for _ in range(2)
    ]

    @functools.partial(tf.function, autograph=False, jit_compile=jit_compile)
    def step(sample):
        samples.append(sample)
        return trainer._replica_step(*batches)

    for number in range(8):
        finite, indices = step(draw(0, number))
        assert int(finite) == 1 and indices.shape == [6]
        trainer.global_step.assign_add(1)
    logits = trainer.controller.state.logits.numpy()
    assert np.any(logits != 0)
    return [*trainer.supernet.get_weights(), logits]


@pytest.mark.slow
def test_compiled_steps_equal_those_that_are_not():
    found, expected = map(_after_steps, (True, False))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
