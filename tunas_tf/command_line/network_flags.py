"""The flags that say which network is meant and what it costs, shared by the commands.

A command lists the flags that it takes, `define("ssd", "indices")`, and asks for what
they stand for: `space()`, `architecture()`, `cost_model(space)`.
"""

import functools
import json
from typing import Any

from absl import flags

from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.command_line.app import require_effect
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec

__all__ = [
    "architecture",
    "architecture_cost",
    "cost_model",
    "define",
    "import_space_module",
    "names_architecture",
    "print_result",
    "require_classes",
    "space",
]

FLAGS = flags.FLAGS


_integer_from_0 = functools.partial(flags.DEFINE_integer, lower_bound=0)
_integer_from_1 = functools.partial(flags.DEFINE_integer, lower_bound=1)
# NumPy takes seeds of 32 bits; those of several streams are made from this one.
_seed = functools.partial(flags.DEFINE_integer, lower_bound=0, upper_bound=2**31 - 1)
_format = functools.partial(flags.DEFINE_enum, enum_values=["text", "json"])

# Name: (how it is defined, default, help).
_DEFINITIONS = {
    "ssd": (
        flags.DEFINE_string,
        None,
        f"Search space or network: {', '.join(search_space.names())}, or one of --space_module.",
    ),
    "space_module": (
        flags.DEFINE_string,
        None,
        "Python module that registers search spaces of your own.",
    ),
    "filters_multiplier": (
        flags.DEFINE_float,
        1.0,
        "Factor of every filter count of the search space.",
    ),
    "indices": (
        flags.DEFINE_string,
        None,
        "A network of --ssd: one index for each choice, separated by colons. Not needed where "
        "there is no choice.",
    ),
    "architecture": (
        flags.DEFINE_string,
        None,
        "A network: the architecture.json that a search wrote.",
    ),
    "image_size": (_integer_from_1, 224, "Side of the square images, in pixels."),
    "num_classes": (_integer_from_0, 1001, "Outputs of the classifier; 0 leaves it out."),
    "cost_model": (
        flags.DEFINE_string,
        None,
        f"One of {', '.join(cost_model_lib.NAMES)}, or the path of a cost model file; default: "
        "the first of these that has figures for the network or space.",
    ),
    "seed": (_seed, 0, "Seed of all random numbers."),
    "format": (_format, "text", "Form of the output: text or json."),
}


def define(*names: str) -> None:
    """Defines shared flags by name; one that another command has defined is left as it is.

    With "ssd" comes "space_module".
    """
    for name in (*names, "space_module") if "ssd" in names else names:
        if name not in FLAGS:
            function, default, help_text = _DEFINITIONS[name]
            function(name, default, help=help_text)


def import_space_module() -> None:
    """Imports the module of --space_module, if there is one."""
    if FLAGS.space_module is not None:
        search_space.import_module(FLAGS.space_module)


def require_classes() -> None:
    """Raises InputError if the flags leave out the classifier, which the command needs."""
    if FLAGS.num_classes < 1:
        raise InputError(f"--num_classes={FLAGS.num_classes}: a classifier has 1 class or more.")


def space() -> spec.SearchSpace:
    """The search space of --ssd and --filters_multiplier."""
    import_space_module()
    if FLAGS.ssd is None:
        raise InputError("--ssd is missing; give the search space, e.g. --ssd=proxylessnas_search.")
    return search_space.get(FLAGS.ssd, FLAGS.filters_multiplier)


def names_architecture() -> bool:
    """Whether the flags name one network: by file, by indices, or by a space without choices."""
    if FLAGS.indices is not None or FLAGS.architecture is not None:
        return True
    return FLAGS.ssd is not None and not search_space.choices_of(space())


def architecture() -> architecture_lib.Architecture:
    """The network of --architecture, or of --ssd with --indices and --filters_multiplier."""
    if FLAGS.indices is not None and FLAGS.architecture is not None:
        raise InputError(
            "both of --indices and --architecture given; name the network by one of them."
        )
    if FLAGS.architecture is None:
        if FLAGS.ssd is None:
            raise InputError("no network is named; give --architecture, or --ssd and --indices.")
        named = space()
        if FLAGS.indices is None and search_space.choices_of(named):
            raise InputError(
                f"neither of --indices and --architecture given, and {named.name} has choices; "
                "name the network by one of them."
            )
        return search_space.resolve(named, search_space.parse_indices(FLAGS.indices or ""))

    import_space_module()
    require_effect(
        False, ["filters_multiplier"], "an architecture file holds its own filter counts"
    )
    loaded = architecture_lib.load(FLAGS.architecture)
    if FLAGS.ssd not in (None, loaded.ssd):
        raise InputError(
            f"--ssd={FLAGS.ssd} was given, but {FLAGS.architecture} holds a network of "
            f"{loaded.ssd}; leave --ssd out."
        )
    return loaded


def _cost_model_name(of: spec.SearchSpace | architecture_lib.Architecture) -> str:
    """--cost_model or its default; raises InputError if flags were given that it ignores."""
    name = FLAGS.cost_model or cost_model_lib.default_name(of)
    require_effect(
        False,
        cost_model_lib.ignored_inputs(name),
        f"--cost_model={name} does not depend on it",
    )
    return name


def cost_model(space: spec.SearchSpace) -> cost_model_lib.CostModel:
    """The cost model of --cost_model, --image_size and --num_classes for `space`."""
    name = _cost_model_name(space)
    return cost_model_lib.get(name, space, FLAGS.image_size, FLAGS.num_classes)


def architecture_cost(
    architecture: architecture_lib.Architecture,
) -> tuple[float, str, str]:
    """Cost of one network by the same flags, its unit, and the cost model.

    The space of the network need not exist any more.
    """
    name = _cost_model_name(architecture)
    cost, unit = cost_model_lib.architecture_cost(
        name, architecture, FLAGS.image_size, FLAGS.num_classes
    )
    return cost, unit, name


def print_result(value: Any, text: str) -> None:
    """Prints what a command found: `value` for --format=json, else `text`."""
    print(json.dumps(value, indent=2) if FLAGS.format == "json" else text)
