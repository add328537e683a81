"""A cost of your own: the memory traffic of a network, for devices that wait for their memory.

Copy this file into a directory of yours. In a checkout:

  cd examples
  python custom_cost.py
  python -m tunas_tf.search --flagfile=../flags/quickstart.flags \\
      --cost_model=memory_traffic.json --checkpoint_dir=../runs/memory_traffic

It writes memory_traffic.json, which every command takes as --cost_model.
"""

import tunas_tf
from tunas_tf.search_space.operations import Convolution, Depthwise, Elementwise

# The images of flags/quickstart.flags.
_IMAGE_SIZE, _NUM_CLASSES = 64, 10


def traffic_kilobytes(operations: list) -> float:
    """What one layer reads and writes, one byte per value: feature maps, and weights once."""
    values = 0
    for operation in operations:
        # Activations are computed by the convolution before them, and read nothing more.
        if isinstance(operation, Convolution):
            weights = operation.kernel_size**2 * operation.input_filters * operation.filters
            values += operation.input_size**2 * operation.input_filters
            values += operation.size**2 * operation.filters + weights
        elif isinstance(operation, Depthwise):
            values += operation.input_size**2 * operation.filters
            values += (operation.size**2 + operation.kernel_size**2) * operation.filters
        elif isinstance(operation, Elementwise) and operation.kind == "add":
            values += 3 * operation.size**2 * operation.filters
    return values / 1000


def main() -> None:
    space = tunas_tf.search_space.get("quickstart_search")
    cost_model = tunas_tf.cost_model.from_operations(
        "memory_traffic", "kB", traffic_kilobytes, space, _IMAGE_SIZE, _NUM_CLASSES
    )
    tunas_tf.cost_model.save(cost_model, "memory_traffic.json", {"command": "custom_cost.py"})
    print(f"memory_traffic.json: {cost_model.reference_cost():.1f} kB for the reference network")


if __name__ == "__main__":
    main()
