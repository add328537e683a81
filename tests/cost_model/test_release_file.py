"""Reading the release's figures: what is accepted, what is refused, and that nothing runs."""

import hashlib

import numpy as np
import published_release
import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import release_file

_SMALL = {
    "first": (published_release.encode([1.5, -2.25, 0.1]), published_release.encode([7.0])),
    "second": (published_release.encode([0.0] * 200), published_release.encode([-1.0])),
}


def _write(tmp_path, text) -> str:
    path = tmp_path / "cost_model_data.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return str(path)


def _small(**changed: bytes) -> str:
    """The small file, with other base64 texts for the coefficients or the bias of "first"."""
    coefficients, bias = _SMALL["first"]
    first = changed.get("coefficients", coefficients), changed.get("bias", bias)
    return published_release.source({**_SMALL, "first": first})


def test_figures_are_read(tmp_path):
    path = _write(tmp_path, _small())
    figures = release_file.read(path, "first")
    # Known numbers: 0.1 in float32 is 0.100000001490116...
    assert figures.coefficients.tolist() == [1.5, -2.25, 0.10000000149011612]
    assert figures.coefficients.dtype == np.float64
    assert figures.bias == 7.0
    assert figures.sha256 == hashlib.sha256(_small().encode()).hexdigest()
    second = release_file.read(path, "second")
    assert second.coefficients.tolist() == [0.0] * 200 and second.bias == -1.0


@pytest.mark.parametrize(
    "text",
    [
        # P8AAAMAQAAA= is 1.5, -2.25 and QOAAAA== is 7.
        "K = b'P8AAAMAQAAA='\nB = b'QOAAAA=='\nKERNEL_DATA = {'x': K}\nBIAS_DATA = {'x': B}\n"
        "SERIALIZATION_DTYPE = '>f4'\n",
        "SERIALIZATION_DTYPE = u'>f4'\nK = 'P8AA' \\\n  'AMAQ' 'AAA='\nB = r'QOAAAA=='\n"
        'KERNEL_DATA = {"x": K, "y": K}\nBIAS_DATA = {"x": B,}\nOTHER = {}\n',
        "'''A\n\"docstring\"'''\nK = B'''P8AAAMAQAAA='''; B = b\"QOAAAA==\" # it's a comment (\n"
        "'Another one.'\nKERNEL_DATA = {'x': K}\nBIAS_DATA = {'x': B}\n"
        "SERIALIZATION_DTYPE = '>f4'",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"# coding: utf-8\n"])
def test_forms_of_data(tmp_path, text, newline, start):
    path = _write(tmp_path, start + text.replace("\n", newline).encode())
    figures = release_file.read(path, "x")
    assert (figures.coefficients.tolist(), figures.bias) == ([1.5, -2.25], 7.0)


@pytest.mark.parametrize(
    "line, reason",
    [
        ("import os", "holds an import"),
        ("from os import path", "holds an import"),
        ("from .__future__ import division", "holds an import"),
        ("open('MARKER', 'w')", "holds a call"),
        ("A = open('MARKER', 'w')", "holds a call"),
        ("A = b'x'.join(open('MARKER', 'w'))", "holds a call"),
        ("A = [open('MARKER', 'w') for _ in 'x']", "holds a comprehension"),
        ("A = {'a': open('MARKER', 'w')}", "holds a call"),
        ("A = {open('MARKER', 'w'): C}", "holds a key that is no text"),
        ("A = {**open('MARKER', 'w')}", "holds an unpacking"),
        ("A = {b'a': C}", "holds a key that is no text"),
        ("A = {'a': b'b'}", "holds a literal where a name is expected"),
        ("A = {'a': C, 'a': C}", "names 'a' again"),
        ("A = {'a': D}", "refers to D, which no line before defines"),
        ("A = {'a': {}}", "holds a dictionary inside of another value"),
        ('A = f\'{open("MARKER", "w")}\'', "holds a literal with the prefix f"),
        ("A = Rf'x'", "holds a literal with the prefix Rf"),
        ("A = b'a' + b'b'", "holds an operator"),
        ("A = b'a' if C else C", "holds a condition"),
        ("A = C", "holds a name in place of a literal"),
        ("A = 1", "holds a value that is neither text nor bytes"),
        ("A = None", "holds a value that is neither text nor bytes"),
        ("A = ['a']", "holds a list"),
        ("A = C[0]", "holds an index"),
        ("A = C.a", "holds an attribute"),
        ("A = lambda: open('MARKER', 'w')", "holds a function"),
        ("A = (D := 'a')", "holds other code"),
        ("A += 'a'", "holds an operator"),
        ("A: open('MARKER', 'w') = 'a'", "holds an annotation"),
        ("A = D = 'a'", "assigns to something else than one name"),
        ("A.b = 'a'", "assigns to something else than one name"),
        ("A, D = 'ab'", "assigns to something else than one name"),
        ("C = 'a'", "defines C again"),
        ("C", "holds a name in place of a literal"),
        ("def f(): open('MARKER', 'w')", "holds a function"),
        ("class A: open('MARKER', 'w')", "holds a class"),
        ("for _ in C: open('MARKER', 'w')", "holds a loop"),
        ("if C: open('MARKER', 'w')", "holds a condition"),
        ("with open('MARKER', 'w'): pass", "holds other code"),
        ("assert open('MARKER', 'w')", "holds other code"),
        ("del C", "holds other code"),
        ("A = 'a", "holds a literal without an end"),
        ("A = '''a", "holds a literal without an end"),
        ("A = )", "is no Python"),
        ("  A = 'a'", "is no Python"),
        ("print 'a'", "is no Python"),
    ],
)
def test_anything_but_data_is_refused(tmp_path, line, reason):
    marker = tmp_path / "marker"
    text = _small() + "C = b'c'\n" + line.replace("MARKER", str(marker)) + "\nE = b'e'\n"
    number = text[: text.index("\nC = ")].count("\n") + 3
    with pytest.raises(InputError, match=f"line {number} {reason}.*nothing was executed"):
        release_file.read(_write(tmp_path, text), "first")
    assert not marker.exists()


