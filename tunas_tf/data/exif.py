"""The orientation that a camera noted in a JPEG: decoders here and TensorFlow's ignore it.

An image with another orientation than 1 is stored turned or mirrored, and shown upright by
programs that read the note.
"""

import struct

__all__ = ["HEAD_BYTES", "orientation"]

# So many bytes from the start of a file hold the note: EXIF comes first, in a segment of 64 KB.
HEAD_BYTES = 2**16

_APP1, _START_OF_SCAN = 0xE1, 0xDA
_ORIENTATION_TAG = 0x0112
_BYTE_ORDERS = {b"II": "<", b"MM": ">"}


def orientation(head: bytes) -> int:
    """1 (upright) to 8 from the first bytes of a file; 1 if it is no JPEG or does not say.

    Segments are 0xFF, a marker, and a length that counts its own two bytes (ITU-T T.81, B.1.1.4).
    """
    position = 2 if head.startswith(b"\xff\xd8") else len(head)
    while position + 4 <= len(head):
        start, marker, length = struct.unpack_from(">BBH", head, position)
        if start != 0xFF or marker == _START_OF_SCAN:
            break
        segment = head[position + 4 : position + 2 + length]
        if marker == _APP1 and segment.startswith(b"Exif\0\0"):
            return _orientation_of_tiff(segment[6:])
        position += 2 + length
    return 1


def _orientation_of_tiff(tiff: bytes) -> int:
    """Of EXIF's first directory: a count, and entries of tag, type, count, value (12 bytes)."""
    order = _BYTE_ORDERS.get(tiff[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (number,) = struct.unpack_from(f"{order}H", tiff, start)
        for i in range(number):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * i)
            if tag == _ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 1
    except struct.error:  # It is damaged, which hurts no decoder.
        pass
    return 1
