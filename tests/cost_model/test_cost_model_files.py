"""Cost model files: what is saved is loaded, and what is damaged is refused with the reason."""

import copy
import json
import os

import example_spaces
import numpy as np
import pytest

from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import files, published, tables
from tunas_tf.search_space import spec

_PROVENANCE = {"source": "a test", "date": "2020-01-01"}


def _two_choices() -> tables.CostModel:
    """A space of 2 x 3 networks: the kernel of one convolution, and its filters."""
    convolution = spec.Conv(spec.OneOf((3, 5), spec.OPERATION))
    block = spec.Block((convolution,), spec.OneOf((8, 16, 24), spec.FILTERS))
    space = spec.SearchSpace("two", (block,), reference_indices=(1, 2))
    costs = np.array([[1.0, 2.0, 3.0], [4.0, 5.5, 0.1]])
    return tables.CostModel("mine", "mJ", space, (tables.Table((0, 1), costs),), 100.0, 96)


def _optional_layer() -> tables.CostModel:
    """The kernel of a layer that may be skipped; its tables must not see a skipped kernel."""
    separable = spec.SeparableConv(spec.OneOf((3, 5), spec.OPERATION))
    optional = spec.Residual(spec.OneOf((separable, spec.Zero()), spec.OPERATION))
    blocks = (
        spec.Block((spec.Conv(3),), spec.OneOf((8, 16), spec.FILTERS)),
        spec.Block((spec.Conv(3), optional), spec.OneOf((8, 16), spec.FILTERS)),
    )
    # Choices: filters of block 0; kernel, skipped or not, filters of block 1.
    table = tables.Table((1, 2), np.array([[1.0, 0.0], [2.0, 0.0]]))
    return tables.CostModel("odd", "ms", spec.SearchSpace("odd", blocks), (table,), 1.0)


def _random_published(space) -> tables.CostModel:
    generator = np.random.default_rng(0)
    coefficients = generator.normal(size=published.num_features(space))
    return published.from_coefficients("random", "ms", space, coefficients, 7.0)


@pytest.mark.parametrize(
    "make_model",
    [
        _two_choices,
        _optional_layer,
        lambda: cost_model.get("madds", example_spaces.mixed_space(), 64, 10),
        lambda: cost_model.get("params", example_spaces.random_space(4)),
        lambda: cost_model.get("pixel1", search_space.get("proxylessnas_search")),
        lambda: cost_model.get("madds", search_space.get("proxylessnas_mobile")),
        lambda: cost_model.get("madds", search_space.get("mobiledet_edgetpu_search")),
        lambda: _random_published(search_space.get("mobilenet_v3_like_search")),
        lambda: _random_published(example_spaces.enlarged_space()),
    ],
)
def test_what_is_saved_is_loaded(tmp_path, make_model):
    model = make_model()
    path = str(tmp_path / "model.json")
    files.save(model, path, _PROVENANCE)
    loaded = files.load(path)
    assert loaded.space == model.space
    assert (loaded.name, loaded.unit, loaded.image_size, loaded.bias) == (
        model.name, model.unit, model.image_size, model.bias
    )  # fmt: skip
    assert [table.positions for table in loaded.tables] == [t.positions for t in model.tables]
    for table, original in zip(loaded.tables, model.tables):
        np.testing.assert_array_equal(table.values, original.values)
        assert table.values.dtype == np.float64
    assert os.listdir(tmp_path) == ["model.json"]


def test_what_a_file_looks_like(tmp_path):
    path = tmp_path / "model.json"
    files.save(_two_choices(), str(path), _PROVENANCE)
    written = json.loads(path.read_text())
    assert written.pop("space")["name"] == "two"
    assert written == {
        "format": "tunas_tf cost model",
        "version": 1,
        "name": "mine",
        "unit": "mJ",
        "image_size": 96,
        "bias": 100.0,
        "tables": [{"positions": [0, 1], "values": [[1.0, 2.0, 3.0], [4.0, 5.5, 0.1]]}],
        "provenance": _PROVENANCE,
    }