_CHAIN = 200_000


@pytest.mark.parametrize(
    "text, message",
    [
        # Chains that the parser would turn into trees of their own length.
        ("A = 1" + "+1" * _CHAIN, "line 1 has more code than data needs"),
        ("A = a" + ".a" * _CHAIN, "line 1 has more code than data needs"),
        ("A = a" + "()" * _CHAIN, "line 1 has more code than data needs"),
        ("A = " + "-" * _CHAIN + "1", "line 1 has more code than data needs"),
        ("#\rA = 1" + "+1" * _CHAIN, "line 2 has more code than data needs"),
        ("A = b''" + " b''" * _CHAIN, "line 1 has more code than data needs"),
        ("A = ''\n" * _CHAIN, "has more code than data needs"),
        ("A = f'{1" + "+1" * _CHAIN + "}'", "line 1 holds a literal with the prefix f"),
        # Short enough, but deep.
        ("A = " + "-" * 15_000 + "1", "nested too deeply"),
        ("A = " + "(" * 500, "line 1 is no Python"),
        # Time that grows with the square of the length would show here.
        ("\\'''\n" * _CHAIN, "line 1 holds a literal without an end"),
        ("A = " + "9" * 10_000, "line 1 is no Python"),
        ("A = 'a\0'", "null"),
    ],
)
def test_hostile_text_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        release_file.read(_write(tmp_path, text), "first")


def test_file_that_is_no_text_or_too_large(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is no text; give the Python file"):
        release_file.read(_write(tmp_path, b"A = '\xff'"), "first")
    with pytest.raises(InputError, match="cannot be read .No such file"):
        release_file.read(str(tmp_path / "missing.py"), "first")
    with pytest.raises(InputError, match="cannot be read .Is a directory"):
        release_file.read(str(tmp_path), "first")
    path = _write(tmp_path, _small())
    monkeypatch.setattr(release_file, "_MAX_BYTES", len(_small()))
    release_file.read(path, "first")
    monkeypatch.setattr(release_file, "_MAX_BYTES", len(_small()) - 1)
    with pytest.raises(InputError, match="is larger than [0-9,]+ bytes"):
        release_file.read(path, "first")


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"coefficients": b"P8AAAMAQAA"}, r"KERNEL_DATA\['first'\] of .* is no base64"),
        ({"coefficients": b"P8AA AMAQAAA="}, r"KERNEL_DATA\['first'\] of .* is no base64"),
        ({"coefficients": b"P8AAAMAQAAA=="}, r"KERNEL_DATA\['first'\] of .* is no base64"),
        ({"coefficients": b"P8AAAMA_AAA="}, r"KERNEL_DATA\['first'\] of .* is no base64"),
        # Cut at a multiple of four characters: 6 bytes.
        ({"coefficients": b"P8AAAMAQ"}, r"KERNEL_DATA\['first'\] of .* is no base64 text of float"),
        ({"coefficients": published_release.encode([1.0, np.nan])}, "KERNEL_DATA.*not finite"),
        ({"bias": published_release.encode([np.inf])}, "BIAS_DATA.*not finite"),
        ({"bias": published_release.encode([1.0, 2.0])}, "has 2 numbers; a bias is one number"),
        ({"bias": b""}, "has 0 numbers; a bias is one number"),
    ],
)
def test_damaged_numbers(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        release_file.read(_write(tmp_path, _small(**changed)), "first")


@pytest.mark.parametrize(
    "replaced, by, message",
    [
        ("'>f4'", "'<f4'", "SERIALIZATION_DTYPE = '<f4'; only '>f4'"),
        ("'>f4'", "'>f8'", "SERIALIZATION_DTYPE = '>f8'; only '>f4'"),
        ("SERIALIZATION_DTYPE = ", "DTYPE = ", "SERIALIZATION_DTYPE = None; only '>f4'"),
        ("\nKERNEL_DATA", "\nDATA", "no dictionary KERNEL_DATA"),
        ("\nBIAS_DATA = {", "\nBIAS_DATA = b''\nDATA = {", "no dictionary BIAS_DATA"),
        ("'first': _BIAS_DATA_0", "'third': _BIAS_DATA_0", "BIAS_DATA of .* can be third, second"),
        ("'first': _KERNEL_DATA_0", "'3': _KERNEL_DATA_0", "KERNEL_DATA .* can be 3, second"),
    ],
)
def test_missing_figures(tmp_path, replaced, by, message):
    text = _small()
    assert text.count(replaced) == 1
    with pytest.raises(InputError, match=message):
        release_file.read(_write(tmp_path, text.replace(replaced, by)), "first")
