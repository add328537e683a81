"""import_cost_model, and the cost models that it writes, as a user runs them."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import published_release
import pytest

import tunas_tf
from tunas_tf import cost_model, search_space
from tunas_tf.cost_model import files, published, stages
from tunas_tf.search_space import spec, traversal

_PACKAGE_ROOT = str(pathlib.Path(tunas_tf.__file__).parents[1])
_SPACES = ("proxylessnas_search", "proxylessnas_enlarged_search", "mobilenet_v3_like_search")
_BIAS = 92.25  # A float32.


def _python(*arguments, cwd):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": _PACKAGE_ROOT},
        capture_output=True,
        text=True,
        check=False,
    )


def _run(command, *arguments, cwd) -> str:
    """Standard output of a command that ends well."""
    result = _python("-m", f"tunas_tf.{command}", *arguments, cwd=cwd)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def _run_json(command, *arguments, cwd):
    return json.loads(_run(command, *arguments, "--format=json", cwd=cwd))


def _refused(command, *arguments, cwd) -> str:
    """The one line of a command that refuses its input."""
    result = _python("-m", f"tunas_tf.{command}", *arguments, cwd=cwd)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    return result.stderr


def _coefficients(ssd) -> np.ndarray:
    number = {"proxylessnas_search": 144, "proxylessnas_enlarged_search": 5983}.get(ssd, 29068)
    generator = np.random.default_rng(_SPACES.index(ssd))
    return generator.normal(scale=3.0, size=number).astype(np.float32)


@pytest.fixture(name="release", scope="module")
def _release(tmp_path_factory) -> pathlib.Path:
    """A directory with a file like the release's, and with what is imported from it."""
    directory = tmp_path_factory.mktemp("release")
    bias = published_release.encode([_BIAS])
    figures = {ssd: (published_release.encode(_coefficients(ssd)), bias) for ssd in _SPACES}
    (directory / "cost_model_data.py").write_text(published_release.source(figures))
    for ssd in _SPACES:
        _run("import_cost_model", *_flags(ssd), f"--output={ssd}.json", cwd=directory)
    return directory


def _flags(ssd, file="cost_model_data.py"):
    return (f"--ssd={ssd}", f"--upstream_file={file}")


def _random_indices(space, number, seed=0):
    num_options = [choice.num_options for choice in traversal.choices_of(space)]
    return np.random.default_rng(seed).integers(num_options, size=(number, len(num_options)))


@pytest.mark.parametrize("ssd", _SPACES)
def test_imported_models_agree_with_the_formula(release, ssd):
    model = files.load(str(release / f"{ssd}.json"))
    assert (model.name, model.unit, model.image_size) == ("pixel1", "ms", 224)
    assert model.space == search_space.get(ssd)
    coefficients = _coefficients(ssd).astype(np.float64)
    for indices in _random_indices(model.space, 10):
        masks = published_release.one_hot(model.space, indices)
        expected = _BIAS + published_release.features(model.space, masks) @ coefficients
        assert model.cost(indices) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("ssd", _SPACES)
def test_soft_operation_masks_agree_with_the_formula(release, ssd):
    """In the warmup of the operations their masks average, and filters are one-hot."""
    model = files.load(str(release / f"{ssd}.json"))
    coefficients = _coefficients(ssd).astype(np.float64)
    for indices in _random_indices(model.space, 3):
        masks = [
            np.full(choice.num_options, 1 / choice.num_options)
            if choice.tag == spec.OPERATION
            else mask
            for choice, mask in zip(
                traversal.choices_of(model.space), published_release.one_hot(model.space, indices)
            )
        ]
        expected = _BIAS + published_release.features(model.space, masks) @ coefficients
        assert model.expected_cost(masks) == pytest.approx(expected, abs=1e-9)


