"""setup.py and requirements.lock agree with the sources and with each other."""

import ast
import itertools
import os
import pathlib
import runpy
import shutil
import subprocess
import sys
import zipfile

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import tunas_tf
from tunas_tf.command_line import app

_ROOT = pathlib.Path(__file__).parents[1]
_PYTHONS = ("3.10", "3.11", "3.12")
# Module of each command -> its console script.
_COMMANDS = {
    f"{package}.{path.stem}": f"{prefix}-{path.stem.replace('_', '-')}"
    for package, prefix in (("object_detection", "tunas-detection"), ("tunas_tf", "tunas"))
    for path in (_ROOT / package).glob("*.py")
    if path.stem != "__init__"
}


@pytest.fixture(name="package")
def _package(monkeypatch) -> dict:
    """The arguments that setup.py gives to setuptools."""
    arguments = {}
    monkeypatch.chdir(_ROOT)
    monkeypatch.setattr(setuptools, "setup", arguments.update)
    runpy.run_path(str(_ROOT / "setup.py"))
    return arguments


def _pins() -> list[Requirement]:
    lines = (_ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]


def _source_directories(*roots: str) -> list[pathlib.Path]:
    files = [path for root in roots for path in (_ROOT / root).glob("**/*.py")]
    return sorted({path.parent for path in files})


def test_lock_holds_exact_pins_only():
    pins = _pins()
    assert len(pins) > 50
    for pin in pins:
        assert pin.url is None and not pin.extras, pin
        (specifier,) = pin.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, pin
    for python in _PYTHONS:
        environment = {"python_version": python, "sys_platform": "linux"}
        names = [
            canonicalize_name(pin.name)
            for pin in pins
            if pin.marker is None or pin.marker.evaluate(environment)
        ]
        assert len(names) == len(set(names)), f"pinned twice for Python {python}"


def test_ranges_of_setup_contain_the_pins(package):
    pinned = {canonicalize_name(pin.name): pin for pin in _pins()}
    ranges = itertools.chain(package["install_requires"], *package["extras_require"].values())
    for wanted in map(Requirement, ranges):
        pin = pinned[canonicalize_name(wanted.name)]
        assert pin.marker is None, f"{pin} is not for every Python"
        (version,) = (specifier.version for specifier in pin.specifier)
        assert wanted.specifier.contains(version), f"{pin} is outside of {wanted}"


def test_python_versions(package):
    supported = SpecifierSet(package["python_requires"])
    candidates = [f"3.{minor}" for minor in range(8, 16)]
    assert tuple(python for python in candidates if python in supported) == _PYTHONS


def test_version_is_read_without_the_package(package):
    assert package["version"] == tunas_tf.__version__


def test_every_package_and_data_file_is_installed(package):
    directories = [*_source_directories("tunas_tf", "object_detection"), _ROOT / "flags"]
    installed = {
        _ROOT / package["package_dir"].get(name, name.replace(".", "/")): name
        for name in package["packages"]
    }
    assert sorted(installed) == sorted(directories)
    for directory, name in installed.items():
        patterns = package["package_data"].get(name, [])
        shipped = {path for pattern in patterns for path in directory.glob(pattern)}
        for file in directory.iterdir():
            if file.is_file() and file.suffix not in (".py", ".pyc") and file.name != "BUILD":
                assert file in shipped, file


def test_extras(package):
    names = {
        extra: {Requirement(text).name for text in wanted}
        for extra, wanted in package["extras_require"].items()
    }
    core = {Requirement(text).name for text in package["install_requires"]}
    assert names.pop("dev") == set().union(*names.values())
    for missing, extra in app.EXTRAS.items():  # What commands say that is missing.
        assert missing in names[extra] and missing not in core


@pytest.fixture(scope="module", name="wheel")
def _wheel(tmp_path_factory) -> pathlib.Path:
    """The wheel, built from a copy of the sources: a build leaves files beside them."""
    sources, wheels = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheels")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "runs")
    for name in ("flags", "object_detection", "tests", "tunas_tf"):
        shutil.copytree(_ROOT / name, sources / name, ignore=ignore)
    for path in _ROOT.glob("*"):
        if path.is_file():
            shutil.copy(path, sources)
    _pip("wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={wheels}", str(sources))
    (wheel,) = wheels.glob("*.whl")
    return wheel


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--no-index", "--disable-pip-version-check"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {
        "object_detection",
        "tunas_tf",
    }
    data = {name for name in names if ".dist-info/" not in name and not name.endswith(".py")}
    flag_files = {f"tunas_tf/{p.relative_to(_ROOT)}" for p in _ROOT.glob("flags/**/*.flags")}
    models = {str(p.relative_to(_ROOT)) for p in _ROOT.glob("tunas_tf/cost_model/*.json")}
    typed = {"object_detection/py.typed", "tunas_tf/py.typed"}
    assert data == flag_files | models | typed


@pytest.mark.slow
def test_installed_command_finds_its_files_from_anywhere(wheel, tmp_path):
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    _pip("install", "--no-deps", f"--target={installed}", str(wheel))

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(installed / "bin" / script), *arguments],
            cwd=elsewhere,
            env={**os.environ, "PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            check=False,
        )

    # Its cost model is a file of the package.
    estimate = run("tunas-estimate-cost", "--ssd=proxylessnas_mobile")
    assert estimate.stdout.startswith("estimated cost: 84.416"), estimate.stderr
    # So is the flag file, which holds flags that this command does not know.
    describe = run("tunas-describe", "--flagfile=flags/quickstart.flags")
    assert (describe.returncode, describe.stdout) == (2, "")
    assert "Unknown command line flag 'dataset'" in describe.stderr


def test_every_command_has_a_console_script(package):
    expected = sorted(f"{script} = {module}:run" for module, script in _COMMANDS.items())
    assert sorted(package["entry_points"]["console_scripts"]) == expected


@pytest.mark.parametrize("module", sorted(_COMMANDS))
def test_console_script_can_be_called(module):
    source = (_ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    functions = {
        node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)
    }
    assert ast.unparse(functions["run"].args) == ""
