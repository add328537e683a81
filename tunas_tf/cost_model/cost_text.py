"""Costs and their units in words: short ones to look at, long ones to compare."""

__all__ = ["is_count", "long_cost", "long_number", "short_cost", "short_number", "unit_name"]

_COUNTS = {"madds": "multiply-adds", "params": "parameters"}
_PREFIXES = ((1e9, " G"), (1e6, " M"), (1e3, " k"))


def is_count(unit: str) -> bool:
    """Whether costs in this unit are whole numbers."""
    return unit in _COUNTS


def unit_name(unit: str) -> str:
    """The unit in words."""
    return _COUNTS.get(unit, unit)


def short_number(cost: float, unit: str) -> str:
    """Three digits: "6.73 M", "84.4"."""
    if is_count(unit):
        for factor, prefix in _PREFIXES:
            if abs(cost) >= factor:
                return f"{cost / factor:.3g}{prefix}"
    return f"{cost:.3g}"


def short_cost(cost: float, unit: str) -> str:
    """ "6.73 M multiply-adds", "149 k parameters", "84.4 ms"."""
    return f"{short_number(cost, unit)} {unit_name(unit)}".strip()


def long_number(cost: float, unit: str) -> str:
    """All digits of a count, six of another cost: "6,725,568", "84.4162"."""
    return f"{cost:,.0f}" if is_count(unit) else f"{cost:.6g}"


def long_cost(cost: float, unit: str) -> str:
    """ "6,725,568 multiply-adds", "84.4162 ms"."""
    return f"{long_number(cost, unit)} {unit_name(unit)}".strip()
