"""The drawings of a network and of its cost."""

import xml.etree.ElementTree as ElementTree

import pages
import pytest

from tunas_tf import cost_model, search_space
from tunas_tf.reporting import drawing, layer_costs
from tunas_tf.search_space import table


def _svgs(ssd, indices=None, model=None, num_classes=1001):
    space = search_space.get(ssd)
    architecture = search_space.resolve(space, indices or space.reference_indices)
    rows = table.layer_rows(architecture, 224, num_classes)
    lines = drawing.lines_of(rows)
    model = cost_model.get(model or "madds", space, 224, num_classes)
    costs = layer_costs.layer_costs(model, architecture.indices, rows)
    return rows, *map(
        ElementTree.fromstring, (drawing.network_svg(lines), drawing.cost_svg(lines, costs))
    )


@pytest.mark.parametrize(
    "ssd", ["proxylessnas_search", "mobilenet_v3_like_search", "mobiledet_edgetpu_search"]
)
def test_every_layer_with_weights_has_its_place(ssd):
    space = search_space.get(ssd)
    zero = [0] * len(search_space.choices_of(space))
    rows, network, costs = _svgs(ssd, zero)
    expected = [drawing.layer_text(row) for row in rows if row["params"] or row.get("skipped")]
    for svg in (network, costs):
        assert [text for text in pages.texts_of(svg) if text in set(expected)] == expected
        assert svg.get("role") == "img"
        assert all(text in svg.get("aria-label") for text in expected)
        _, _, width, height = map(float, svg.get("viewBox").split())
        for node in svg.iter():
            assert 0 <= float(node.get("x", 0)) <= width
            assert 0 <= float(node.get("y", 0)) <= height


def test_layers_in_words():
    large = search_space.resolve(search_space.get("mobilenet_v3_large"), ())
    texts = {drawing.layer_text(row) for row in table.layer_rows(large)}
    assert "bottleneck 5×5, expand 3, SE" in texts
    assert drawing.layer_text({"skipped": True, "op": "zero"}) == "skipped"
    mobiledet = search_space.resolve(search_space.get("mobiledet_edgetpu"), ())
    texts = {drawing.layer_text(row) for row in table.layer_rows(mobiledet)}
    assert any(text.startswith("fused 3×3, expand 8") for text in texts)
    assert any(text.startswith("tucker 3×3, ") for text in texts)


def test_shares_of_the_cost():
    rows, _, costs = _svgs("proxylessnas_search", model="madds")
    texts = pages.texts_of(costs)
    shares = [float(text[:-1]) for text in texts if text.endswith("%")]
    assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares))
    total = sum(row["madds"] for row in rows)
    stem = 27 * 32 * 112 * 112  # 3 x 3 x 3 x 32 at 112 x 112.
    assert f"{stem / total:.1%}" in texts and "10.8 M" in texts
    assert "what they share" not in texts
    _, _, costs = _svgs("proxylessnas_search", model="pixel1")
    assert "what they share" in pages.texts_of(costs)
    # The stem has no choice: by this model, its cost is nobody's in particular.
    assert "common to all" in pages.texts_of(costs)


def test_wider_layers_are_drawn_wider():
    _, network, _ = _svgs("proxylessnas_search")
    bars = [
        (float(node.get("x")), float(node.get("width")))
        for node in network.iter("{http://www.w3.org/2000/svg}rect")
        if not node.get("stroke-dasharray")
    ]
    middles = {round(x + width / 2) for x, width in bars}
    assert len(middles) == 1
    # 32 filters of the stem, and the 1,280 of the last convolution, by the square root.
    assert max(w for _, w in bars) / bars[0][1] == pytest.approx((1280 / 32) ** 0.5, rel=0.02)
