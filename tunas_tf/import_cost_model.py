"""Imports the published latency figures of a search space from the file of the release.

  python -m tunas_tf.import_cost_model --ssd=mobilenet_v3_like_search \\
      --upstream_file=cost_model_data.py --output=pixel1_v3.json

The public TuNAS release keeps its figures, milliseconds on a Pixel 1, in a Python file. It is
read without executing it, and refused if it holds anything but data. The output is a cost
model file, for --cost_model=FILE of every command.
"""

import datetime
import os

from absl import flags

from tunas_tf import __version__, search_space
from tunas_tf.command_line import app, network_flags
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import CostModel, files, published, release_file, stages

FLAGS = flags.FLAGS
network_flags.define("ssd", "format")
flags.DEFINE_string("upstream_file", None, "The Python file of the release with its figures.")
flags.DEFINE_string("output", None, "The cost model file to write.")

# The release's default targets: each is about the cost of the space's reference network.
_PUBLISHED_TARGETS_MS = {
    "proxylessnas_search": 84,
    "proxylessnas_enlarged_search": 84,
    "mobilenet_v3_like_search": 57,
}


def _required(name: str, what: str) -> str:
    if not FLAGS[name].value:
        raise InputError(f"--{name} is missing; give {what}.")
    return FLAGS[name].value


def _provenance(figures: release_file.Figures) -> dict[str, str]:
    return {
        "source": f"{os.path.basename(FLAGS.upstream_file)} of the TuNAS release",
        "sha256": figures.sha256,
        "command": f"tunas_tf.import_cost_model --ssd={FLAGS.ssd}",
        "tunas_tf": __version__,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def _holds(path: str, cost_model: CostModel) -> bool:
    """Whether there is a file already, with this very cost model; another one is an error."""
    if not os.path.lexists(path):
        return False
    try:
        found = files.to_json(files.load(path), {})
    except InputError:
        found = None
    if found != files.to_json(cost_model, {}):
        raise InputError(
            f"{path} exists and holds something else; remove it, or give another --output."
        )
    return True


def main() -> None:
    path = _required("output", "the cost model file to write")
    upstream_file = _required("upstream_file", "the Python file of the release with its figures")
    ssd = _required("ssd", "the search space whose figures are wanted")
    network_flags.import_space_module()
    figures = release_file.read(upstream_file, ssd)
    cost_model = published.from_coefficients(
        "pixel1", "ms", search_space.get(ssd), figures.coefficients, figures.bias
    )
    least, most = (float(cost) for cost in stages.cost_range(cost_model))
    reference = cost_model.reference_cost()
    is_there = _holds(path, cost_model)
    if not is_there:
        files.save(cost_model, path, _provenance(figures))

    lines = [f"imported:           pixel1 of {ssd}, {len(figures.coefficients):,} coefficients"]
    if reference is not None:
        lines.append(f"reference network:  {reference:.6f} ms")
        if ssd in _PUBLISHED_TARGETS_MS:
            lines[-1] += f" (published target: {_PUBLISHED_TARGETS_MS[ssd]} ms)"
    lines += [
        f"all networks:       {least:.6f} to {most:.6f} ms",
        f"{'already in' if is_there else 'written to'} {path}; use it as --cost_model={path}",
    ]
    network_flags.print_result(
        {
            "cost_model": cost_model.name,
            "ssd": ssd,
            "unit": cost_model.unit,
            "num_coefficients": len(figures.coefficients),
            "reference_cost": reference,
            "min_cost": least,
            "max_cost": most,
            "output": path,
        },
        "\n".join(lines),
    )


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
