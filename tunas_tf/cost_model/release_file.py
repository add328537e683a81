"""Reads the latency figures of the published TuNAS release, which keeps them in a Python file.

The file binds names to base64 texts of big-endian float32 numbers, and two dictionaries lead
from the name of a search space to its coefficients and to its bias:

    _KERNEL = b"..."
    _BIAS = b"..."
    KERNEL_DATA = {"proxylessnas_search": _KERNEL}
    BIAS_DATA = {"proxylessnas_search": _BIAS}
    SERIALIZATION_DTYPE = ">f4"

It is parsed and never executed: a file that holds anything but such data is refused.
"""

import ast
import base64
import hashlib
import re
import warnings
from typing import NamedTuple, NoReturn

import numpy as np

from tunas_tf.common.errors import InputError, brief, one_line
from tunas_tf.common.json_files import read_bytes

__all__ = ["Figures", "read"]

_COEFFICIENTS = "KERNEL_DATA"
_BIASES = "BIAS_DATA"
_NUMBER_FORMAT = "SERIALIZATION_DTYPE"
_FLOAT32 = ">f4"

# The release's three spaces take 0.2 MB, nearly all of it in a few thousand literals.
_MAX_BYTES = 4 * 2**20
_MAX_CODE = 20_000

# What is refused, by what it is called; anything that is missing here is "other code".
_WHAT_NODES_ARE = {
    "an annotation": (ast.AnnAssign,),
    "an attribute": (ast.Attribute,),
    "an operator": (ast.AugAssign, ast.BinOp, ast.BoolOp, ast.Compare, ast.UnaryOp),
    "a call": (ast.Call,),
    "a class": (ast.ClassDef,),
    "a comprehension": (ast.DictComp, ast.GeneratorExp, ast.ListComp, ast.SetComp),
    "a condition": (ast.If, ast.IfExp),
    "a dictionary inside of another value": (ast.Dict,),
    "a function": (ast.AsyncFunctionDef, ast.FunctionDef, ast.Lambda),
    "a list": (ast.List, ast.Set, ast.Tuple),
    "a loop": (ast.For, ast.While),
    "a name in place of a literal": (ast.Name,),
    "an import": (ast.Import, ast.ImportFrom),
    "an index": (ast.Subscript,),
    "a value that is neither text nor bytes": (ast.Constant,),
}

_TOKEN = re.compile(
    r"""
      (?P<comment> \# [^\n]* )
    | (?P<literal> '''  [^'\\]*   (?: (?: \\. | '(?!'') ) [^'\\]* )* '''
                 | \"""  [^"\\]*   (?: (?: \\. | "(?!"") ) [^"\\]* )* \"""
                 | (?!''')  ' [^'\\\n]* (?: \\. [^'\\\n]* )* '
                 | (?!\""") " [^"\\\n]* (?: \\. [^"\\\n]* )* " )
    | (?P<quote> ['"] )
    | (?P<space> \s+ )
    | (?P<word>  \w+ )
    | (?P<sign>  . )
    """,
    re.VERBOSE | re.DOTALL,
)
_PREFIXES = ("b", "br", "r", "rb", "u")

_Literal = bytes | str


class Figures(NamedTuple):
    """The figures of one search space.

    Attributes:
      coefficients: float64 [features], in the order of `published`.
      bias: what a network costs besides.
      sha256: of the file, to say where the figures come from.
    """

    coefficients: np.ndarray
    bias: float
    sha256: str


class _Refusal(Exception):
    """The file holds more than data: what, as a clause, and in which line."""

    def __init__(self, reason: str, line: int):
        super().__init__(f"line {line} {one_line(reason)}")


def _check_amount_of_code(source: str) -> None:
    """Refuses source text with which `ast.parse` could take gigabytes or crash.

    What it builds is as large and as deep as the code outside of literals, and inside of
    f-strings. Without a bound on that, chains of operators crash Python 3.10.
    """
    amount = 0
    word, word_end = "", -1
    for token in _TOKEN.finditer(source):
        kind = token.lastgroup
        if kind in ("comment", "space"):
            continue
        reason = None
        if kind == "quote":
            reason = "holds a literal without an end"
        elif kind == "literal":
            amount += 1
            if token.start() == word_end and word.lower() not in _PREFIXES:
                reason = f"holds a literal with the prefix {word[:20]}"
        else:
            amount += len(token.group())
        if amount > _MAX_CODE:
            reason = "has more code than data needs"
        if reason is not None:
            raise _Refusal(reason, source.count("\n", 0, token.start()) + 1)
        if kind == "word":
            word, word_end = token.group(), token.end()


