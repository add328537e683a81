"""The orientation of JPEGs that another library has written."""

import io

import pytest
from PIL import Image

from tunas_tf.data import exif

_ORIENTATION, _MAKER, _DATE = 0x0112, 0x010F, 0x0132


def _jpeg(tags: dict, endian: str = "<", **options) -> bytes:
    note = Image.Exif()
    note.endian = endian
    for tag, value in tags.items():
        note[tag] = value
    file = io.BytesIO()
    Image.new("RGB", (20, 10)).save(file, "JPEG", exif=note, **options)
    return file.getvalue()


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_orientations(value, endian):
    image = _jpeg({_MAKER: "maker", _ORIENTATION: value, _DATE: "2020:02:02 20:20:20"}, endian)
    assert (b"MM" in image[:40]) is (endian == ">")
    assert Image.open(io.BytesIO(image)).getexif()[_ORIENTATION] == value
    assert exif.orientation(image[: exif.HEAD_BYTES]) == value


def test_segments_before_it_are_passed_over():
    """As JFIF's, or one of a program, with what looks like a note in it."""
    image = _jpeg({_ORIENTATION: 6})
    other = b"\xff\xe2" + (2 + 300).to_bytes(2, "big") + b"\xff\xe1" * 150
    assert exif.orientation(image[:2] + other + image[2:]) == 6


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"BM\xff\xe1",
        b"\xff\xd8",
        _jpeg({}),
        _jpeg({_MAKER: "maker"}),
        _jpeg({_ORIENTATION: 9}),
        _jpeg({}, comment=b"Exif\0\0II*\0"),
    ],
)
def test_what_does_not_say_is_upright(head):
    assert exif.orientation(head) == 1


def test_damage_is_no_error():
    image = _jpeg({_MAKER: "maker", _ORIENTATION: 6})
    for length in range(100):
        assert exif.orientation(image[:length]) in (1, 6)
    for position in range(100):
        for value in (0, 127, 255):
            damaged = image[:position] + bytes([value]) + image[position + 1 :]
            assert 1 <= exif.orientation(damaged) <= 8