def _block(value) -> dict:
    return value["space"]["blocks"][0]


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda v: v.update(format="other"), 'it is no cost model file, as "format" is not'),
        (lambda v: v.pop("format"), 'it is no cost model file, as "format" is not'),
        (lambda v: v.pop("bias") and v.pop("unit"), "it lacks unit, bias"),
        (lambda v: v.update(name=3), "its name is 3, not a text"),
        (lambda v: v.update(unit=None), "its unit is None, not a text"),
        (lambda v: v.update(image_size=0), "its image_size is 0; it must be"),
        (lambda v: v.update(image_size=96.5), "its image_size is 96.5; it must be"),
        (lambda v: v.update(bias=float("nan")), "it holds NaN, which is no number of JSON"),
        (lambda v: v.update(bias="1"), "its bias is '1', not a finite number"),
        (lambda v: v.update(bias=True), "its bias is True, not a finite number"),
        (lambda v: v.update(bias=10**400), "it holds the integer 1000.*more than 64 bits"),
        (lambda v: v.update(provenance=["x"]), "its provenance is not a set of names"),
        (lambda v: v.update(provenance={"seed": 1}), "its provenance is not a set of names"),
        (lambda v: v.update(tables={}), "its tables are not a list"),
        (lambda v: v.update(tables=[3]), "its table 0 lacks positions or values"),
        (lambda v: v["tables"].append({"positions": [0]}), "its table 1 lacks positions or"),
        (lambda v: v["tables"][0].update(positions=[]), "table 0 has positions .*0 to 1"),
        (lambda v: v["tables"][0].update(positions=[0, 2]), "table 0 has positions .*0 to 1"),
        (lambda v: v["tables"][0].update(positions=[-1, 1]), "table 0 has positions .*0 to 1"),
        (lambda v: v["tables"][0].update(positions=[0, 0]), "table 0 has positions .*0 to 1"),
        (lambda v: v["tables"][0].update(positions=[0, True]), "table 0 has positions"),
        (lambda v: v["tables"][0].update(positions="01"), "table 0 has positions"),
        (lambda v: v["tables"][0].update(positions=[1, 0]), "table 0 must hold 3 x 2 values"),
        (lambda v: v["tables"][0]["values"].pop(), "table 0 must hold 2 x 3 values"),
        (lambda v: v["tables"][0]["values"][1].pop(), "table 0 must hold 2 x 3 values"),
        (lambda v: v["tables"][0].update(values=3.0), "table 0 must hold 2 x 3 values"),
        (lambda v: v["tables"][0].update(values=["abc", "def"]), "table 0 must hold 2 x 3"),
        (lambda v: v["tables"][0]["values"][1].__setitem__(2, None), "table 0 holds a value that"),
        (lambda v: v["tables"][0]["values"][1].__setitem__(2, "1"), "table 0 holds a value that"),
        (lambda v: v["tables"][0]["values"][1].__setitem__(2, [1]), "table 0 holds a value that"),
        (lambda v: v["tables"][0]["values"][1].__setitem__(2, True), "table 0 holds a value"),
        (
            lambda v: v["tables"][0]["values"][1].__setitem__(2, float("inf")),
            "it holds Infinity, which is no number of JSON",
        ),
        (lambda v: v.update(space=None), "its space is no search space"),
        (lambda v: v.update(space=[]), "its space is no search space"),
        (lambda v: v.update(space={"ssd": "x", "indices": "0", "blocks": []}), "its space is no"),
        (lambda v: v["space"].update(type="Architecture"), "its space is no search space"),
        (lambda v: v["space"].update(type=["SearchSpace"]), "its space is no search space"),
        (lambda v: v["space"].update(name=5), "its space is no search space"),
        (lambda v: v["space"].update(color="red"), "its space is no search space"),
        (lambda v: v["space"].update(blocks=[]), "its space is no search space"),
        (lambda v: v["space"].update(blocks=5), "its space is no search space"),
        (lambda v: v["space"].update(filter_base=0), "its space is no search space"),
        (lambda v: v["space"].update(reference_indices=[0, 3]), "its space is no search space"),
        (lambda v: v["space"].update(reference_indices=["a", "b"]), "its space is no search"),
        (lambda v: v["space"].update(blocks=[3]), "its space is no search space"),
        (lambda v: _block(v).update(layers=[]), "its space is no search space"),
        (lambda v: _block(v).update(layers=["Conv"]), "its space is no search space"),
        (lambda v: _block(v)["layers"][0].update(type="System"), "its space is no search space"),
        (lambda v: _block(v)["layers"][0].update(strides=0), "its space is no search space"),
        (lambda v: _block(v)["layers"][0].update(strides=None), "its space is no search space"),
        (lambda v: _block(v)["filters"].update(tag="x"), "its space is no search space"),
        (lambda v: _block(v)["filters"].update(choices=[]), "its space is no search space"),
        (lambda v: _block(v)["filters"].update(choices=[8, -8, 9]), "its space is no search"),
        (lambda v: _block(v)["filters"].update(choices=[8, "a", 9]), "its space is no search"),
        (
            lambda v: (
                _block(v)["filters"].update(choices=[8, 16]),
                v["space"].update(reference_indices=[]),
            ),
            "table 0 must hold 2 x 2 values",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path, damage, message):
    value = copy.deepcopy(files.to_json(_two_choices(), _PROVENANCE))
    damage(value)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match=message) as error:
        files.load(str(path))
    assert str(error.value).startswith(f"the cost model file {path} cannot be used: it")


