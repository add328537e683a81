"""A search space of your own: a registered function that returns a tree of choices.

Copy this file into a directory of yours: --space_module takes its name. In a checkout:

  cd examples
  python -m tunas_tf.describe --space_module=custom_space --ssd=tiny_search
  python -m tunas_tf.search --flagfile=../flags/quickstart.flags \\
      --space_module=custom_space --ssd=tiny_search --checkpoint_dir=../runs/tiny
  python -m tunas_tf.analyze_search --checkpoint_dir=../runs/tiny
  python -m tunas_tf.train_eval --flagfile=../flags/quickstart_train.flags \\
      --architecture=../runs/tiny/architecture.json --checkpoint_dir=../runs/tiny/trained

The last two need no module: a run directory holds its space, architecture.json its network.
"""

from tunas_tf.search_space import register
from tunas_tf.search_space.spec import (
    FILTERS,
    OPERATION,
    Activation,
    Block,
    Bottleneck,
    Conv,
    Expansion,
    GlobalPool,
    OneOf,
    Residual,
    SearchSpace,
    Zero,
)


def _bottleneck(strides: int) -> Bottleneck:
    kernel_size = OneOf((3, 5), OPERATION)
    return Bottleneck(kernel_size, OneOf((Expansion(3), Expansion(6)), FILTERS), strides=strides)


@register
def tiny_search() -> SearchSpace:
    """Kernel sizes, expansions, depth and filters of two blocks: 3,600 distinct networks."""
    layers = (_bottleneck(strides=2), Residual(OneOf((_bottleneck(strides=1), Zero()), OPERATION)))
    blocks = (
        Block((Conv(3, strides=2), Activation("relu")), filters=16),
        Block(layers, filters=OneOf((16, 24, 32), FILTERS)),
        Block(layers, filters=OneOf((40, 48, 64), FILTERS)),
        Block((Conv(1), Activation("relu"), GlobalPool()), filters=128),
    )
    # The network whose cost is the default target. Per searched block: kernel size, expansion;
    # kernel size, expansion, whether the layer is skipped; filters.
    return SearchSpace("tiny_search", blocks, reference_indices=2 * (0, 0, 0, 0, 0, 1))
