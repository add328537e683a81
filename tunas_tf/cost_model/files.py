"""Cost models as files: JSON that holds the tables and the search space they belong to.

    format, version    "tunas_tf cost model", 1
    name, unit         of the cost model, e.g. "pixel1", "ms"
    image_size         side of the images, in pixels, that the figures hold for; null: any
    space              the whole tree, by `search_space.architecture.to_json`
    bias               the cost that depends on no choice
    tables             list of {positions, values}: values nested as deep as there are positions
    provenance         where the figures come from: names and texts

Such a file needs nothing else to be read, also when its space has changed since or was a
user's own.
"""

import sys
from typing import Any

import numpy as np

from tunas_tf.common import checks, json_files
from tunas_tf.common.errors import InputError, brief
from tunas_tf.common.files import write_json
from tunas_tf.cost_model import stages, tables
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import traversal

__all__ = ["FORMAT", "MAX_BYTES", "from_json", "load", "load_provenance", "save", "to_json"]

FORMAT = "tunas_tf cost model"
_ENTRIES = ("name", "unit", "image_size", "space", "bias", "tables", "provenance")

# Far more than any space needs: that of ~10^43 networks takes half a megabyte.
MAX_BYTES = json_files.MAX_BYTES

# NumPy has arrays of 32 dimensions at most; the table of a layer has about five.
_MAX_POSITIONS = 16


def to_json(cost_model: tables.CostModel, provenance: dict[str, str]) -> dict[str, Any]:
    """A cost model as JSON values; `from_json` reads them back."""
    return {
        "format": FORMAT,
        "version": json_files.VERSIONS["cost_model"],
        "name": cost_model.name,
        "unit": cost_model.unit,
        "image_size": cost_model.image_size,
        "space": architecture_lib.to_json(cost_model.space),
        "bias": float(cost_model.bias),
        "tables": [
            {"positions": list(table.positions), "values": table.values.tolist()}
            for table in cost_model.tables
        ],
        "provenance": dict(provenance),
    }


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


def _is_number(value) -> bool:
    """Whether a JSON value is a finite number; true and false are none."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _is_count(value) -> bool:
    return type(value) is int and 0 < value < 2**31


def _is_text(value) -> bool:
    try:
        checks.text(value)
        return True
    except ValueError:
        return False


def _read_table(number: int, value, num_options: list[int]) -> tables.Table:
    title = f"its table {number}"
    _require(
        isinstance(value, dict) and {"positions", "values"} <= set(value),
        f"{title} lacks positions or values; restore them.",
    )
    positions = value["positions"]
    _require(
        isinstance(positions, list)
        and bool(positions)
        and all(type(p) is int and 0 <= p < len(num_options) for p in positions)
        and len(set(positions)) == len(positions) <= _MAX_POSITIONS,
        f"{title} has positions {brief(positions)}; they must be different choices of the space, "
        f"0 to {len(num_options) - 1}, {_MAX_POSITIONS} at most.",
    )
    shape = [num_options[p] for p in positions]
    values = [value["values"]]
    for size in shape:
        _require(
            all(isinstance(row, list) and len(row) == size for row in values),
            f"{title} must hold {' x '.join(map(str, shape))} values, one for each option of the "
            f"choices {positions}; its lists have other lengths.",
        )
        values = [item for row in values for item in row]
    _require(
        all(map(_is_number, values)),
        f"{title} holds a value that is not a finite number; put one in its place.",
    )
    return tables.Table(tuple(positions), np.array(values, dtype=np.float64).reshape(shape))


def from_json(value: Any) -> tables.CostModel:
    """Reads what `to_json` wrote; raises InputError for anything else."""
    _require(
        isinstance(value, dict) and value.get("format") == FORMAT,
        f'it is no cost model file, as "format" is not "{FORMAT}"; give a file that a tool of '
        "tunas_tf has written.",
    )
    missing = [entry for entry in _ENTRIES if entry not in value]
    _require(not missing, f"it lacks {', '.join(missing)}; restore the file, or write it anew.")
    for entry in ("name", "unit"):
        _require(_is_text(value[entry]), f"its {entry} is {brief(value[entry])}, not a text.")
    image_size = value["image_size"]
    _require(
        image_size is None or _is_count(image_size),
        f"its image_size is {brief(image_size)}; it must be a number of pixels, or null.",
    )
    bias = value["bias"]
    _require(_is_number(bias), f"its bias is {brief(bias)}, not a finite number.")
    provenance = value["provenance"]
    _require(
        isinstance(provenance, dict) and all(isinstance(t, str) for t in provenance.values()),
        "its provenance is not a set of names with texts.",
    )
    _require(isinstance(value["tables"], list), "its tables are not a list.")
    try:
        space = architecture_lib.space_from_json(value["space"])
    except ValueError as error:
        raise InputError(
            f"its space is no search space ({error}); restore the file, or write it anew."
        ) from None
    num_options = [choice.num_options for choice in traversal.choices_of(space)]
    read = tuple(
        _read_table(number, table, num_options) for number, table in enumerate(value["tables"])
    )
    cost_model = tables.CostModel(
        value["name"], value["unit"], space, read, float(bias), image_size
    )
    stages.check_tables(cost_model)
    return cost_model


def _load(path: str) -> tuple[tables.CostModel, dict[str, str]]:
    """What a file holds: the cost model, and where it is from."""
    try:
        value = json_files.parse_json(json_files.read_bytes(path, MAX_BYTES))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give a cost model file."
        ) from None
    except ValueError as error:
        reason = f"{error}; restore the file, or write it anew."
        raise InputError(f"the cost model file {path} cannot be used: {reason}") from None
    json_files.check_version(path, value, "cost_model")
    try:
        return from_json(value), value["provenance"]
    except InputError as error:
        raise InputError(f"the cost model file {path} cannot be used: {error}") from None


def load(path: str) -> tables.CostModel:
    """Reads and checks a cost model file; raises InputError, one sentence with the path."""
    cost_model, _ = _load(path)
    return cost_model


def load_provenance(path: str) -> dict[str, str]:
    """Where the figures of a cost model file come from: names and texts; errors as of `load`."""
    _, provenance = _load(path)
    return provenance


def save(cost_model: tables.CostModel, path: str, provenance: dict[str, str]) -> None:
    """Writes a cost model file in one go.

    Args:
      cost_model: of any search space that consists of the vocabulary of `spec`.
      path: of the file; an older one is replaced.
      provenance: where the figures come from, by what command and when.

    Raises:
      InputError: the file cannot be written, or could not be read back.
    """
    value = to_json(cost_model, provenance)
    if from_json(value).space != cost_model.space:
        raise InputError(
            f"the search space {cost_model.space.name} cannot be stored; build it of tuples, "
            "numbers and the classes of tunas_tf.search_space.spec only."
        )
    try:
        write_json(path, value)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"the cost model file {path} cannot be written ({reason}); give another path."
        ) from None
