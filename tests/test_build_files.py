"""The BUILD files: every source has a target, with the dependencies that it imports, no others."""

import ast
import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGES = ("object_detection", "tunas_tf")
_SOURCES = (*_PACKAGES, "benchmarks", "examples", "tests")
# Of the packages, as an import or, where a test starts a command, as a text.
_MODULE = re.compile(rf"({'|'.join(_PACKAGES)})(\.[\w.]*)?")


def _source_directories(*roots: str) -> list[str]:
    files = [path for root in roots for path in (_ROOT / root).glob("**/*.py")]
    return sorted({path.parent.relative_to(_ROOT).as_posix() for path in files})


def _modules(source: str) -> set[str]:
    """Dotted names of the modules of this project that a source file imports or starts."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            modules |= {node.value} if "." in node.value else set()
    return {name for name in modules if _MODULE.fullmatch(name)}


def _label(module: str) -> str:
    """The library with a module, or with a name in a module."""
    path = pathlib.Path(*module.split("."))
    while not (_ROOT / path).is_dir():
        path = path.parent
    directory = path.as_posix()
    if directory not in _PACKAGES:
        return f"//{directory}"
    inner = module.split(".")[1:2]  # "tunas_tf." is the beginning of a command, made at run time.
    is_command = inner and (not inner[0] or (_ROOT / directory / f"{inner[0]}.py").is_file())
    return f"//{directory}" if is_command else f"//{directory}:init"


def _build_file(directory: str) -> ast.Module:
    """The syntax of BUILD files is a part of Python's."""
    return ast.parse((_ROOT / directory / "BUILD").read_text(encoding="utf-8"))


def _labels(tree: ast.AST) -> set[str]:
    """The //labels in a part of a BUILD file."""
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and text.startswith("//")}


def _arguments(tree: ast.AST, name: str) -> list[ast.expr]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [keyword.value for call in calls for keyword in call.keywords if keyword.arg == name]


def _targets(directory: str) -> set[str]:
    """The names of a BUILD file that are written out, with those of its tests and programs."""
    tree = _build_file(directory)
    names = {
        value.value
        for value in _arguments(tree, "name")
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }
    return names | {path.name for path in (_ROOT / directory).iterdir()}


@pytest.mark.parametrize("directory", _source_directories(*_SOURCES))
def test_dependencies_are_the_imports(directory):
    sources = [path.read_text(encoding="utf-8") for path in (_ROOT / directory).glob("*.py")]
    needed = {_label(module) for source in sources for module in _modules(source)}
    named = set().union(*map(_labels, _arguments(_build_file(directory), "deps")))
    # The package's __init__ needs no label where a library of the package is named.
    optional = {f"//{package}:init" for package in _PACKAGES} | {"//tests:helpers"}
    # It loads other libraries when what it names is used.
    optional |= {"//tunas_tf"} if "//tunas_tf:init" in needed else set()
    own = {f"//{directory}", f"//{directory}:init"}
    assert needed - own - named == set(), "not in deps"
    assert named - needed - optional == set(), "in deps for nothing"


@pytest.mark.parametrize("directory", [*_source_directories(*_SOURCES), "flags"])
def test_labels_exist(directory):
    for label in _labels(_build_file(directory)):
        package, _, name = label[2:].partition(":")
        if package != "visibility" and name != "__subpackages__":
            assert (name or pathlib.PurePath(package).name) in _targets(package), label


@pytest.mark.parametrize("directory", _source_directories("tests"))
def test_every_test_file_has_a_target(directory):
    tests = {path.name for path in (_ROOT / directory).glob("test_*.py")}
    calls = [
        node.value
        for node in _build_file(directory).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ]
    (call,) = [call for call in calls if ast.unparse(call.func) == "pytest_tests"]
    left_out = {name for value in _arguments(call, "exclude") for name in ast.literal_eval(value)}
    assert left_out <= tests
    # These look at files that no target has: the Makefile, the BUILD files, setup.py, docs.
    assert directory == "tests" or not left_out