@pytest.mark.parametrize(
    "positions, values, message",
    [
        # A layer in the middle of a block does not see the filters of the block before.
        ([2, 0], [[1.0, 2.0], [0.0, 0.0]], "layers that are not neighbours"),
        ([1, 2], [[1.0, 0.0], [2.0, 0.5]], "choice 1 where choice 2 leaves it without effect"),
        ([2, 1], [[1.0, 2.0], [0.0, 0.5]], "choice 1 where choice 2 leaves it without effect"),
        ([1], [1.0, 2.0], "choice 1 where choice 2 leaves it without effect"),
    ],
)
def test_tables_that_are_no_sum_over_layers(positions, values, message):
    value = files.to_json(_optional_layer(), {})
    files.from_json(value)
    value["tables"] = [{"positions": positions, "values": values}]
    with pytest.raises(InputError, match=message):
        files.from_json(value)


def test_choices_without_effect_at_any_depth():
    """A skipped layer's kernel stands below a choice with one option, which is always selected."""
    separable = spec.SeparableConv(spec.OneOf((3, 5), spec.OPERATION))
    single = spec.OneOf((separable,), spec.OPERATION)
    optional = spec.Residual(spec.OneOf((single, spec.Zero()), spec.OPERATION))
    space = spec.SearchSpace("deep", (spec.Block((spec.Conv(3), optional), 8),))
    for skipped, is_sound in (([0.0, 0.0], True), ([0.0, 0.5], False)):
        table = tables.Table((0, 1, 2), np.array([[[1.0, skipped[0]]], [[2.0, skipped[1]]]]))
        value = files.to_json(tables.CostModel("deep", "ms", space, (table,), 0.0), {})
        if is_sound:
            files.from_json(value)
        else:
            with pytest.raises(InputError, match="choice 0 where choice 2 leaves it without"):
                files.from_json(value)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b'{"format": "\xff"}', "it is not JSON"),
        (b"import os", "it is not JSON"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"[]", "it is no cost model file"),
        (b"null", "it is no cost model file"),
        (b'{"ssd": "x", "indices": "0:1", "blocks": []}', "it is no cost model file"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"the cost model file .*cannot be used: {message}"):
        files.load(str(path))


def test_deep_spaces_are_refused(tmp_path):
    value = files.to_json(_two_choices(), {})
    layer = json.dumps(_block(value)["layers"][0])
    depth = 5000
    nested = '{"type": "Residual", "layer": ' * depth + layer + "}" * depth
    path = tmp_path / "model.json"
    path.write_text(json.dumps(value).replace(layer, nested, 1))
    with pytest.raises(InputError, match="it is nested too deeply"):
        files.load(str(path))


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    for path, reason in ((tmp_path / "missing", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=f"{path} cannot be read .{reason}"):
            files.load(str(path))
    path = str(tmp_path / "model.json")
    files.save(_two_choices(), path, {})
    monkeypatch.setattr(files, "MAX_BYTES", os.path.getsize(path))
    files.load(path)
    monkeypatch.setattr(files, "MAX_BYTES", os.path.getsize(path) - 1)
    with pytest.raises(InputError, match="cannot be read .it is larger than [0-9,]+ bytes"):
        files.load(path)


def test_what_cannot_be_loaded_is_not_saved(tmp_path):
    space = _two_choices().space
    table = tables.Table((0,), np.array([1.0, np.nan]))
    path = str(tmp_path / "model.json")
    with pytest.raises(InputError, match="table 0 holds a value that is not a finite number"):
        files.save(tables.CostModel("bad", "ms", space, (table,), 0.0), path, {})
    lists = spec.SearchSpace("lists", list(space.blocks))
    with pytest.raises(InputError, match="cannot be stored|no search space"):
        files.save(tables.CostModel("bad", "ms", lists, (), 0.0), path, {})
    with pytest.raises(InputError, match="cannot be written .No such file"):
        files.save(_two_choices(), str(tmp_path / "missing" / "model.json"), {})
    assert os.listdir(tmp_path) == []


def test_a_failed_save_leaves_the_older_file(tmp_path, monkeypatch):
    path = str(tmp_path / "model.json")
    files.save(_two_choices(), path, {})

    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", fail)
    with pytest.raises(InputError, match="cannot be written .No space left on device"):
        files.save(_optional_layer(), path, {})
    assert files.load(path).name == "mine"
