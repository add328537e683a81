"""A picture of how well a calibrated cost model estimates."""

import matplotlib

from tunas_tf.calibration.validation import Validation
from tunas_tf.common.errors import InputError

__all__ = ["draw"]


def draw(validation: Validation, title: str, path: str) -> None:
    """Draws measured against estimated latencies into a PNG file."""
    matplotlib.use("Agg")  # No display is needed.
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 6), layout="constrained")
    both = validation.measured_ms + validation.estimated_ms
    low, high = 0.95 * min(both), 1.05 * max(both)
    axes.plot([low, high], [low, high], color="0.6", linewidth=1, label="equal")
    axes.scatter(validation.measured_ms, validation.estimated_ms, s=24, label="network")
    if validation.has_reference:
        axes.scatter(
            validation.measured_ms[0],
            validation.estimated_ms[0],
            s=80,
            marker="*",
            label="reference",
        )
    axes.set(
        xlim=(low, high),
        ylim=(low, high),
        xlabel="measured latency (ms)",
        ylabel="estimated latency (ms)",
        title=f"{title}\n{validation.figures()}",
        aspect="equal",
    )
    axes.title.set_fontsize(10)
    axes.legend()
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}).") from None
    finally:
        pyplot.close(figure)
