"""Shows a run as a page with pictures: report.html, one file that needs no network.

  python -m tunas_tf.report --run_dir=DIR

Takes the directory of a search (of a classifier or a detector), of a train_eval or of a
comparison, finished or still running, and writes DIR/report.html: the network block by block
and where its cost goes, the choices and metrics over time, the evaluation or the verdict, and
the configuration. Run it again to see how a run has gone on.
"""

import os

from absl import flags

from tunas_tf.command_line import app
from tunas_tf.common.errors import InputError, one_line
from tunas_tf.common.files import replaced

FLAGS = flags.FLAGS

flags.DEFINE_string("run_dir", None, "Directory of the run.")


def _make(directory: str) -> str:
    """The page of whatever run the directory holds."""
    # Pictures take a second to import: not for --help.
    from tunas_tf.reporting import (
        comparison_report,
        run_files,
        search_report,
        training_report,
    )

    config = run_files.load_config(directory)
    if config is None and os.path.exists(os.path.join(directory, "results.jsonl")):
        return comparison_report.report(directory, None)
    if config is None:
        raise InputError(
            f"{directory} holds no run; give the directory of a search, a train_eval or a "
            "comparison as --run_dir."
        )
    reports = {
        "search": search_report.report,
        "detection_search": search_report.report,
        "train_eval": training_report.report,
        "detection_train_eval": training_report.report,
        "compare_search": comparison_report.report,
    }
    if config["command"] not in reports:
        raise InputError(
            f"{directory} holds a run of {one_line(config['command'])}, of which there is no "
            f"report; give the directory of a {', '.join(reports)}."
        )
    return reports[config["command"]](directory, config)


def main() -> None:
    if not FLAGS.run_dir:
        raise InputError("--run_dir is missing; give the directory of a run.")
    path = os.path.join(FLAGS.run_dir, "report.html")
    content = _make(FLAGS.run_dir)
    try:
        with replaced(path) as file:
            file.write(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}).") from None
    print(f"written to {path}")


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