def _parse(source: str) -> ast.Module:
    _check_amount_of_code(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of escapes in literals.
            return ast.parse(source)
    except SyntaxError as error:
        raise _Refusal(f"is no Python ({error.msg})", error.lineno or 1) from None
    except (MemoryError, RecursionError):
        raise _Refusal("or a later one is nested too deeply", 1) from None
    except ValueError:
        raise _Refusal("or a later one holds a null character", 1) from None


def _refuse(node: ast.stmt | ast.expr) -> NoReturn:
    for name, types in _WHAT_NODES_ARE.items():
        if isinstance(node, types):
            raise _Refusal(f"holds {name}", node.lineno)
    raise _Refusal("holds other code", node.lineno)


def _literal(node: ast.expr) -> _Literal | None:
    """The value of a node that is a string or bytes."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, (bytes, str)) else None


def _read_dictionary(node: ast.Dict, literals: dict[str, _Literal]) -> dict[str, _Literal]:
    """The literals that a dictionary of texts and names leads to."""
    entries: dict[str, _Literal] = {}
    for key, value in zip(node.keys, node.values):
        if key is None:
            raise _Refusal("holds an unpacking", value.lineno)
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            raise _Refusal("holds a key that is no text", key.lineno)
        if _literal(value) is not None:
            raise _Refusal("holds a literal where a name is expected", value.lineno)
        if not isinstance(value, ast.Name):
            _refuse(value)
        if key.value in entries:
            raise _Refusal(f"names {key.value!r} again", key.lineno)
        if value.id not in literals:
            raise _Refusal(f"refers to {value.id}, which no line before defines", value.lineno)
        entries[key.value] = literals[value.id]
    return entries


def _read_definitions(source: str) -> dict[str, _Literal | dict[str, _Literal]]:
    """What the names of the file stand for; raises _Refusal if it holds anything else."""
    literals: dict[str, _Literal] = {}
    dictionaries: dict[str, dict[str, _Literal]] = {}
    for statement in _parse(source).body:
        if isinstance(statement, ast.Expr):
            if _literal(statement.value) is None:
                _refuse(statement.value)
            continue  # A docstring.
        if (
            isinstance(statement, ast.ImportFrom)
            and statement.module == "__future__"
            and not statement.level
        ):
            continue
        if not isinstance(statement, ast.Assign):
            _refuse(statement)
        target, *others = statement.targets
        if others or not isinstance(target, ast.Name):
            raise _Refusal("assigns to something else than one name", statement.lineno)
        if target.id in literals or target.id in dictionaries:
            raise _Refusal(f"defines {target.id} again", statement.lineno)
        if isinstance(statement.value, ast.Dict):
            dictionaries[target.id] = _read_dictionary(statement.value, literals)
        elif (literal := _literal(statement.value)) is not None:
            literals[target.id] = literal
        else:
            _refuse(statement.value)
    return {**literals, **dictionaries}


def _read_numbers(path: str, name: str, text: _Literal) -> np.ndarray:
    """float64 [numbers] of a base64 text; `name` says which, for errors."""
    try:
        encoded = text.encode("ascii") if isinstance(text, str) else text
        content = base64.b64decode(encoded, validate=True)
        if base64.b64encode(content) != encoded:
            raise ValueError("Excess data at the end")  # Python 3.10 lets it pass.
        numbers = np.frombuffer(content, dtype=_FLOAT32)
    except ValueError as error:  # binascii.Error is one too.
        raise InputError(
            f"{name} of {path} is no base64 text of float32 numbers ({error}); the file is "
            "damaged: fetch it again."
        ) from None
    if not np.all(np.isfinite(numbers)):
        raise InputError(
            f"{name} of {path} holds values that are not finite numbers; the file is damaged: "
            "fetch it again."
        )
    return numbers.astype(np.float64)


def read(path: str, ssd: str) -> Figures:
    """The figures for the search space `ssd` in the release's file at `path`.

    Raises:
      InputError: the file cannot be read, holds more than data, or no figures for `ssd`.
    """
    try:
        content = read_bytes(path, _MAX_BYTES)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give the Python file of the release."
        ) from None
    try:
        # As Python reads lines, so that both agree on where comments end.
        source = re.sub("\r\n?", "\n", content.decode("utf-8-sig"))
        definitions = _read_definitions(source)
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text; give the Python file of the release.") from None
    except _Refusal as refusal:
        raise InputError(
            f"{path} is refused, as {refusal}: a cost model file holds data only; nothing was "
            "executed."
        ) from None
    number_format = definitions.get(_NUMBER_FORMAT)
    if number_format != _FLOAT32:
        raise InputError(
            f"{path} has {_NUMBER_FORMAT} = {brief(number_format)}; only {_FLOAT32!r}, big-endian "
            "float32, can be read."
        )
    figures = []
    for name in (_COEFFICIENTS, _BIASES):
        dictionary = definitions.get(name)
        if not isinstance(dictionary, dict):
            raise InputError(
                f"{path} has no dictionary {name}; give the file of the release with the figures."
            )
        if ssd not in dictionary:
            raise InputError(
                f"{name} of {path} has nothing for {ssd!r}; --ssd can be "
                f"{one_line(', '.join(dictionary)) or 'nothing, as it is empty'}."
            )
        figures.append(_read_numbers(path, f"{name}[{ssd!r}]", dictionary[ssd]))
    coefficients, biases = figures
    if len(biases) != 1:
        raise InputError(
            f"{_BIASES}[{ssd!r}] of {path} has {len(biases)} numbers; a bias is one number."
        )
    return Figures(coefficients, float(biases[0]), hashlib.sha256(content).hexdigest())
