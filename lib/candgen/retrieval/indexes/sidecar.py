"""Sidecar file of an index: kind, dimension, similarity, settings and digests.

Libraries of approximate search open a file built with another dimension or metric without a
complaint and answer nonsense. The sidecar says what the file holds, for which vectors it was made
and by which version; loading compares it with what is there and refuses what does not agree.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candgen import files
from candgen.errors import DataError, did_you_mean

FORMAT = 3
SIDECAR = "index.json"
AGAIN = "Build the index again from the vectors."

_written_here: set[str] = set()  # digests of the sidecars that this process wrote


@dataclass(frozen=True)
class Content:
    """Digest and size of a file or an array."""

    size: int
    """Bytes."""
    spread: str
    """Digest of evenly spread blocks, checked at every load."""
    whole: str
    """Digest of all bytes, checked where it is asked for."""


@dataclass(frozen=True)
class Sidecar:
    """Everything that must agree before an index is believed."""

    format: int
    kind: str
    similarity: str
    """dot or cosine."""
    dim: int
    """Length of the vectors that are searched."""
    n_items: int
    settings: dict[str, Any]
    seed: int
    package: str
    """Who wrote the index file; empty where there is none."""
    package_version: str
    vectors: Content
    ids: Content
    index: dict[str, Content]
    """Of each index file, by name; empty for exact search, which needs the vectors alone."""

    def write(self, folder: Path) -> None:
        """Write the sidecar; it appears after all that it describes."""
        files.write_json(folder / SIDECAR, dataclasses.asdict(self))
        _written_here.add(files.sha256_of(folder / SIDECAR))


_TYPES = {
    "format": int, "kind": str, "similarity": str, "dim": int, "n_items": int,
    "settings": dict, "seed": int,
    "package": str, "package_version": str, "vectors": dict, "ids": dict,
    "index": dict,
}  # fmt: skip


def read(folder: Path, kinds: list[str]) -> Sidecar:
    """Read a folder's sidecar.

    Args:
        folder: Of the index.
        kinds: Kinds of index that can be opened.

    Raises:
        DataError: If there is none, or it cannot be read, lacks a key, has a wrong type, another
            format, or a kind that does not exist.
    """
    path = folder / SIDECAR
    if not path.is_file():
        there = (
            sorted(p.name for p in folder.iterdir())[:5] if folder.is_dir() else "no such folder"
        )
        raise DataError(
            f"{folder} is not a finished index: it has no {SIDECAR} (found {there}). A folder that "
            "was being written when its writer stopped looks like this. " + AGAIN
        )
    try:
        found = files.read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}). {AGAIN}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold one JSON object, got {type(found).__name__}. {AGAIN}")
    if found.get("format") != FORMAT:
        raise DataError(
            f"{path} has format {found.get('format')!r}, this version of candgen reads {FORMAT}. "
            + AGAIN
        )
    _check_keys(path, found)
    if found["kind"] not in kinds:
        raise DataError(
            f"{path} names the kind {found['kind']!r}, which does not exist."
            f"{did_you_mean(found['kind'], kinds)} {AGAIN}"
        )
    contents = {name: _content(path, name, found[name]) for name in ("vectors", "ids")}
    index = {name: _content(path, f"index {name}", said) for name, said in found["index"].items()}
    return Sidecar(**{**{name: found[name] for name in _TYPES}, **contents, "index": index})


def is_trusted(folder: Path, digest: str) -> bool:
    """Tell whether a sidecar is the one that its reader vouches for, or this process wrote it.

    Args:
        folder: Of the index.
        digest: SHA-256 of the sidecar, noted where the index was saved; empty for none.

    Raises:
        DataError: If the sidecar has another digest.
    """
    found = files.sha256_of(folder / SIDECAR)
    if digest and found != digest:
        raise DataError(
            f"{folder / SIDECAR} is not the one that was noted: expected SHA-256 {digest[:12]}…, "
            f"found {found[:12]}…. {AGAIN}"
        )
    return bool(digest) or found in _written_here


def _check_keys(path: Path, found: dict[str, Any]) -> None:
    if missing := [name for name in _TYPES if name not in found]:
        raise DataError(f"{path} lacks the keys {', '.join(missing)}. {AGAIN}")
    for name, kind in _TYPES.items():
        if not isinstance(found[name], kind) or isinstance(found[name], bool):
            got = repr(found[name])[:80]
            raise DataError(f"{path}: {name} must be {kind.__name__}, got {got}. {AGAIN}")
    for name in ("dim", "n_items"):
        if not 1 <= found[name] < 2**31:
            raise DataError(f"{path}: {name} must be 1 or greater, got {found[name]}. {AGAIN}")
    if found["similarity"] not in ("dot", "cosine"):
        raise DataError(f"{path}: similarity is {found['similarity'][:80]!r}. {AGAIN}")


def _content(path: Path, name: str, found: Any) -> Content:
    kinds = {"size": int, "spread": str, "whole": str}
    try:
        if not all(isinstance(found[key], kind) for key, kind in kinds.items()):
            raise TypeError
        return Content(**found)
    except (TypeError, KeyError):
        got = ", ".join(map(str, found)) if isinstance(found, dict) else repr(found)
        raise DataError(
            f"{path}: {name} must have the keys size, spread and whole, got {got or 'none'}. "
            f"{AGAIN}"
        ) from None
