"""Cost models by name or file, for a search space or for one network.

Some follow from the definition of the layers and exist for every space. Others are figures,
published or measured, of the networks of fixed spaces: built in, or in a file.
"""

import contextlib
import dataclasses
import importlib.resources
import os
from collections.abc import Iterator
from typing import Any

from tunas_tf.common.errors import InputError, brief
from tunas_tf.cost_model import files
from tunas_tf.cost_model.analytic import analytic
from tunas_tf.cost_model.published import pixel1
from tunas_tf.cost_model.restriction import restricted
from tunas_tf.cost_model.tables import CostModel
from tunas_tf.search_space import location, spec, traversal
from tunas_tf.search_space.architecture import Architecture, resolve, to_json

__all__ = ["NAMES", "architecture_cost", "default_name", "get", "ignored_inputs"]

# Name of each analytic cost model: the arguments of `get` that it does not depend on.
_ANALYTIC = {"madds": (), "params": ("image_size",)}
# Latencies that ship with the package, those of a published device first.
_LATENCIES = ("pixel1", "x86_litert")
NAMES = (*_LATENCIES, *_ANALYTIC)

_ADVICE = "use --cost_model=madds or params, or a file with figures for them"


def ignored_inputs(name: str) -> tuple[str, ...]:
    """Which of "image_size" and "num_classes" make no difference to the cost model `name`.

    Raises InputError if `name` is neither a built-in cost model nor a file.
    """
    if name in _ANALYTIC:
        return _ANALYTIC[name]
    if name not in _LATENCIES and not os.path.exists(name):
        raise InputError(
            f"there is no cost model {brief(name)}; use one of {', '.join(NAMES)}, or the path of "
            "a cost model file (there is no file of that name either)."
        )
    return ("image_size", "num_classes")


def _figures(name: str) -> Iterator[CostModel]:
    """The figures that `name`, built in or a path, stands for: a model for each of its spaces."""
    ignored_inputs(name)  # Raises InputError for an unknown name.
    if name == "pixel1":
        yield pixel1()
    elif name in _LATENCIES:
        with importlib.resources.as_file(importlib.resources.files(__package__)) as directory:
            for path in sorted(directory.glob(f"{name}_*.json")):
                yield files.load(str(path))
    else:
        yield files.load(name)


def get(
    name: str, space: spec.SearchSpace, image_size: int = 224, num_classes: int = 1001
) -> CostModel:
    """The cost model `name` for `space`.

    Args:
      name: "pixel1" (published latency in ms), "x86_litert" (measured in ms on an x86 core, see
        docs/guides/own_device.md), "madds", "params", or the path of a file that `files.save`
        wrote. Latencies are those of the image size and the number of classes that were
        measured, whatever is asked for here; `CostModel.image_size` tells it.
      space: the search space, already scaled by the filters multiplier.
      image_size: side of the input images in pixels, for multiply-adds.
      num_classes: outputs of the classifier, for multiply-adds and parameters.

    Raises:
      InputError: there is no such cost model, or it has figures for other spaces only, none of
        which has all networks of this one.
    """
    if name in _ANALYTIC:
        return analytic(name, space, image_size, num_classes)
    models = {model.space.name: model for model in _figures(name)}
    if space.name not in models:
        for model in filter(None, (restricted(model, space) for model in models.values())):
            return model
        raise InputError(
            f"the cost model {name} has figures for networks of {', '.join(models)}, not of "
            f"{space.name}; {_ADVICE}."
        )
    model = models[space.name]
    difference = _difference(model.space, space)
    if difference is not None:
        raise InputError(
            f"the cost model {name} has figures for {space.name} as it was when they were taken, "
            f"with other networks: {difference}; leave --filters_multiplier out, or {_ADVICE}."
        )
    return dataclasses.replace(model, space=space)


def default_name(of: spec.SearchSpace | Architecture) -> str:
    """The cost model of a space, or of one network, where none is asked for.

    Published latencies, else those measured for this package on an x86 core, else, for all
    that they do not know, "madds".
    """
    for name in _LATENCIES:
        with contextlib.suppress(InputError):
            if isinstance(of, Architecture):
                architecture_cost(name, of)
            else:
                get(name, of)
            return name
    return "madds"


def architecture_cost(
    name: str, architecture: Architecture, image_size: int = 224, num_classes: int = 1001
) -> tuple[float, str]:
    """The cost of one network, and its unit. Arguments as for `get`.

    Multiply-adds and parameters follow from the network alone. Published and measured
    figures price every network that is a point of their space, whatever space it came from.
    """
    if name in _ANALYTIC:
        network = spec.SearchSpace(architecture.ssd, architecture.blocks)  # A space of one.
        model = get(name, network, image_size, num_classes)
        return float(model.cost(())), model.unit
    spaces = []
    for model in _figures(name):
        indices = _indices_of(architecture, model.space)
        if indices is not None:
            return float(model.cost(indices)), model.unit
        spaces.append(model.space.name)
    raise InputError(
        f"the cost model {name} knows the networks of {', '.join(spaces)} with filters as they "
        f"were when its figures were taken, and this network is none of them; {_ADVICE}."
    )


def _leaves(value, path: str = "") -> dict[str, Any]:
    """The texts and numbers of JSON values by path."""
    if not isinstance(value, (dict, list)):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {
        leaf_path: leaf
        for key, item in items
        for leaf_path, leaf in _leaves(item, traversal.join(path, str(key))).items()
    }


def _difference(theirs: spec.SearchSpace, ours: spec.SearchSpace) -> str | None:
    """The first thing in which two spaces have other networks, as a clause; None if nothing."""
    # The reference network is a point of the space, and no part of what it holds.
    there, here = (
        _leaves(to_json(dataclasses.replace(space, reference_indices=())))
        for space in (theirs, ours)
    )
    for path in (*there, *here):
        if there.get(path) != here.get(path):
            before, now = (leaves.get(path, "nothing") for leaves in (there, here))
            return f"{path} was {before} and is {now}"
    return None


def _indices_of(architecture: Architecture, space: spec.SearchSpace) -> tuple[int, ...] | None:
    """Indices at which `space` holds the network, its own if they do; None if none do."""
    try:
        if resolve(space, architecture.indices).blocks == architecture.blocks:
            return architecture.indices
    except InputError:
        pass  # They are indices of another space.
    return location.locate(space, architecture)
