"""Describes a search space, or one network layer by layer.

  python -m tunas_tf.describe --ssd=proxylessnas_search
  python -m tunas_tf.describe --ssd=proxylessnas_search --indices=0:1:0:...
  python -m tunas_tf.describe --architecture=DIR/architecture.json --format=json

An architecture file is described from itself alone; the size of its space is added if
the space is still known.
"""

from typing import Any, Optional

from absl import flags

from tunas_tf import search_space
from tunas_tf.command_line import app, network_flags
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import arithmetic, spec, table
from tunas_tf.search_space.architecture import Architecture

FLAGS = flags.FLAGS
network_flags.define(
    "ssd",
    "indices",
    "architecture",
    "filters_multiplier",
    "image_size",
    "num_classes",
    "format",
)


def space_summary(space: spec.SearchSpace) -> dict[str, Any]:
    """Name and size of a space; the sizes are strings, as JSON numbers would lose digits."""
    return {
        "ssd": space.name,
        "num_choices": len(search_space.choices_of(space)),
        "num_architectures": str(search_space.num_architectures(space)),
        "num_distinct": str(search_space.num_distinct(space)),
    }


def known_space(architecture: Architecture) -> Optional[spec.SearchSpace]:
    """The space of a network as it is today, None if it no longer has such a network."""
    try:
        space = search_space.get(architecture.ssd)
        search_space.validate_indices(space, architecture.indices)
        return space
    except InputError:
        return None


def describe_space() -> None:
    app.require_effect(
        False, ["image_size", "num_classes"], "without --indices no network is counted"
    )
    space = network_flags.space()
    summary = space_summary(space)
    text = "\n".join(
        [
            f"search space:   {space.name}",
            f"choices:        {summary['num_choices']}",
            f"architectures:  {search_space.num_architectures(space):,} (product of all choices)",
            f"distinct:       {search_space.num_distinct(space):,}",
            "",
            table.space_table(space),
        ]
    )
    network_flags.print_result(summary, text)


def describe_architecture() -> None:
    architecture = network_flags.architecture()
    image_size, num_classes = FLAGS.image_size, FLAGS.num_classes
    space = known_space(architecture)
    count = arithmetic.count(architecture, image_size, num_classes)
    indices = search_space.format_indices(architecture.indices)
    value = {
        **(space_summary(space) if space else {"ssd": architecture.ssd}),
        "indices": indices,
        "params": count.params,
        "madds": count.madds,
        "layers": table.layer_rows(architecture, image_size, num_classes),
    }
    text = "\n".join(
        [
            f"search space:   {architecture.ssd}",
            f"indices:        {indices}",
            f"parameters:     {count.params:,} (trainable)",
            f"multiply-adds:  {count.madds:,} at {image_size} x {image_size}",
            "",
            table.network_table(architecture, image_size, num_classes),
        ]
    )
    network_flags.print_result(value, text)


def main() -> None:
    if network_flags.names_architecture():
        describe_architecture()
    else:
        describe_space()


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
