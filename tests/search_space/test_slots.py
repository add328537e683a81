"""Which choices decide what stands at a place of the tower."""

import example_spaces

from tunas_tf import search_space
from tunas_tf.search_space import traversal
from tunas_tf.search_space.slots import FilterCounts, layer_slots


def test_slots_of_the_mixed_space():
    slots = list(layer_slots(example_spaces.mixed_space(), image_size=30))
    image, stem = FilterCounts((3,)), FilterCounts((8, 16), 1)
    fixed, chosen = FilterCounts((16,)), FilterCounts((16, 24, 40), 8)
    last = FilterCounts((48, 32), 10)
    expected = [
        # positions, inputs, outputs, input size
        ((0,), image, stem, 30),
        ((), stem, stem, 15),
        ((2, 3, 4, 5), stem, fixed, 15),
        ((), fixed, fixed, 8),
        ((), fixed, chosen, 8),
        ((6, 7), chosen, chosen, 8),
        ((), chosen, FilterCounts((24,)), 8),
        ((9,), FilterCounts((24,)), last, 8),
        ((), last, last, 4),
        ((), last, last, 1),
    ]
    assert [(s.positions, s.inputs, s.outputs, s.input_size) for s in slots] == expected


def test_positions_and_paths_agree_with_the_traversal():
    for space in map(search_space.get, search_space.names()):
        choices = traversal.choices_of(space)
        decided = []
        for slot in layer_slots(space):
            assert all(choices[p].path.startswith(slot.path) for p in slot.positions)
            decided += slot.positions
            if slot.outputs.position is not None:
                assert choices[slot.outputs.position].path == f"blocks/{slot.block}/filters"
                decided.append(slot.outputs.position)
        assert set(decided) == set(range(len(choices)))
