"""What the documentation says can be typed and followed: commands, flags, links, targets."""

import ast
import pathlib
import re
import shlex
from typing import NamedTuple

import pytest
from command_outcomes import ROOT, outcomes

from tunas_tf import search_space
from tunas_tf.search_space import arithmetic

_PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_MODULES = sorted(
    path
    for package in ("examples", "object_detection", "tunas_tf")
    for path in ROOT.glob(f"{package}/*.py")
)
_DOCUMENTS = [path.relative_to(ROOT).as_posix() for path in (*_PAGES, *_MODULES)]

_START = r"python -m ((?:tunas_tf|object_detection)\.\w+)|(?<![\w/.-])(tunas-[a-z0-9-]+)"
_OPERATORS = re.compile(r"[;&|<>]+")
# What stands for more arguments.
_ELLIPSES = ("...", "…")


class _Command(NamedTuple):
    """A command in a document: its module, its arguments, and the directory it is typed in."""

    module: str
    arguments: tuple[str, ...]
    directory: str = "."


def _module_of(script: str) -> str:
    """That of a console script: test_packaging.py compares them with setup.py."""
    package = "tunas_tf"
    name = script.removeprefix("tunas-")
    if name.startswith("detection-"):
        package, name = "object_detection", name.removeprefix("detection-")
    return f"{package}.{name.replace('-', '_')}"


def _arguments(text: str, directory: str) -> tuple[str, ...]:
    """Those of a command, up to where the shell takes over."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    arguments = []
    for word in lexer:
        if _OPERATORS.fullmatch(word):
            break
        if word in _ELLIPSES:
            continue
        # In another directory it is found by its name, as tests/command_line tells.
        name = word.removeprefix("--flagfile=")
        if name != word and not (ROOT / directory / name).exists() and (ROOT / name).exists():
            word = f"--flagfile={ROOT / name}"
        arguments.append(word)
    return tuple(arguments)


def _commands_of_lines(text: str) -> list[_Command]:
    """Those of some lines for a shell, which `cd` may lead to another directory."""
    commands, directory = [], "."
    for line in text.replace("\\\n", " ").splitlines():
        if change := re.fullmatch(r" *cd (\S+) *", line):
            directory = change[1]
        if found := re.search(_START, line):
            module = found[1] or _module_of(found[2])
            commands.append(_Command(module, _arguments(line[found.end() :], directory), directory))
    return commands


def _fenced(text: str) -> list[str]:
    return re.findall(r"^ *```\w*\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)


def _inline(text: str) -> list[str]:
    """What stands between backticks; lines may break in it."""
    text = re.sub(r"^ *```\w*\n.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", text)]


def _commands_of_page(text: str) -> list[_Command]:
    lines = [*_fenced(text), *(code for code in _inline(text) if re.match(_START, code))]
    return [command for part in lines for command in _commands_of_lines(part)]


def _commands_of_module(source: str) -> list[_Command]:
    """Those that stand in lines of their own in its docstring."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return _commands_of_lines("\n".join(re.findall(r"^  .*", docstring, re.MULTILINE)))


def _commands(document: str) -> list[_Command]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return (_commands_of_module if document.endswith(".py") else _commands_of_page)(text)


def _errors(commands: list[_Command]) -> dict[_Command, str | None]:
    """What each command says against its flags."""
    groups: dict[tuple[str, str], list[_Command]] = {}
    for command in commands:
        groups.setdefault((command.module, command.directory), []).append(command)
    return {
        command: outcome["error"]
        for (module, directory), group in groups.items()
        for command, outcome in zip(
            group, outcomes(module, [list(c.arguments) for c in group], cwd=ROOT / directory)
        )
    }


@pytest.fixture(scope="module", name="errors")
def _all_errors() -> dict[_Command, str | None]:
    return _errors(sorted({c for document in _DOCUMENTS for c in _commands(document)}))


@pytest.mark.parametrize("document", [name for name in _DOCUMENTS if _commands(name)])
def test_commands_take_their_flags(errors, document):
    assert {command: errors[command] for command in _commands(document) if errors[command]} == {}


@pytest.mark.parametrize(
    "page, command",
    [
        ("```\nA=1 tunas-search --epochs=2 | tee a.log\n```", ("search", "--epochs=2")),
        ("  ```\n$ python -m tunas_tf.search \\\n  --seed=1 … &\n  ```", ("search", "--seed=1")),
        ("By `python -m tunas_tf.report\n--run_dir=DIR`.", ("report", "--run_dir=DIR")),
        ("By `pip install tunas-tf` or `--epochs`, in python -m tunas_tf.search.", None),
    ],
)
def test_commands_are_found(page, command):
    expected = [] if command is None else [_Command(f"tunas_tf.{command[0]}", command[1:])]
    assert _commands_of_page(page) == expected


@pytest.mark.parametrize(
    "line, message",
    [
        ("python -m tunas_tf.describe --sdd=mobilenet_v2", "Unknown command line flag 'sdd'"),
        ("tunas-describe --image_size=large", "flag --image_size=large"),
        ("tunas-detection-train-eval mobilenet_v2", "unexpected argument 'mobilenet_v2'"),
        ("python -m tunas_tf.train --seed=1", "No module named 'tunas_tf.train'"),
    ],
)
def test_wrong_commands_are_noticed(line, message):
    (command,) = _commands_of_page(f"```\n{line}\n```")
    assert message in _errors([command])[command]


def _transcripts(page: pathlib.Path) -> list[tuple[_Command, str]]:
    """Commands behind a prompt, with what the page says that they print."""
    sessions = [block for block in _fenced(page.read_text("utf-8")) if block.startswith("$ ")]
    parts = [part.partition("\n") for text in sessions for part in text.split("$ ")[1:]]
    return [(_commands_of_lines(line)[0], printed) for line, _, printed in parts if printed.strip()]


@pytest.mark.parametrize(
    "command, printed", [pair for page in _PAGES for pair in _transcripts(page)]
)
def test_commands_print_what_the_page_says(command, printed):
    (outcome,) = outcomes(command.module, [list(command.arguments)], run=True)
    assert outcome["error"] is None
    assert printed in outcome["printed"]


def _anchors(page: pathlib.Path) -> set[str]:
    """Those of its headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def _pages(paths: list[pathlib.Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


@pytest.mark.parametrize("page", _pages(_PAGES))
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("page", _pages(_PAGES))
def test_files_and_targets_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    code = "\n".join([*_fenced(text), *_inline(text)])
    directories = "benchmarks|docs|examples|flags|object_detection|tests|tunas_tf"
    for name in re.findall(rf"(?<![\w/.])(?:{directories})/[\w/]+\.(?:flags|json|md|py)\b", code):
        assert (ROOT / name).exists(), name
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"^(?:\$ )?make ([a-z-]+)", code, re.MULTILINE)) <= targets


def test_every_guide_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    for guide in ROOT.glob("docs/guides/*.md"):
        assert f"(guides/{guide.name})" in index


def test_sizes_of_networks_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \|$", text, re.MULTILINE)
    assert len(rows) == 10
    for name, params, madds in rows:
        count = arithmetic.count(search_space.resolve(search_space.get(name), ()), 224, 1001)
        assert (f"{count.params:,}", f"{count.madds:,}") == (params, madds), name
