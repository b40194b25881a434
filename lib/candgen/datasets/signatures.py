"""Kinds of files by their first bytes, for messages that name what a file is."""

from __future__ import annotations

ENOUGH = 4096  # bytes of a file's beginning

_UNPACK = "which is not read here. Unpack it, and give the file inside"
_AS_CSV = "Save it as CSV"
_KINDS = (  # none of these begins a text
    (b"\x1f\x8b\x08", "gzip", "Set compression=auto, or unpack it"),
    (b"PK\x03\x04", "zip", "Set compression=auto, or unpack it"),
    (b"\x28\xb5\x2f\xfd", "zstd", "Set compression=auto, or unpack it"),
    (b"BZh91AY&SY", "bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "xz", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", _UNPACK),
    (b"Rar!\x1a\x07", "RAR", _UNPACK),
    (b"PAR1", "Parquet", "Set file_type=parquet or auto"),
    (b"ARROW1\x00\x00", "Arrow", "Save it as Parquet"),
    (b"\x89HDF\r\n\x1a\n", "HDF5", _AS_CSV),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel (xls)", _AS_CSV),
    (b"SQLite format 3\x00", "SQLite", _AS_CSV),
    (b"%PDF-", "PDF", _AS_CSV),
)
_UTF16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def no_text(start: bytes) -> str:
    """Say what a file is that begins so, and what to do; empty if it may be text.

    Args:
        start: First bytes of the file, `ENOUGH` of them where there are so many.
    """
    for first, kind, remedy in _KINDS:
        if start.startswith(first):
            return f"is a file of the kind {kind}{', ' if remedy == _UNPACK else '. '}{remedy}."
    if encoding := utf16_of(start):
        return f"is UTF-16. Save it as UTF-8, or set encoding={encoding}."
    if start and not start.strip(b"\0"):
        return "begins with null characters, as a file does that was never written to its end."
    return ""


def utf16_of(start: bytes) -> str:
    """Return the name of the UTF-16 that text beginning so is in; empty if in none.

    Without a mark at the beginning, it is one where every other byte is null for at least three
    of four letters.
    """
    if start[:2] in _UTF16:
        return _UTF16[start[:2]]
    pairs = len(start) // 2
    for name, nulls in (("utf-16-le", start[1 : 2 * pairs : 2]), ("utf-16-be", start[:-1:2])):
        others = start[: 2 * pairs : 2] if name == "utf-16-le" else start[1::2]
        if pairs > 3 and nulls.count(0) > 0.75 * pairs and not others.count(0):
            return name
    return ""


def is_utf8(start: bytes) -> bool:
    """Tell whether text that begins so is UTF-8; the last letter may be cut."""
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return False
    return b"\0" not in start
