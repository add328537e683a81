"""Pipelines that go on when an image cannot be decoded, and say so.

A training of days should not end at one broken image among a million. What was found when an
image folder was opened is left out from the start; what shows only when it is decoded, damage in
the middle of a file or in a TFRecord, is handled here:

- In training the image is replaced by a uniform one. Leaving it out would move all examples
  behind it to other batches, and a resumed run would no longer find its place. A class label
  stays, as one wrong example of very many; what was prepared together with the image, as boxes
  that are moved with it, becomes zeros too: no objects.
- In evaluation it is left out and not counted.

How many there were is printed. A file that cannot be read at all ends the pipeline, as before:
`unreadable` knows such an error.
"""

import re
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["ON_BROKEN", "map_images", "unreadable"]

# What to do about broken images: leave them out or replace them with a warning; stop with an
# error, for an image folder before anything is done; or nothing, for those who look for them.
ON_BROKEN = ("skip", "stop", "keep")


def unreadable(error: tf.errors.OpError) -> str | None:
    """What an input pipeline could not read, in TensorFlow's words; None if it is no such error."""
    kinds = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError)
    # The operation that waits for the pipeline, whatever has failed in it.
    if not isinstance(error, kinds) or "IteratorGetNext" not in error.message:
        return None
    # Lines with tabs say where in the graph it was noticed, as does what stands around the reason.
    reason = [line for line in error.message.splitlines() if line and line[0] != "\t"][-1]
    reason = re.sub(r"^\{\{.*?\}\} ", "", reason)
    reason = re.sub(r"^Error in user-defined function .* with iterator: \S+: ", "", reason)
    return reason.partition(" [Op:")[0]


def _attempt(function: Callable[..., Any], arguments: tuple) -> tuple[Any, tf.Tensor]:
    """(what `function` returns, true), or (zeros, false) if it fails."""
    attempted = tf.data.Dataset.from_tensors(arguments).map(function)
    zeros = tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), attempted.element_spec
    )
    # The only way in which a graph can go on after an error.
    outcomes = attempted.map(lambda *found: (_unpacked(found), True)).ignore_errors(
        log_warning=False
    )
    either = outcomes.concatenate(tf.data.Dataset.from_tensors((zeros, False)))
    return either.take(1).get_single_element()


def _unpacked(found: tuple) -> Any:
    """The element of a dataset, of which `map` makes arguments."""
    return found[0] if len(found) == 1 else found


def _report(examples: tf.data.Dataset, outcome: str) -> tf.data.Dataset:
    """Counts the elements (example, is_sound) that are not, and prints the count as it doubles."""

    def count(number, example, is_sound):
        number += tf.cast(not is_sound, tf.int64)
        is_power = tf.bitwise.bitwise_and(number, number - 1) == 0
        if not is_sound and is_power:
            text = f"warning: images that cannot be decoded were {outcome}, {{}} so far; "
            text += "check_data --num_examples=0 names them."
            tf.print(tf.strings.format(text, number), output_stream=sys.stderr)
        return number, (example, is_sound)

    return examples.scan(tf.constant(0, tf.int64), lambda n, item: count(n, *item))


def map_images(
    examples: tf.data.Dataset,
    function: Callable[..., Any],
    on_broken: str,
    *,
    leave_out: bool = False,
    keep: Callable[..., Any] = lambda found, *example: found,
) -> tf.data.Dataset:
    """As `examples.map(function)` in parallel, where `function` decodes images.

    Args:
      examples: with encoded images.
      function: from an example to tensors of static shapes.
      on_broken: one of ON_BROKEN.
      leave_out: whether a broken image is left out rather than replaced by zeros.
      keep: from what `function` returned, zeros perhaps, and the example to the new example.
    """
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE}
    if on_broken != "skip":
        return examples.map(lambda *example: keep(function(*example), *example), **parallel)

    def attempt(*example):
        found, is_sound = _attempt(function, example)
        return keep(found, *example), is_sound

    attempted = _report(
        examples.map(attempt, **parallel),
        "left out" if leave_out else "replaced by uniform ones",
    )
    if leave_out:
        attempted = attempted.filter(lambda example, is_sound: is_sound)
    return attempted.map(lambda example, is_sound: example)
