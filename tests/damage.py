"""Damage to files, for tests that a reader either reads right or refuses with an error of ours."""

import os
import zlib

import numpy as np

from candgen.errors import CandgenError

COUNT = int(os.environ.get("CANDGEN_FUZZ", "40"))  # damaged files a test
PIECES = [
    b'"', b'""', b"'", b"\x00", b",", b";", b"\t", b"|", b"::", b"\n", b"\r", b"\r\n", b"\n\n",
    b" ", b"\\", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", b"\xc3", b"\x80", b"\xc3\xa9", b"\xe9",
    "\u2028".encode(), "٣".encode(), b"-", b"+", b".", b"0", b"007", b"1e5", b"1e999", b"NaN",
    b"NA", b"null", b"inf", b"_", b"9" * 25, b"9" * 5000, b"{", b"}", b"[" * 3000, b"]", b":",
    b"true", b'"\\ud800"', b"2024-02-30", b"T", b"Z", b"+02:00", b"user", b"item", b"!!int ",
    b"&a ", b"*a", b"- ", b"? ", b"#", b"%", b"@", b"x" * 200_000, b'"' + b"y\n" * 70_000 + b'"',
]  # fmt: skip


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes of a file after one to three kinds of damage."""
    for _ in range(rng.integers(1, 4)):
        start, end = np.sort(rng.integers(0, len(whole) + 1, 2))
        end = min(end, start + rng.choice([1, 3, 40, 10_000]))
        kind = rng.integers(0, 8)
        if kind == 0:
            whole = whole[:start]
        elif kind == 1:
            whole = whole[:start] + whole[end:]
        elif kind == 2:
            whole = whole[:end] + whole[start:end] + whole[end:]
        elif kind in (3, 4) and start < len(whole):
            flipped = whole[start] ^ (1 << int(rng.integers(8)))
            whole = whole[:start] + bytes([flipped]) + whole[start + 1 :]
        elif kind == 5 and rng.random() < 0.2:
            whole = whole.decode("latin-1").encode(rng.choice(["utf-16", "utf-8", "utf-16-be"]))
        else:
            piece = PIECES[rng.integers(len(PIECES))]
            whole = whole[:start] + piece + whole[start + (kind == 6) * len(piece) :]
    return whole


def assert_survives(folder, wholes, read, right=None):
    """Damage one of some files many times, and read them each time.

    Args:
        folder: Folder to write the files into.
        wholes: Name of a file -> its bytes.
        read: Called with the folder.
        right: Called with the folder and what was read; asserts that it was read right.
    """
    for name, whole in wholes.items():
        (folder / name).write_bytes(whole)
    found = read(folder)  # undamaged files are read
    assert right is None or right(folder, found) is None
    rng = np.random.default_rng(zlib.crc32(folder.name.encode()))
    ends = {"read": 0, "refused": 0}
    for _ in range(COUNT):
        hurt = str(rng.choice(list(wholes)))
        for name, whole in wholes.items():
            made = damaged(whole, rng) if name == hurt else whole
            (folder / name).write_bytes(made)
        start = (folder / hurt).read_bytes()[:3000]
        try:
            found = read(folder)
        except CandgenError as error:
            assert len(str(error)) > 10, start
            ends["refused"] += 1
            continue
        except BaseException as error:
            raise AssertionError(f"{hurt} ended otherwise, {error!r}: {start!r}") from error
        ends["read"] += 1
        try:
            assert right is None or right(folder, found) is None
        except Exception as error:
            raise AssertionError(f"{hurt} was misread, {error!r}: {start!r}") from error
    print(f"FUZZ {folder.name}: {ends}")