def test_the_published_figures_again(tmp_path):
    """Written as the release keeps them and imported, they are the built-in cost model."""
    file = pathlib.Path(published.__file__).parent / "pixel1_proxylessnas_search.json"
    figures = json.loads(file.read_text())
    texts = [published_release.encode(figures["coefficients"])]
    texts.append(published_release.encode([figures["bias"]]))
    source = published_release.source({"proxylessnas_search": texts})
    (tmp_path / "cost_model_data.py").write_text(source)
    output = _run(
        "import_cost_model", *_flags("proxylessnas_search"), "--output=pixel1.json", cwd=tmp_path
    )
    assert output == (
        "imported:           pixel1 of proxylessnas_search, 144 coefficients\n"
        "reference network:  84.416241 ms (published target: 84 ms)\n"
        "all networks:       30.936110 to 219.091408 ms\n"
        "written to pixel1.json; use it as --cost_model=pixel1.json\n"
    )
    space = search_space.get("proxylessnas_search")
    indices = _random_indices(space, 1000)
    imported = cost_model.get(str(tmp_path / "pixel1.json"), space)
    built_in = cost_model.get("pixel1", space)
    # The built-in figures are the float32 numbers to 8 digits.
    np.testing.assert_allclose(imported.cost(indices), built_in.cost(indices), rtol=1e-6)
    assert (imported.name, imported.unit) == (built_in.name, built_in.unit)
    assert imported.image_size == built_in.image_size
    mobile = ("--ssd=proxylessnas_mobile", "--cost_model=pixel1.json")
    printed = _run("estimate_cost", *mobile, cwd=tmp_path)
    assert printed == "estimated cost: 84.416241\nunit: ms (pixel1.json)\n"


def test_what_the_command_reports(release):
    ssd = "mobilenet_v3_like_search"
    before = (release / f"{ssd}.json").read_bytes()
    flags = (*_flags(ssd), f"--output={ssd}.json")
    report = _run_json("import_cost_model", *flags, cwd=release)
    model = files.load(str(release / f"{ssd}.json"))
    least, most = stages.cost_range(model)
    assert report == {
        "cost_model": "pixel1",
        "ssd": ssd,
        "unit": "ms",
        "num_coefficients": 29068,
        "reference_cost": pytest.approx(model.reference_cost()),
        "min_cost": pytest.approx(least),
        "max_cost": pytest.approx(most),
        "output": f"{ssd}.json",
    }
    costs = model.cost(_random_indices(model.space, 2000))
    assert least < costs.min() and costs.max() < most
    # Imported once more, the file stays as it is, date included.
    assert (release / f"{ssd}.json").read_bytes() == before
    assert "already in" in _run("import_cost_model", *flags, cwd=release)
    provenance = json.loads(before)["provenance"]
    assert set(provenance) == {"source", "sha256", "command", "tunas_tf", "date"}
    assert provenance["source"] == "cost_model_data.py of the TuNAS release"


def test_other_files_are_not_overwritten(release, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    other = (release / "proxylessnas_search.json").read_bytes()
    (tmp_path / "other.json").write_bytes(other)
    (tmp_path / "directory").mkdir()
    flags = _flags("proxylessnas_enlarged_search", release / "cost_model_data.py")
    for name in ("notes.txt", "other.json", "directory"):
        message = _refused("import_cost_model", *flags, f"--output={name}", cwd=tmp_path)
        assert f"{name} exists and holds something else" in message
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "other.json").read_bytes() == other
    assert sorted(os.listdir(tmp_path)) == ["directory", "notes.txt", "other.json"]


def _source(**changed) -> str:
    """A file with figures for two spaces; `changed` replaces the texts of the first."""
    texts = {
        "coefficients": published_release.encode(_coefficients("proxylessnas_search")),
        "bias": published_release.encode([_BIAS]),
    }
    first = tuple({**texts, **changed}.values())
    return published_release.source({"proxylessnas_search": first, "other": first})


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "open('marker', 'w').close()\n" + _source(),
            "line 1 holds a call: a cost model file holds data only; nothing was executed.",
        ),
        (
            _source() + "KERNEL_DATA['x'] = __import__('os').system('touch marker')\n",
            "assigns to something else than one name",
        ),
        (_source()[:-3], "holds a literal without an end: a cost model file holds data only"),
        (_source(bias=b"QrhFog="), "is no base64 text of float32 numbers"),
        (
            _source(coefficients=published_release.encode(np.zeros(143))),
            "the cost model pixel1 has 143 coefficients, but proxylessnas_search has 144",
        ),
        (
            _source(coefficients=published_release.encode(np.full(144, np.nan))),
            "holds values that are not finite numbers",
        ),
        (
            _source().replace("'proxylessnas_search'", "'renamed'"),
            "has nothing for 'proxylessnas_search'; --ssd can be renamed, other.",
        ),
        ("", "SERIALIZATION_DTYPE = None"),
    ],
)
def test_wrong_files_are_refused_and_nothing_is_written(tmp_path, text, message):
    (tmp_path / "data.py").write_text(text)
    flags = _flags("proxylessnas_search", "data.py")
    assert message in _refused("import_cost_model", *flags, "--output=out.json", cwd=tmp_path)
    assert os.listdir(tmp_path) == ["data.py"]


