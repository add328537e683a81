"""Describes a search space, or one network layer by layer.

  python -m tunas_tf.describe --ssd=proxylessnas_search
  python -m tunas_tf.describe --ssd=proxylessnas_search --indices=0:1:0:...
  python -m tunas_tf.describe --ssd=mobilenet_v3_large
  python -m tunas_tf.describe --architecture=DIR/architecture.json --format=json

An architecture file is described from itself alone; the size of its space is added if
the space is still known.
"""

from typing import Any

from absl import flags

from tunas_tf import cost_model, search_space
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


def known_space(architecture: Architecture) -> spec.SearchSpace | None:
    """The space that a network says it is from, None if it no longer holds such a network."""
    try:
        space = search_space.get(architecture.ssd)
        search_space.validate_indices(space, architecture.indices)
        return space
    except InputError:
        return None


def places(architecture: Architecture) -> dict[str, str]:
    """Space -> indices of the network there, for all other spaces that hold it."""
    found = {}
    for name in search_space.names():
        if name == architecture.ssd:
            continue
        try:
            space = search_space.get(name)
        except InputError:
            continue  # A user's own that is not sound: told when it is asked for.
        indices = search_space.locate(space, architecture)
        if indices is not None:
            found[name] = search_space.format_indices(indices)
    return found


def published_latency_ms(architecture: Architecture) -> float | None:
    """Its cost under the published model, None if that does not know such a network."""
    try:
        return cost_model.architecture_cost("pixel1", architecture)[0]
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
    elsewhere = places(architecture)
    latency_ms = published_latency_ms(architecture)
    endpoints = table.endpoint_shapes(architecture, image_size)
    value = {
        **(space_summary(space) if space else {"ssd": architecture.ssd}),
        "indices": indices,
        "also_in": elsewhere,
        "params": count.params,
        "madds": count.madds,
        "pixel1_ms": latency_ms,
        "endpoints": endpoints,
        "layers": table.layer_rows(architecture, image_size, num_classes),
    }
    lines = {
        "search space": architecture.ssd,
        "indices": indices or "none: there is no choice",
        **{f"in {name}": place for name, place in elsewhere.items()},
        "parameters": f"{count.params:,} (trainable)",
        "multiply-adds": f"{count.madds:,} at {image_size} x {image_size}",
    }
    if latency_ms is not None:
        lines["pixel1"] = f"{latency_ms:.6f} ms (published model, 224 x 224)"
    if endpoints:
        lines["endpoints"] = ", ".join(" x ".join(map(str, shape)) for shape in endpoints)
    text = "\n".join(f"{name + ':':15} {line}" for name, line in lines.items())
    network = table.network_table(architecture, image_size, num_classes)
    network_flags.print_result(value, f"{text}\n\n{network}")


def main() -> None:
    if network_flags.names_architecture():
        describe_architecture()
    else:
        describe_space()


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
