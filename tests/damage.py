"""Damage to files, for tests that a reader either reads right or refuses with an error of ours."""

import json
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


def hurt(folder, rng, wanted="*"):
    """Damage one file of a folder; return its name and how."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob(wanted) if p.is_file())
    name = str(rng.choice(names))
    path, kind = folder / name, int(rng.integers(0, 12))
    whole = path.read_bytes()
    if kind == 0:
        path.unlink()
    elif kind == 1:
        path.unlink()
        path.mkdir()
    elif kind == 2:
        path.write_bytes((folder / str(rng.choice(names))).read_bytes())
    elif kind < 6 and len(whole) > 8:  # numbers such as sizes and links
        made, place = bytearray(whole), int(rng.integers(0, len(whole) // 4)) * 4
        made[place : place + 4] = rng.choice(
            [b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\x00\x00\xc0\x7f", rng.bytes(4)]
        )
        path.write_bytes(bytes(made[: len(whole)]))
    elif path.suffix == ".json" and kind < 10:
        path.write_text(json.dumps(changed(json.loads(whole), rng)))
    else:
        path.write_bytes(damaged(whole, rng))
    return name, kind


ODD = [
    None, True, -1, 0, 1.5, 2**70, 1e300, "", "x", "../../victim", [], {}, [None], {"a": 1}, "\0",
]  # fmt: skip


def changed(held, rng):
    """Put an odd value in one place of a JSON value, or take one away."""
    keys = list(held) if isinstance(held, dict) else list(range(len(held)))
    if not keys:
        return ODD[rng.integers(len(ODD))]
    key = keys[rng.integers(len(keys))]
    if isinstance(held[key], dict | list) and held[key] and rng.random() < 0.8:
        held[key] = changed(held[key], rng)
    elif rng.random() < 0.3:
        del held[key]
    else:
        held[key] = ODD[rng.integers(len(ODD))]
    return held


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