@pytest.mark.parametrize(
    "left_out, changed, message",
    [
        ("--ssd", [], "--ssd is missing"),
        ("--upstream_file", [], "--upstream_file is missing"),
        ("--output", [], "--output is missing"),
        ("--upstream_file", ["--upstream_file=gone.py"], "gone.py cannot be read (No such file"),
        ("--output", ["--output=gone/out.json"], "gone/out.json cannot be written (No such file"),
        ("--ssd", ["--ssd=other"], "there is no search space 'other'"),
    ],
)
def test_wrong_flags(tmp_path, left_out, changed, message):
    (tmp_path / "data.py").write_text(_source())
    flags = [*_flags("proxylessnas_search", "data.py"), "--output=out.json"]
    kept = [flag for flag in flags if not flag.startswith(left_out)]
    assert message in _refused("import_cost_model", *kept, *changed, cwd=tmp_path)
    assert os.listdir(tmp_path) == ["data.py"]


def test_import_needs_no_tensorflow(tmp_path):
    result = _python(
        "-c",
        "import sys, tunas_tf.import_cost_model\n"
        "print({'tensorflow', 'tf_keras', 'keras', 'jax'} & set(sys.modules))",
        cwd=tmp_path,
    )
    assert (result.stdout, result.stderr) == ("set()\n", "")


@pytest.mark.parametrize("ssd", _SPACES[1:])
def test_commands_take_the_file(release, ssd):
    flags = (f"--ssd={ssd}", f"--cost_model={ssd}.json")
    space = search_space.get(ssd)
    coefficients = _coefficients(ssd).astype(np.float64)

    window = ("--num_samples=3", "--min_cost=90", "--max_cost=95")
    sampled = _run_json("sample_architectures", *flags, *window, cwd=release)
    assert len(sampled) == 3
    for network in sampled:
        masks = published_release.one_hot(space, search_space.parse_indices(network["indices"]))
        expected = _BIAS + published_release.features(space, masks) @ coefficients
        assert 90 <= network["cost"] <= 95
        assert network["cost"] == pytest.approx(expected, abs=1e-9)
    estimate = _run_json("estimate_cost", *flags, f"--indices={sampled[0]['indices']}", cwd=release)
    assert estimate == {
        "cost": pytest.approx(sampled[0]["cost"]), "unit": "ms", "cost_model": f"{ssd}.json"
    }  # fmt: skip

    multiplied = ("--filters_multiplier=2", *flags)
    assert "with other networks: blocks/0/filters/choices/0 was 8 and is 16" in _refused(
        "sample_architectures", *multiplied, cwd=release
    )


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--image_size=224"], "--image_size has no effect here: --cost_model=proxylessnas_sea"),
        (["--cost_model=gone.json"], "there is no cost model 'gone.json'; use one of pixel1"),
        (["--cost_model=cost_model_data.py"], "cost_model_data.py cannot be used: it is not JSON"),
        (["--ssd=mobilenet_v2"], "knows the networks of proxylessnas_search with filters"),
    ],
)
def test_wrong_cost_models(release, flags, message):
    usual = ("--cost_model=proxylessnas_search.json", "--ssd=proxylessnas_mobile")
    assert message in _refused("estimate_cost", *usual, *flags, cwd=release)
