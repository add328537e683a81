"""Every published network in every quantisation: does it convert, and how exact, large, fast?

  python -m benchmarks.export_matrix --output=export_matrix.json

All networks without choices, and the reference network of every search space, with initial
weights and batch norm statistics of random images; int8 is calibrated on random images. A row
tells the size of the file, the number of its operators, the largest difference of its logits
from Keras's and the relative error (root mean square of the differences, over the standard
deviation of the logits), the share of images for which both name the same class, and the
seconds of the conversion. Random deep networks amplify errors far more than trained ones: the
quantised rows say that the files are sound, and nothing about the accuracy of trained ones.

Ends with exit code 2 if a file needs operators that are not built in, or computes something
else. Takes about 10 minutes on 2 cores; --image_size=64 takes half of that.
"""

import dataclasses
import time
from collections.abc import Iterator

import numpy as np
from absl import flags

from tunas_tf import search_space
from tunas_tf.command_line import app, network_flags
from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json
from tunas_tf.export.quantization import QUANTIZATIONS

FLAGS = flags.FLAGS
network_flags.define("image_size", "num_classes", "filters_multiplier")
flags.DEFINE_list("networks", None, "Names of networks and search spaces; default: all.")
flags.DEFINE_integer("num_random", 0, "Random networks of every search space besides.", 0)
flags.DEFINE_list("quantizations", list(QUANTIZATIONS), "Which quantisations.")
flags.DEFINE_integer("num_test_images", 16, "Images for the comparison.", lower_bound=1)
flags.DEFINE_integer("num_representative_images", 32, "Images for int8.", lower_bound=1)
flags.DEFINE_string("output", None, "JSON file for the rows.")

_HEADER = (
    f"{'network':50}{'quantisation':14}{'MB':>7}{'operators':>11}{'difference':>12}"
    f"{'rel. error':>12}{'agreement':>11}{'seconds':>9}"
)


def _default_networks() -> list[str]:
    """The names that stand for a network: without choices, or with a reference network."""
    spaces = map(search_space.get, search_space.names())
    return [
        space.name
        for space in spaces
        if space.reference_indices or not search_space.choices_of(space)
    ]


def _architectures(name: str) -> Iterator[tuple[str, search_space.Architecture]]:
    """The network or reference network of that name, then random ones of the space."""
    space = search_space.get(name, FLAGS.filters_multiplier)
    yield name, search_space.resolve(space, space.reference_indices)
    num_options = [choice.num_options for choice in search_space.choices_of(space)]
    generator = np.random.default_rng(0)
    for number in range(FLAGS.num_random if num_options else 0):
        indices = generator.integers(num_options)
        yield f"{name} random {number}", search_space.resolve(space, indices)


def _row(name: str, network, images, quantize: str) -> dict:
    from tunas_tf.export import conversion, operators, runtime, verification

    representative = None
    if quantize == "int8":
        batches = images.representative(FLAGS.num_representative_images).batches
        representative = [image for batch, _ in batches for image in batch]
    start = time.perf_counter()
    tflite = conversion.convert(network, quantize=quantize, representative_images=representative)
    seconds = time.perf_counter() - start
    comparison = verification.compare(
        network, runtime.TFLiteNetwork(tflite), images.test(FLAGS.num_test_images).batches
    )
    row = {
        "network": name,
        "quantization": quantize,
        "bytes": len(tflite),
        "operators": operators.operator_counts(tflite),
        **dataclasses.asdict(comparison),
        "seconds": seconds,
        "error": None,
    }
    try:
        verification.require_same(comparison, quantize)
    except InputError as error:
        row["error"] = str(error)
    return row


def _line(row: dict) -> str:
    return (
        f"{row['network']:50}{row['quantization']:14}{row['bytes'] / 1e6:7.2f}"
        f"{sum(row['operators'].values()):11}{row['max_difference']:12.2g}"
        f"{row['relative_error']:12.2g}{row['top1_agreement']:11.1%}{row['seconds']:9.1f}"
        + (f"\n    {row['error']}" if row["error"] else "")
    )


def main() -> None:
    unknown = set(FLAGS.quantizations) - set(QUANTIZATIONS)
    if unknown:
        raise InputError(
            f"there is no quantisation {min(unknown)!r}; use some of {', '.join(QUANTIZATIONS)}."
        )
    import tf_keras

    from tunas_tf.export.export_job import initial_network
    from tunas_tf.export.images import ExportImages

    images = ExportImages(None, "train", "test", FLAGS.image_size)
    rows = []
    print(_HEADER)
    for name in FLAGS.networks or _default_networks():
        for title, architecture in _architectures(name):
            network = initial_network(architecture, FLAGS.num_classes, FLAGS.image_size)
            for quantize in FLAGS.quantizations:
                rows.append(_row(title, network, images, quantize))
                print(_line(rows[-1]), flush=True)
            tf_keras.backend.clear_session()  # Else Keras remembers all of them.
    if FLAGS.output:
        write_json(FLAGS.output, rows)
    failed = [f"{row['network']} in {row['quantization']}" for row in rows if row["error"]]
    if failed:
        raise InputError(f"not every file computes what its network does: {', '.join(failed)}.")


if __name__ == "__main__":
    app.run(main)
