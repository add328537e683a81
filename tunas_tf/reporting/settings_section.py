"""The section of a report that shows what was asked for, and how far the run got."""

from typing import Any

from tunas_tf.reporting import page
from tunas_tf.reporting.run_files import Curve

__all__ = ["progress_text", "settings_section"]


def progress_text(config: dict[str, Any], metrics: dict[str, Curve]) -> str:
    """ "step 281 of 843", "finished, 843 steps"."""
    total = config["derived"]["total_steps"]
    step = max((int(curve.steps[-1]) for curve in metrics.values()), default=0)
    return f"finished, {total:,} steps" if step >= total else f"step {step:,} of {total:,}"


def _text(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_section(config: dict[str, Any]) -> str:
    """Settings, what was derived from them, and versions."""
    plain = {
        name: _text(value)
        for name, value in sorted(config["settings"].items())
        if not isinstance(value, (dict, list))  # A whole network is shown elsewhere.
    }
    derived = {name: _text(value) for name, value in sorted(config.get("derived", {}).items())}
    return page.section(
        "Configuration",
        page.settings(plain),
        "<h3>Derived from the settings and the data</h3>",
        page.settings(derived),
        "<h3>Versions</h3>",
        page.settings(config.get("versions", {})),
    )
