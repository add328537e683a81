"""Resolving to a network, its JSON file, and rounding of filter counts."""

import json

import example_spaces
import pytest

from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec


# By hand: nearest multiple of the base, halves up, the base at least.
@pytest.mark.parametrize(
    "filters, multiplier, base, expected",
    [
        (16, 0.5, 8, 8),
        (16, 0.625, 8, 8),  # 10
        (16, 0.75, 8, 16),  # 12, halfway
        (16, 1.25, 8, 24),  # 20, halfway
        (32, 0.625, 8, 24),  # 20, halfway
        (32, 3, 8, 96),
        (40, 0.35, 8, 16),  # 14
        (3, 1.0, 8, 8),
        (96, 0.3, 32, 32),  # 28.8
        (96, 1.5, 32, 160),  # 144, halfway
        (1280, 1.4, 8, 1792),
    ],
)
def test_scale_filters(filters, multiplier, base, expected):
    assert spec.scale_filters(filters, multiplier, base) == expected


@pytest.mark.parametrize(
    "value, divisor, expected",
    [(18, 8, 24), (12, 8, 16), (11.9, 8, 16), (10, 8, 16), (8.8, 8, 8), (1, 8, 8), (168, 8, 168)],
)
def test_make_divisible(value, divisor, expected):
    # 18 -> 16 is below 0.9 * 18 = 16.2; 10 -> 8 is below 9; 11.9 -> 8 is below 10.71.
    assert spec.make_divisible(value, divisor) == expected


def test_resolve_turns_expansions_into_filters_of_the_layers_input():
    space = search_space.get("proxylessnas_search")
    network = search_space.resolve(space, space.reference_indices)
    bottlenecks = [
        (placed.block, layer.kernel_size, layer.expansion, layer.strides, placed.input_filters)
        for placed in network.layers()
        if isinstance(layer := getattr(placed.layer, "layer", placed.layer), spec.Bottleneck)
    ]
    # Block 2 (codes 1 0 6 6) and the start of block 3 (codes 2 0 1 1), 16 -> 32 -> 40 filters.
    assert bottlenecks[:4] == [(2, 5, 48, 2, 16), (2, 3, 96, 1, 32), (3, 7, 96, 2, 32),
                               (3, 3, 120, 1, 40)]  # fmt: skip
    assert network.output_filters == 1280
    assert network.ssd == "proxylessnas_search"


def test_layers_see_the_filters_before_them():
    network = search_space.resolve(example_spaces.mixed_space(), (0,) * 11)
    seen = [(p.block, p.index, p.input_filters, p.filters) for p in network.layers()]
    assert seen == [
        (0, 0, 3, 8), (0, 1, 8, 8),
        (1, 0, 8, 16), (1, 1, 16, 16),
        (2, 0, 16, 16), (2, 1, 16, 16),
        (3, 0, 16, 24),
        (4, 0, 24, 48), (4, 1, 48, 48), (4, 2, 48, 48),
    ]  # fmt: skip


@pytest.mark.parametrize("index", [0, 701, 1535])
def test_json_round_trip(tmp_path, index):
    space = example_spaces.mixed_space()
    network = search_space.resolve(space, example_spaces.all_indices(space)[index])
    path = tmp_path / "architecture.json"
    # Other keys (cost, provenance) do not disturb.
    path.write_text(json.dumps({**architecture_lib.to_json(network), "cost": 1.5}))
    assert architecture_lib.load(str(path)) == network
    assert architecture_lib.from_json(json.loads(json.dumps(architecture_lib.to_json(space)))) == (
        space
    )


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "3",
        "{}",
        '{"ssd": "s", "indices": "0"}',
        '{"ssd": "s", "indices": 5, "blocks": []}',
        '{"ssd": "s", "indices": "0", "blocks": []}',
        '{"ssd": "s", "indices": "0", "blocks": [7]}',
        '{"ssd": "s", "indices": "0", "blocks": [{"type": "Unknown"}]}',
        '{"ssd": "s", "indices": "0", "blocks": [{"type": "Block", "layers": [], "filters": "8"}]}',
    ],
)
def test_files_that_hold_no_network(tmp_path, content):
    path = tmp_path / "architecture.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is not an architecture file"):
        architecture_lib.load(str(path))


def test_file_with_choices_is_no_network(tmp_path):
    path = tmp_path / "architecture.json"
    blocks = architecture_lib.to_json(example_spaces.mixed_space().blocks[1:2])
    path.write_text(json.dumps({"ssd": "mixed", "indices": "", "blocks": blocks}))
    with pytest.raises(InputError, match="still has choices"):
        architecture_lib.load(str(path))


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read .No such file"):
        architecture_lib.load(str(tmp_path / "nothing.json"))
