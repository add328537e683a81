"""setup.py, requirements.lock and the BUILD files agree with the sources and with each other."""

import ast
import fnmatch
import pathlib
import runpy

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import tunas_tf

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


def _imported(source: str) -> set[str]:
    """Dotted names of the modules of this project that a source file may import."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in modules if name.split(".")[0] in ("tunas_tf", "object_detection")}


def _directory_of(module: str) -> str:
    """The package directory that holds a module, or a name that is imported from a module."""
    path = pathlib.Path(*module.split("."))
    while not (_ROOT / path).is_dir():
        path = path.parent
    return path.as_posix()


def _label_directories(build_file: pathlib.Path) -> set[str]:
    """Directories of the //labels in a BUILD file, whose syntax is a part of Python's."""
    strings = {
        node.value
        for node in ast.walk(ast.parse(build_file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text[2:].partition(":")[0] for text in strings if text.startswith("//")}


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
    ranges = [*package["install_requires"], *package["extras_require"]["test"]]
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
    directories = _source_directories("tunas_tf", "object_detection")
    installed = {_ROOT.joinpath(*name.split(".")): name for name in package["packages"]}
    assert sorted(installed) == directories
    for directory, name in installed.items():
        patterns = package["package_data"].get(name, [])
        for file in directory.iterdir():
            if file.is_file() and file.suffix not in (".py", ".pyc") and file.name != "BUILD":
                assert any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns), file


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


def test_every_source_directory_has_a_build_file():
    directories = _source_directories("tunas_tf", "object_detection", "tests", "benchmarks")
    assert [path for path in directories if not (path / "BUILD").is_file()] == []


def test_build_files_name_what_their_sources_import():
    missing = {}
    for directory in _source_directories("tunas_tf", "object_detection"):
        sources = [path.read_text(encoding="utf-8") for path in directory.glob("*.py")]
        own = directory.relative_to(_ROOT).as_posix()
        needed = {_directory_of(module) for source in sources for module in _imported(source)}
        missing[own] = needed - {own} - _label_directories(directory / "BUILD")
    assert {own: names for own, names in missing.items() if names} == {}
