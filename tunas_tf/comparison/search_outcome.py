"""outcome.json, in the directory of a search of a comparison: what the search has found."""

from tunas_tf.common import checks
from tunas_tf.common.errors import InputError
from tunas_tf.common.json_files import read_json
from tunas_tf.comparison.plan import Found
from tunas_tf.search_space import spec, traversal

__all__ = ["read"]

_REMEDY = "delete it, and the search is analysed again"

_RULES = ("argmax", "feasible")
_AMOUNT = checks.number(0, 1e30)
_CHECK = checks.record(
    {
        "seconds": _AMOUNT,
        "madds": _AMOUNT,
        "indices": checks.record(dict.fromkeys(_RULES, checks.list_of(checks.integer(0)))),
        "costs": checks.record(dict.fromkeys(_RULES, checks.number(-1e30, 1e30))),
    }
)


def read(path: str, space: spec.SearchSpace) -> Found:
    """What the search in `space` has found; raises InputError if the file does not say."""
    value = read_json(path, _REMEDY, "outcome")
    try:
        _CHECK(value)
        return Found(
            value["seconds"],
            value["madds"],
            {r: traversal.validate_indices(space, value["indices"][r]) for r in _RULES},
            {rule: value["costs"][rule] for rule in _RULES},
        )
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise InputError(f"{path} is no outcome of a search ({reason}); {_REMEDY}.") from None
