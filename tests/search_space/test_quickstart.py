"""The quickstart space: its size by hand, and a reference network that fits it."""

from tunas_tf import search_space
from tunas_tf.search_space import arithmetic, slots, spec


def test_size():
    space = search_space.get("quickstart_search")
    # Three layers that must be and five that may be skipped, each with 3 kernels and 2
    # expansions: 6^8 * 2^5 assignments, 6^3 * 7^5 networks.
    assert search_space.num_architectures(space) == 53_747_712
    assert search_space.num_distinct(space) == 3_630_312
    assert len(search_space.choices_of(space)) == 8 * 2 + 5


def test_reference_has_every_layer_at_its_smallest():
    space = search_space.get("quickstart_search")
    reference = search_space.resolve(space, space.reference_indices)
    assert set(space.reference_indices) == {0}
    # 64 x 64 images, 10 classes; (kernel, expansion) = (3, 3) in every layer:
    stem = 27 * 16 * 32 * 32
    block1 = 16 * 48 * 1024 + (9 * 48 + 48 * 24) * 256 + (24 * 72 + 9 * 72 + 72 * 24) * 256
    block2 = 24 * 72 * 256 + (9 * 72 + 72 * 40) * 64
    block2 += 2 * (40 * 120 + 9 * 120 + 120 * 40) * 64
    block3 = 40 * 120 * 64 + (9 * 120 + 120 * 80) * 16
    block3 += 2 * (80 * 240 + 9 * 240 + 240 * 80) * 16
    last = 80 * 160 * 16 + 160 * 10
    expected = stem + block1 + block2 + block3 + last
    assert arithmetic.count(reference, 64, 10).madds == expected == 6_702_528


def test_size_of_the_space_for_detectors():
    space = search_space.get("quickstart_detection_search")
    # Four layers that must be and five that may be skipped.
    assert search_space.num_architectures(space) == 6**9 * 2**5
    assert search_space.num_distinct(space) == 6**4 * 7**5
    strides = {slot.input_size for slot in slots.layer_slots(space, 256) if _is_endpoint(slot)}
    assert strides == {256 // 4, 256 // 8, 256 // 16, 256 // 32}


def _is_endpoint(slot) -> bool:
    return isinstance(slot.layer, spec.Endpoint)
