"""Choice between options in the graph: only the selected one runs."""

from typing import Any, Callable, Sequence

import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError

__all__ = ["Switch", "switch"]


def switch(mask: tf.Tensor, branches: Sequence[Callable[[], Any]]) -> Any:
    """Runs the branch that `mask` selects, or all of them if it selects several.

    A one-hot mask runs its branch alone and returns the result as it is. Any other mask
    (uniform, as in warmup) runs all branches and returns `sum_i mask[i] * branches[i]()`.
    A single branch is run without looking at the mask. No gradient flows to the mask.

    In a tf.function the variables of branches that did not run get zero gradients; in
    eager mode, where they are not on the tape, None. Variables must exist before: the
    branches must not create any.

    Args:
      mask: float [n], one weight per branch.
      branches: n functions without arguments that return the same structure of tensors.
    """
    mask = tf.stop_gradient(tf.convert_to_tensor(mask))
    num_branches = len(branches)
    if num_branches == 0 or not mask.shape.is_compatible_with([num_branches]):
        raise InputError(
            f"a switch between {num_branches} branches got a mask of shape {mask.shape}; give at "
            "least one branch and a mask with one entry per branch."
        )
    if num_branches == 1:
        return branches[0]()

    def weighted_sum():
        results = [branch() for branch in branches]
        return tf.nest.map_structure(
            lambda *tensors: tf.add_n(
                [tf.cast(mask[i], tensor.dtype) * tensor for i, tensor in enumerate(tensors)]
            ),
            *results,
        )

    if not tf.executing_eagerly():
        # Trace each branch once, here: both uses below then call the same function.
        branches = [
            tf.function(branch, autograph=False).get_concrete_function() for branch in branches
        ]
    is_one_hot = tf.equal(tf.math.count_nonzero(mask), 1)
    selected = tf.argmax(mask, output_type=tf.int32)
    return tf.switch_case(
        tf.where(is_one_hot, selected, num_branches), [*branches, weighted_sum]
    )


@tf_keras.utils.register_keras_serializable(package="tunas_tf")
class Switch(tf_keras.layers.Layer):
    """`switch` between layers that map the same input to outputs of the same shape.

    Options that are not built yet are built for the input shape of the switch, outside of
    the branches.

    Attributes:
      options: the layers.
    """

    def __init__(self, options: Sequence[tf_keras.layers.Layer], **kwargs):
        super().__init__(**kwargs)
        self.options = list(options)

    def build(self, input_shape):
        for option in self.options:
            if not option.built:
                option.build(input_shape)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, option_mask: tf.Tensor, **kwargs) -> Any:
        """Calls the selected options as `option(inputs, **kwargs)`.

        Args:
          inputs: what the options take.
          option_mask: float [number of options], see `switch`.
          **kwargs: passed on, for example active_filters.
        """
        return switch(
            option_mask,
            [lambda option=option: option(inputs, **kwargs) for option in self.options],
        )

    def get_config(self) -> dict[str, Any]:
        options = [tf_keras.layers.serialize(option) for option in self.options]
        return {**super().get_config(), "options": options}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Switch":
        options = [tf_keras.layers.deserialize(option) for option in config["options"]]
        return cls(**{**config, "options": options})
