"""Files are replaced whole, or not at all."""

import pytest

from tunas_tf.common.files import replaced, write_json


def test_new_text_replaces_the_old(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    with replaced(str(path)) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_after_an_error_the_old_text_stands_and_nothing_else(tmp_path):
    path = tmp_path / "value.json"
    write_json(str(path), {"a": 1})
    with pytest.raises(TypeError):
        write_json(str(path), {"a": object()})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]
