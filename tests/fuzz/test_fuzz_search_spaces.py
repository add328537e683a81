"""Architecture files, spaces, indices, and names of spaces and modules."""

import json

import example_spaces
import pytest
from fuzz_inputs import contents, expect_sentence, write
from hypothesis import given
from hypothesis import strategies as st

from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.common.json_files import parse_json
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import arithmetic, table, traversal

_SPACE = example_spaces.mixed_space()
_NETWORK = {
    **architecture_lib.to_json(search_space.resolve(_SPACE, (0,) * 11)),
    "cost": 84.0,
    "provenance": {"step": 843},
}
_SPACE_JSON = architecture_lib.to_json(_SPACE)


@pytest.fixture(name="directory", scope="module")
def _directory(tmp_path_factory):
    return tmp_path_factory.mktemp("spaces")


def _use(network: architecture_lib.Architecture) -> None:
    """All that describe and estimate_cost do."""
    arithmetic.count(network, 224, 1001)
    table.network_table(network)
    traversal.format_indices(network.indices)
    for name in ("madds", "params"):
        cost_model.architecture_cost(name, network)
    expect_sentence(lambda: cost_model.architecture_cost("pixel1", network))
    assert (
        architecture_lib.network_from_json(
            parse_json(json.dumps(architecture_lib.to_json(network)).encode())
        )
        == network
    )


@given(content=contents(_NETWORK))
def test_architecture_files(directory, content):
    path = write(directory / "architecture.json", content)
    network = expect_sentence(lambda: architecture_lib.load(path))
    if network is not None:
        _use(network)


@given(content=contents(_SPACE_JSON))
def test_spaces(content):
    try:
        space = architecture_lib.space_from_json(parse_json(content))
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
        return
    table.space_table(space)
    choices = search_space.choices_of(space)
    for last in (False, True):
        indices = [choice.num_options - 1 if last else 0 for choice in choices]
        _use(search_space.resolve(space, indices))


@given(
    text=st.one_of(
        st.text(max_size=30),
        st.text("0123456789:-+_ .", max_size=30),
        st.lists(st.integers(-2, 9), min_size=9, max_size=13).map(
            lambda indices: ":".join(map(str, indices))
        ),
        st.sampled_from(["9" * 5000, "0:" * 5000, "\u0663:\u0664", "9" * 4000 + ":0" * 10]),
    )
)
def test_indices(text):
    indices = expect_sentence(lambda: traversal.parse_indices(text))
    if indices is not None:
        expect_sentence(lambda: search_space.resolve(_SPACE, indices))


@given(
    name=st.one_of(st.text(max_size=20), st.sampled_from(["x" * 5000, "proxylessnas_searc\n"])),
    multiplier=st.floats(),
)
def test_names_of_spaces(name, multiplier):
    # Which spaces there are takes 400 characters.
    expect_sentence(lambda: search_space.get(name, multiplier), max_characters=700)
    expect_sentence(lambda: search_space.get("quickstart_search", multiplier))


@given(
    name=st.one_of(
        # Names of real modules would be imported.
        st.text(" ./\\-\x00\n$0", max_size=12),
        st.text(".", min_size=1, max_size=5).map(lambda dots: dots + "nowhere"),
        st.sampled_from(["nowhere" * 1000, "\ud800", "nowhere.\u00e9", "json", "__main__.x"]),
    )
)
def test_space_modules(name):
    with pytest.raises(InputError):
        expect_sentence(lambda: search_space.import_module(name))
        search_space.import_module(name)


_FAILING_MODULES = (
    "1 / 0",
    "import sys; sys.exit(3)",
    "raise Exception('a\\nb' * 1000)",
    "def (",
    "\x00",
    "raise BaseException",
    "raise MemoryError",
    "raise StopIteration",
    "f = lambda: f()\nf()",
)


@pytest.mark.parametrize("number", range(len(_FAILING_MODULES)))
def test_space_modules_that_fail(tmp_path, monkeypatch, number):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"failing_{number}"  # Python remembers names.
    (tmp_path / f"{name}.py").write_text(_FAILING_MODULES[number], encoding="utf-8")
    with pytest.raises(InputError, match="cannot be imported"):
        expect_sentence(lambda: search_space.import_module(name))
        search_space.import_module(name)
