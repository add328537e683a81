"""How far a cost model is off on networks that it has not seen, and whether to trust it."""

import dataclasses
import math
from typing import Any

from tunas_tf.cost_model import latency_fit

__all__ = ["Validation"]

# Below these a cost model is not to be trusted: those that ship have 0.947 and 0.977 or more.
_MIN_R_SQUARED = 0.8
_MIN_RANK_CORRELATION = 0.9


def _figure(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3f}"


def _json(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


@dataclasses.dataclass(frozen=True)
class Validation:
    """Measured and estimated latencies of networks that took no part in the fit.

    Attributes:
      measured_ms, estimated_ms: of each network.
      range_ms: the lowest and the highest latency of all networks measured, those of the fit
        included.
      scale, num_raised: as of `fitting.Fit`.
      has_reference: whether the first network is the reference network of the space.
    """

    measured_ms: tuple[float, ...]
    estimated_ms: tuple[float, ...]
    range_ms: tuple[float, float]
    scale: float
    num_raised: int
    has_reference: bool

    @property
    def r_squared(self) -> float:
        """NaN if all networks take the same time."""
        if len(set(self.measured_ms)) == 1:
            return math.nan
        return latency_fit.r_squared(self.measured_ms, self.estimated_ms)

    @property
    def mean_absolute_percentage_error(self) -> float:
        """In percent."""
        return 100 * latency_fit.mean_absolute_percentage_error(self.measured_ms, self.estimated_ms)

    @property
    def rank_correlation(self) -> float:
        """Spearman's; NaN if all networks take the same time, or are estimated to."""
        if 1 in (len(set(self.measured_ms)), len(set(self.estimated_ms))):
            return math.nan
        return latency_fit.rank_correlation(self.measured_ms, self.estimated_ms)

    @property
    def reference_error_percent(self) -> float | None:
        """Of the estimate of the reference network; None if there is none."""
        if not self.has_reference:
            return None
        return 100 * (self.estimated_ms[0] / self.measured_ms[0] - 1)

    @property
    def warning(self) -> str | None:
        """Why the cost model is not to be trusted, and what to do; None if it is."""
        doubts = []
        if self.scale == 0:
            doubts.append("what its pieces take has no part in it (scale 0)")
        # Written so that what is undefined is a doubt too.
        if not self.r_squared >= _MIN_R_SQUARED:
            doubts.append(f"R2 is {_figure(self.r_squared)} (should be {_MIN_R_SQUARED} or more)")
        if not self.rank_correlation >= _MIN_RANK_CORRELATION:
            doubts.append(
                f"the rank correlation is {_figure(self.rank_correlation)} (should be "
                f"{_MIN_RANK_CORRELATION} or more)"
            )
        if not doubts:
            return None
        return (
            f"the cost model is not to be trusted, as {' and '.join(doubts)}; measure with more "
            "--num_runs, --num_passes and --max_units, more --num_fit_networks and "
            "--num_validation_networks, or on a quieter device."
        )

    def figures(self) -> str:
        """The three figures in a line."""
        return (
            f"R2 {_figure(self.r_squared)}, mean absolute error "
            f"{self.mean_absolute_percentage_error:.1f} %, rank correlation "
            f"{_figure(self.rank_correlation)}"
        )

    def texts(self) -> dict[str, str]:
        """What is to be said, by name; the warning is the last."""
        low, high = self.range_ms
        found = {
            "validation": f"{len(self.measured_ms)} networks that took no part in the fit: "
            f"{self.figures()}"
        }
        if self.has_reference:
            found["reference_network"] = (
                f"reference network: estimated {self.estimated_ms[0]:.3g} ms, measured "
                f"{self.measured_ms[0]:.3g} ms, error {self.reference_error_percent:+.1f} %"
            )
        found["range"] = f"latencies of all measured networks: {low:.3g} to {high:.3g} ms"
        if self.num_raised:
            found["raised_to_0"] = (
                f"pieces that would cost less than nothing, and cost 0: {self.num_raised}"
            )
        if self.warning:
            found["warning"] = self.warning
        return found

    def text(self) -> str:
        """A line for each of `texts()` but the warning."""
        return "\n".join(line for name, line in self.texts().items() if name != "warning")

    def to_json(self) -> dict[str, Any]:
        return {
            "r_squared": _json(self.r_squared),
            "mean_absolute_percentage_error": self.mean_absolute_percentage_error,
            "rank_correlation": _json(self.rank_correlation),
            "reference_error_percent": self.reference_error_percent,
            **dataclasses.asdict(self),
            "warning": self.warning,
        }
