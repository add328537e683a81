"""Networks and spaces as tables."""

import example_spaces

from tunas_tf import search_space
from tunas_tf.search_space import arithmetic, table


def test_align():
    text = table.align([("name", "size"), ("a", "1,000"), ("long", "7"), ("", 3)])
    assert text.splitlines() == [
        "name   size",
        "a     1,000",
        "long      7",
        "          3",
    ]


def test_layer_rows_resolve_everything():
    network = search_space.resolve(
        example_spaces.mixed_space(), (1, 1, 1, 0, 1, 0, 0, 1, 2, 0, 1)
    )
    rows = table.layer_rows(network, image_size=32, num_classes=10)
    assert [row["op"] for row in rows] == [
        "conv", "activation", "bottleneck", "endpoint", "bottleneck", "zero", "bottleneck",
        "separable_conv", "global_pool", "conv", "classifier",
    ]  # fmt: skip
    bottleneck = rows[2]
    # 16 filters in, 32 expanded (2x), squeeze-and-excite through 8, 16 out, at 16 -> 8 pixels.
    madds = 16 * 32 * 256 + 25 * 32 * 64 + 2 * 32 * 8 + 32 * 16 * 64
    params = (16 * 32 + 64) + (25 * 32 + 64) + (32 * 8 + 8 + 8 * 32 + 32) + (32 * 16 + 32)
    assert bottleneck == {
        "block": 1,
        "layer": 0,
        "op": "bottleneck",
        "kernel_size": 5,
        "expanded_filters": 32,
        "squeeze_and_excite": True,
        "strides": 2,
        "activation": "swish6",
        "residual": False,
        "skipped": False,
        "input_filters": 16,
        "filters": 16,
        "input_size": 16,
        "output_size": 8,
        "madds": madds,
        "params": params,
    }
    assert rows[5]["residual"] and rows[5]["skipped"]
    assert not any(row.get("skipped") for row in rows[:5] + rows[6:])
    assert (rows[-1]["input_filters"], rows[-1]["filters"]) == (32, 10)


def test_rows_add_up_to_the_network():
    space = search_space.get("proxylessnas_search")
    network = search_space.resolve(space, space.reference_indices)
    for num_classes in (0, 1001):
        rows = table.layer_rows(network, 224, num_classes)
        total = arithmetic.count(network, 224, num_classes)
        assert sum(row["madds"] for row in rows) == total.madds
        assert sum(row["params"] for row in rows) == total.params


def test_network_table_has_a_line_per_layer_and_the_totals():
    space = search_space.get("proxylessnas_search")
    network = search_space.resolve(space, space.reference_indices)
    lines = table.network_table(network).splitlines()
    assert len(lines) == 1 + len(table.layer_rows(network)) + 1
    assert lines[-1].split() == ["total", "320,428,864", "4,081,793"]
    assert sum("identity" in line for line in lines) == 2
    assert sum("+ input" in line for line in lines) == 13


def test_space_table_shows_the_options():
    text = table.space_table(search_space.get("proxylessnas_search"))
    assert "residual({bottleneck(kernel_size={3, 5, 7}, expansion={3x, 6x}" in text
    lines = text.splitlines()
    assert lines[0].split()[:4] == ["block", "filters", "layers", "choices"]
    assert [line.split()[:4] for line in lines if "residual" in line] == [
        [block, filters, "3", "3"]
        for block, filters in zip("23456", ("32", "40", "80", "96", "192"))
    ]
