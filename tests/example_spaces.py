"""Small search spaces that the tests enumerate in full, and the enlarged published one."""

import numpy as np

from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf


def all_indices(space) -> np.ndarray:
    """Every architecture of a space: [num_architectures, choices]."""
    num_options = [choice.num_options for choice in traversal.choices_of(space)]
    return np.indices(num_options).reshape(len(num_options), -1).T


def random_probabilities(space, generator: np.random.Generator) -> list[np.ndarray]:
    """A random distribution over the options of every choice, none of them tiny."""
    return [
        generator.dirichlet(np.ones(choice.num_options)) * 0.98 + 0.02 / choice.num_options
        for choice in traversal.choices_of(space)
    ]


def mixed_space() -> spec.SearchSpace:
    """Every kind of layer and field, fixed and chosen, in 1,536 architectures."""
    searched = spec.Bottleneck(
        kernel_size=OneOf((3, 5), OPERATION),
        expansion=OneOf((spec.Expansion(2), 24), FILTERS),
        squeeze_and_excite=OneOf((False, True), OPERATION),
        strides=2,
        activation="swish6",
    )
    fixed = spec.Bottleneck(3, 40, squeeze_and_excite=True)
    separable = OneOf((spec.SeparableConv(3), spec.SeparableConv(5)), OPERATION)
    blocks = (
        spec.Block(
            (spec.Conv(OneOf((3, 5), OPERATION), strides=2), spec.Activation("swish6")),
            OneOf((8, 16), FILTERS),
        ),
        # No OneOf around the filters: the block before decides its input only.
        spec.Block((OneOf((searched,), OPERATION), spec.Endpoint()), 16),
        spec.Block(
            (fixed, spec.Residual(OneOf((separable, spec.Zero()), OPERATION))),
            OneOf((16, 24, 40), FILTERS),
        ),
        spec.Block((fixed,), 24),
        spec.Block(
            (
                spec.SeparableConv(OneOf((3, 7), OPERATION), 2, "relu6"),
                spec.GlobalPool(),
                spec.Conv(1, batch_norm=False),
            ),
            OneOf((48, 32), FILTERS),
        ),
    )
    return spec.SearchSpace("mixed", blocks, reference_indices=(0,) * 11)


def random_space(seed: int, max_architectures: int = 5000) -> spec.SearchSpace:
    """A random tower of three blocks with filter choices, small enough to enumerate."""
    generator = np.random.default_rng(seed)

    def maybe_choice(options, tag):
        number = int(generator.integers(1, len(options) + 1))
        chosen = tuple(options[i] for i in generator.permutation(len(options))[:number])
        return chosen[0] if number == 1 and generator.random() < 0.5 else OneOf(chosen, tag)

    def layer(strides):
        bottleneck = spec.Bottleneck(
            maybe_choice((3, 5), OPERATION),
            maybe_choice((spec.Expansion(1), spec.Expansion(3), 56), FILTERS),
            squeeze_and_excite=bool(generator.random() < 0.3),
            strides=strides,
        )
        separable = spec.SeparableConv(maybe_choice((3, 7), OPERATION), strides)
        return (bottleneck, separable)[int(generator.integers(2))]

    while True:
        blocks = []
        for _ in range(3):
            layers = [layer(strides=2)]
            if generator.random() < 0.6:
                optional = OneOf((layer(strides=1), spec.Zero()), OPERATION)
                layers.append(spec.Residual(optional))
            filters = maybe_choice((8, 16, 32, 48), FILTERS)
            blocks.append(spec.Block(tuple(layers), filters))
        space = spec.SearchSpace(f"random{seed}", tuple(blocks))
        if traversal.choices_of(space) and traversal.num_architectures(space) <= max_architectures:
            return space


def enlarged_space() -> spec.SearchSpace:
    """proxylessnas_enlarged_search, written from the facts."""
    multipliers = (0.5, 0.625, 0.75, 1.0, 1.25, 1.5, 2.0)

    def filters(base):
        # Rounded to the nearest multiple of 8, halves up, 8 at least.
        rounded = {max(8, int(base * m / 8 + 0.5) * 8) for m in multipliers}
        return OneOf(tuple(sorted(rounded)), FILTERS)

    def bottleneck(strides):
        return spec.Bottleneck(
            OneOf((3, 5, 7), OPERATION),
            OneOf((spec.Expansion(3), spec.Expansion(6)), FILTERS),
            strides=strides,
        )

    def mandatory(strides):
        return OneOf((bottleneck(strides),), OPERATION)

    optional = spec.Residual(OneOf((bottleneck(1), spec.Zero()), OPERATION))
    separable = OneOf(tuple(spec.SeparableConv(k) for k in (3, 5, 7)), OPERATION)
    layers = [
        (spec.Conv(3, 2), spec.Activation("relu")),
        (separable, spec.Endpoint()),
        *((mandatory(s), optional, optional, optional, spec.Endpoint()) for s in (2, 2)),
        (mandatory(2), optional, optional, optional),
        *((mandatory(s), optional, optional, optional, spec.Endpoint()) for s in (1, 2)),
        (mandatory(1), spec.Endpoint()),
        (spec.Conv(1), spec.Activation("relu"), spec.GlobalPool()),
    ]
    bases = (16, 16, 16, 32, 64, 128, 256, 512, 1024)
    blocks = tuple(spec.Block(tuple(some), filters(base)) for some, base in zip(layers, bases))
    return spec.SearchSpace("enlarged", blocks)
