"""Names the network that a search has found, and how sure the controller is of it.

  python -m tunas_tf.analyze_search --checkpoint_dir=DIR

Reads the newest checkpoint of a search, finished or not. Prints indices, cost and a table
of the network, and writes DIR/architecture.json for train_eval. --select=feasible takes the
most probable network within --cost_tolerance of the cost target; --select=argmax takes the
most probable option of every choice, as published, whatever the network costs. The default is
feasible or, after a search without a cost model, argmax.
"""

from absl import flags

from tunas_tf.command_line import app, network_flags, training_flags

FLAGS = flags.FLAGS

network_flags.define("format")
flags.DEFINE_string("checkpoint_dir", None, "Directory of the search.")
flags.DEFINE_enum(
    "select",
    None,
    ["feasible", "argmax"],
    "Rule that names the network; default: feasible, without a cost model argmax.",
)
flags.DEFINE_float(
    "cost_tolerance", None, "Relative distance to the target; default: that of the search.", 0, 1
)


def main() -> None:
    checkpoint_dir = training_flags.require_checkpoint_dir()
    app.require_effect(
        FLAGS.select != "argmax", ["cost_tolerance"], "--select=argmax looks at no cost"
    )
    from tunas_tf.training import analysis

    result = analysis.analyze(checkpoint_dir, FLAGS.select, FLAGS.cost_tolerance)
    path = analysis.write_architecture(checkpoint_dir, result)
    network_flags.print_result(analysis.to_json(result), analysis.to_text(result))
    if FLAGS.format == "text":
        print(f"written to {path}")


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
