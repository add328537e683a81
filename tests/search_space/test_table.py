"""Networks and spaces as tables."""

import example_spaces

from tunas_tf import search_space
from tunas_tf.search_space import arithmetic, spec, table


def test_align():
    text = table.align([("name", "size"), ("a", "1,000"), ("long", "7"), ("", 3)])
    assert text.splitlines() == [
        "name   size",
        "a     1,000",
        "long      7",
        "          3",
    ]


def test_layer_rows_resolve_everything():
    network = search_space.resolve(example_spaces.mixed_space(), (1, 1, 1, 0, 1, 0, 0, 1, 2, 0, 1))
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


def test_space_table_is_in_the_order_of_the_choices():
    space = search_space.get("mobilenet_v3_like_search")
    header, *lines = table.space_table(space).splitlines()
    assert header.split()[:4] == ["block", "layers", "choices", "options"]
    # The third block: its first layer, the three like each other, the endpoint, its filters.
    bottleneck = (
        "bottleneck(kernel_size={3, 5, 7}, expansion={1x, 2x, 3x, 4x, 5x, 6x}, "
        "squeeze_and_excite={False, True}, %sactivation=relu)"
    )
    assert [line.split(maxsplit=3) for line in lines if line.split()[0] == "2"] == [
        ["2", "1", "3", bottleneck % "strides=2, "],
        ["2", "3", "4", "residual({%s, zero})" % (bottleneck % "")],
        ["2", "1", "endpoint"],
        ["2", "1", "filters={16,", "24, 32, 40, 48, 64}"],
    ]
    # Number of layers times their choices, and the filters of all blocks.
    assert len(search_space.choices_of(space)) == 86
    counted = 0
    for line in lines:
        layers, choices = line[7:13].strip(), line[15:22].strip()
        counted += int(layers or 1) * int(choices or 0)
    assert counted == 86


def test_space_table_explains_long_choices_once():
    text = table.space_table(search_space.get("mobiledet_edgetpu_search"))
    assert text.count("residual(one of C)") == 5
    tables = text.split("\n\n")[1:]
    assert [part.splitlines()[0] for part in tables] == ["A:", "B:", "C:", "D:"]
    assert [len(part.splitlines()) - 1 for part in tables] == [8, 12, 13, 12]
    assert tables[2].splitlines()[5:8:2] == [
        "   4  fused_bottleneck(kernel_size=3, expansion=4x, activation=relu)",
        "   6  fused_bottleneck(kernel_size=3, expansion=8x, activation=relu)",
    ]
    assert tables[2].splitlines()[-1] == "  12  zero"
    assert tables[0].splitlines()[4] == "   3  conv(kernel_size=1)"


def test_space_table_explains_long_choices_within_long_choices():
    inner = spec.OneOf(tuple(spec.Conv(k) for k in (3, 5, 7)), spec.OPERATION)
    options = (spec.Residual(inner), spec.SeparableConv(3), spec.Zero())
    blocks = (
        spec.Block((spec.Conv(3),), 8),
        spec.Block((spec.OneOf(options, spec.OPERATION),), 8),
    )
    lines = table.space_table(spec.SearchSpace("nested", blocks)).splitlines()
    assert lines[lines.index("A:") + 1] == "   0  residual(one of B)"
    assert lines[lines.index("B:") + 3] == "   2  conv(kernel_size=7)"
