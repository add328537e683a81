"""Cost model files, and the release's Python file of figures."""

import base64
import math

import example_spaces
import numpy as np
import pytest
from fuzz_inputs import contents, damaged_bytes, expect_sentence, write
from hypothesis import given
from hypothesis import strategies as st

from tunas_tf import cost_model, search_space
from tunas_tf.cost_model import files, release_file, stages
from tunas_tf.search_space import spec

_SMALL = spec.SearchSpace("small", example_spaces.mixed_space().blocks[:3])
_MODEL = files.to_json(cost_model.get("madds", _SMALL), {"device": "none", "date": "2026-01-31"})

_RELEASE = b'''# Figures.
"""A docstring."""
_KERNEL = b"%s"
_BIAS = b"%s"
KERNEL_DATA = {"small": _KERNEL}
BIAS_DATA = {"small": _BIAS}
SERIALIZATION_DTYPE = ">f4"
''' % (
    base64.b64encode(np.arange(20, dtype=">f4").tobytes()),
    base64.b64encode(np.ones(1, dtype=">f4").tobytes()),
)
_STATEMENTS = (
    b"import os",
    b"__import__('os').system('false')",
    b"X = 1",
    b"_KERNEL = " + b"-" * 10_000 + b"1",
    b"X = " + b"(" * 10_000,
    b"X = '" + b"9" * 5000 + b"'",
    b"X = " + b"9" * 5000,
    b"KERNEL_DATA = {'small': X}",
    b"def f(): pass",
    b"f'{1}'",
    b"X = b'\\xff' 'a'",
    b"# coding: utf-7",
    b"from __future__ import braces",
    b"X: int = 1",
    b"X" * 5000 + b" = {}",
    b"\x0c\\",
)


@pytest.fixture(name="directory", scope="module")
def _directory(tmp_path_factory):
    return tmp_path_factory.mktemp("cost_models")


@given(content=contents(_MODEL))
def test_cost_model_files(directory, content):
    path = write(directory / "cost_model.json", content)
    model = expect_sentence(lambda: files.load(path))
    if model is None:
        expect_sentence(lambda: files.load_provenance(path))
        return
    assert all(isinstance(text, str) for text in files.load_provenance(path).values())
    # All that estimate_cost and sample_architectures do.
    low, high = stages.cost_range(model)
    first = (0,) * len(search_space.choices_of(model.space))
    cost = float(model.cost(first))
    if math.isfinite(low) and math.isfinite(high):
        assert low - 1e-6 * abs(low) <= cost <= high + 1e-6 * abs(high)
    expect_sentence(lambda: cost_model.get(path, _SMALL))
    expect_sentence(
        lambda: cost_model.architecture_cost(path, search_space.resolve(model.space, first))
    )


@given(
    content=st.one_of(
        damaged_bytes(_RELEASE),
        damaged_bytes(_RELEASE, max_changes=1),
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
        st.tuples(st.sampled_from(_STATEMENTS), st.booleans()).map(
            lambda found: b"\n".join([_RELEASE, found[0]] if found[1] else [found[0], _RELEASE])
        ),
    ),
    ssd=st.sampled_from(["small", "other", "x" * 5000]),
)
def test_files_of_the_release(directory, content, ssd):
    path = write(directory / "cost_model_data.py", content)
    figures = expect_sentence(lambda: release_file.read(path, ssd[:80]))
    if figures is not None:
        assert np.all(np.isfinite(figures.coefficients)) and math.isfinite(figures.bias)


@given(name=st.one_of(st.text(max_size=30), st.sampled_from(["/dev/zero", "/", "x" * 5000])))
def test_names_of_cost_models(name):
    expect_sentence(lambda: cost_model.get(name, _SMALL))
