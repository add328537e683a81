"""Choice between options in the graph: only the selected one runs, forward and backward."""

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.layers.recorded_function import RecordedFunction, unrecorded

__all__ = ["Switch", "switch"]


def switch(
    mask: tf.Tensor,
    branches: Sequence[Callable[[], Any]],
    rematerialize: bool = False,
    same_shapes: bool = False,
) -> Any:
    """Runs the branch that `mask` selects, or all of them if it selects several.

    A mask with one entry that is not 0, which is taken for 1, runs its branch alone and returns
    the result as it is. Any other mask (uniform, as in warmup) runs all branches and returns
    `sum_i mask[i] * branches[i]()`.
    A single branch is run without looking at the mask. No gradient flows to the mask.

    In a tf.function the backward pass runs the backward pass of the selected branch alone;
    what the other branches use gets zero gradients. A sum of several branches is computed
    again branch by branch, which takes the memory of one branch at a time. In eager mode,
    where branches that did not run are not on the tape, their gradients are None.

    Variables must exist before: the branches must not create any.

    Args:
      mask: float [n], one weight per branch.
      branches: n functions without arguments that return the same structure of tensors.
      rematerialize: whether the backward pass computes the selected branch again as well,
        rather than to keep its intermediate tensors. Without effect in eager mode.
      same_shapes: whether all that branches return and keep has the same shapes, which takes
        zeros for what a branch does not have. XLA wants it, and can compile nothing else.
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
    is_one_hot = tf.equal(tf.math.count_nonzero(mask), 1)
    selected = tf.where(is_one_hot, tf.argmax(mask, output_type=tf.int32), num_branches)
    if tf.executing_eagerly():
        if is_one_hot:
            return branches[int(selected)]()
        results = [branch() for branch in branches]
        return tf.nest.map_structure(
            lambda *tensors: tf.add_n([_scaled(t, w) for t, w in zip(tensors, mask)]), *results
        )
    functions = [RecordedFunction(branch, inline=same_shapes) for branch in branches]
    outputs = _GraphSwitch(mask, selected, functions, rematerialize, same_shapes).run()
    return tf.nest.pack_sequence_as(functions[0].structure, outputs)


def _scaled(tensor: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    return tf.cast(weight, tensor.dtype) * tensor


class _GraphSwitch:
    """A switch in a tf.function.

    TensorFlow's own gradient of `tf.switch_case` makes every branch return placeholders for
    the intermediate tensors of all others, which makes tracing quadratic in their number.
    Here all branches save theirs in the same places, as many as the longest one needs.
    """

    def __init__(
        self,
        mask,
        selected,
        functions: Sequence[RecordedFunction],
        rematerialize: bool,
        same_shapes: bool,
    ):
        """
        Args:
          mask: float [n].
          selected: int32 scalar, a branch; n stands for the weighted sum of all.
          functions: the n branches.
          rematerialize, same_shapes: as in `switch`.
        """
        self.weights = tf.unstack(mask, len(functions))
        self.selected = selected
        self.functions = functions
        self.rematerialize = rematerialize
        self.same_shapes = same_shapes
        self.places = _Places([self._kept(function) for function in functions])
        # From outside, by id: the branches share some of them.
        self.sources = {
            id(source): source
            for function in functions
            for source in function.sources
            if source.dtype != tf.resource
        }

    def _kept(self, function: RecordedFunction) -> list[tf.TensorSpec]:
        """The places of what a branch keeps for its backward pass."""
        if self.rematerialize:
            return []
        if not self.same_shapes:
            return [tf.TensorSpec([], spec.dtype) for spec in function.saved_specs]
        # Where all else is static, only the reserve of the fused batch norm has no shape: XLA
        # leaves it empty.
        return [
            spec if spec.shape.is_fully_defined() else tf.TensorSpec([0], spec.dtype)
            for spec in function.saved_specs
        ]

    def run(self) -> list[tf.Tensor]:
        """The outputs as a flat list, from which gradients flow to what the branches use."""

        @tf.custom_gradient
        def run(*sources):
            del sources  # The branches take them as they find them.
            with unrecorded():
                outputs, saved = tf.switch_case(
                    self.selected, [*map(self._forward, self.functions), self._sum]
                )

            def gradients(*output_gradients, variables=()):
                sources = {**self.sources, **{id(v.handle): v for v in variables}}
                with unrecorded():
                    found = self._gradients(sources, saved, output_gradients)
                in_order = [found.get(key) for key in sources]
                if not variables:
                    return in_order
                return in_order[: len(self.sources)], in_order[len(self.sources) :]

            return outputs, gradients

        return run(*(tf.identity(source) for source in self.sources.values()))

    def _forward(self, function: RecordedFunction) -> Callable[[], Any]:
        def call():
            outputs, saved = function.forward()
            kept = self._kept(function)
            return outputs, self.places.put(kept, saved[: len(kept)])

        return call

    def _sum(self):
        total = None
        for function, weight in zip(self.functions, self.weights):
            with tf.control_dependencies(total):  # One by one, for the memory of one.
                outputs, _ = function.forward()
            scaled = [_scaled(output, weight) for output in outputs]
            total = scaled if total is None else [a + b for a, b in zip(total, scaled)]
        return total, self.places.put([], [])

    def _gradients(self, sources, saved, output_gradients) -> dict[int, tf.Tensor]:
        """The gradients of the `sources` that any branch uses, by id."""
        used = {id(source) for f in self.functions for source in f.sources}
        reached = [key for key in sources if key in used]
        shapes = [_shape(sources[key]) for key in reached]
        with tf.control_dependencies(output_gradients):
            zeros = [
                tf.zeros(shape if self.same_shapes else [], sources[key].dtype)
                for key, shape in zip(reached, shapes)
            ]

        def dense(gradients: dict[int, tf.Tensor]) -> list[tf.Tensor]:
            return [gradients.get(key, zero) for key, zero in zip(reached, zeros)]

        def backward(function):
            if self.rematerialize:
                return dense(_recompute(function, output_gradients, output_gradients))
            own = self.places.take(self._kept(function), saved)
            return dense(_by_id(function, function.backward(own, output_gradients)))

        def backward_sum():
            totals: dict[int, tf.Tensor] = {}
            last = output_gradients
            for function, weight in zip(self.functions, self.weights):
                scaled = [_scaled(gradient, weight) for gradient in output_gradients]
                found = _recompute(function, scaled, after=last)
                for key, gradient in found.items():
                    totals[key] = totals[key] + gradient if key in totals else gradient
                last = list(found.values()) or last
            return dense(totals)

        branches = [lambda function=function: backward(function) for function in self.functions]
        gradients = tf.switch_case(self.selected, [*branches, backward_sum]) if reached else []
        return {
            key: tf.broadcast_to(gradient, shape)
            for key, gradient, shape in zip(reached, gradients, shapes)
        }


class _Places:
    """Places for tensors that several functions use, each for its own.

    Attributes:
      specs: one per place, of what stands there when it is not used.
    """

    def __init__(self, users: Sequence[Sequence[tf.TensorSpec]]):
        """
        Args:
          users: for each function, the places that it needs.
        """
        counts: collections.Counter[tf.TensorSpec] = collections.Counter()
        for specs in users:
            counts |= collections.Counter(specs)
        self.specs = list(counts.elements())

    def put(self, specs: Sequence[tf.TensorSpec], tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """All places: those of `specs` filled with `tensors`, the others with zeros."""
        waiting: dict[tf.TensorSpec, Any] = collections.defaultdict(collections.deque)
        for spec, tensor in zip(specs, tensors):
            waiting[spec].append(tensor)
        return [
            waiting[spec].popleft() if waiting[spec] else tf.zeros(spec.shape, spec.dtype)
            for spec in self.specs
        ]

    def take(self, specs: Sequence[tf.TensorSpec], places: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """What a function has put into the places of `specs`."""
        filled: dict[tf.TensorSpec, Any] = collections.defaultdict(collections.deque)
        for spec, tensor in zip(self.specs, places):
            filled[spec].append(tensor)
        return [filled[spec].popleft() for spec in specs]


def _by_id(function: RecordedFunction, gradients: Sequence[tf.Tensor]) -> dict[int, tf.Tensor]:
    return {id(source): gradient for source, gradient in zip(function.sources, gradients)}


def _recompute(
    function: RecordedFunction, output_gradients: Sequence[tf.Tensor], after
) -> dict[int, tf.Tensor]:
    """The gradients of the function's sources, from a new forward pass `after` some tensors."""
    with tf.control_dependencies(after):
        _, saved = function.forward()
    return _by_id(function, function.backward(saved, output_gradients))


def _shape(source: tf.Tensor | tf.Variable):
    return source.shape if source.shape.is_fully_defined() else tf.shape(source)


@tf_keras.utils.register_keras_serializable(package="tunas_tf")
class Switch(tf_keras.layers.Layer):
    """`switch` between layers that map the same input to outputs of the same shape.

    Options that are not built yet are built for the input shape of the switch, outside of
    the branches.

    Attributes:
      options: the layers.
      rematerialize, same_shapes: as in `switch`.
    """

    def __init__(
        self,
        options: Sequence[tf_keras.layers.Layer],
        rematerialize: bool = False,
        same_shapes: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.options = list(options)
        self.rematerialize = rematerialize
        self.same_shapes = same_shapes

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
            [functools.partial(option, inputs, **kwargs) for option in self.options],
            self.rematerialize,
            self.same_shapes,
        )

    def get_config(self) -> dict[str, Any]:
        options = [tf_keras.layers.serialize(option) for option in self.options]
        config = {
            "options": options,
            "rematerialize": self.rematerialize,
            "same_shapes": self.same_shapes,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Switch":
        options = [tf_keras.layers.deserialize(option) for option in config["options"]]
        return cls(**{**config, "options": options})
