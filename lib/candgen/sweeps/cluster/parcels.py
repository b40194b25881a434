"""Files that a run reads, on their way to a worker: known by content, sent once to each worker.

A parcel is a prepared dataset, or a file or folder that a parameter names. Its digest is that of
its files' names and contents. It travels in pieces from the driver, or over a storage that both
reach (`datasets_at` of a sweep, any URL that fsspec opens). A worker accepts it when the SHA-256 of
each file is right.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from candgen import files, folders
from candgen.errors import DataError
from candgen.session import paths
from candgen.sweeps.cluster import archives

PIECE = 4 * 2**20
"""Bytes of one message to a worker."""
_ITSELF = "."  # name of the only file of a parcel that is a file
_STORE, _CONTENTS = "parcels", "contents.json"


@dataclass(frozen=True)
class Parcel:
    """Files to send."""

    path: Path
    """File or folder at the driver."""
    contents: dict[str, str]
    """Relative name -> SHA-256; `.` for the file itself."""

    @cached_property
    def digest(self) -> str:
        named = json.dumps([self.path.name, self.contents], sort_keys=True)
        return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()

    def pieces(self) -> Iterator[tuple[str, int, bytes]]:
        """Give name, offset and bytes of every piece; an empty file is one empty piece."""
        for name in self.contents:
            with open(self.path / name, "rb") as file:
                offset = 0
                while (piece := file.read(PIECE)) or not offset:
                    yield name, offset, piece
                    offset += len(piece)
                    if len(piece) < PIECE:
                        break


def of_dataset(folder: Path) -> Parcel:
    """Describe a prepared dataset: `dataset.json` and the files that it lists."""
    info = files.read_json(folder / paths.DATASET_FILE)
    listed = [paths.DATASET_FILE, *folders.DATASET.listed(info)]
    names = [n for n in listed if folders.is_inside(n) and (folder / n).is_file()]
    return Parcel(folder, {name: files.sha256_of(folder / name) for name in sorted(set(names))})


def of_input(path: Path) -> Parcel:
    """Describe a file, or a folder without its hidden files."""
    if path.is_file():
        return Parcel(path, {_ITSELF: files.sha256_of(path)})
    names = [n for n in archives.names_in(path) if not any(p[:1] == "." for p in n.split("/"))]
    return Parcel(path, {name: files.sha256_of(path / name) for name in names})


# --- on the worker


def place_of(digest: str, name: str, scratch: Path) -> Path:
    """Return where a worker keeps a parcel.

    Args:
        digest: Of the parcel.
        name: File name of its path at the driver, which titles and messages show.
        scratch: The worker's own folder.
    """
    return scratch / _STORE / digest / name


def is_there(digest: str, name: str, scratch: Path) -> bool:
    """Tell whether a worker has a parcel."""
    return place_of(digest, name, scratch).exists()


def receive(digest: str, name: str, scratch: Path, file: str, offset: int, piece: bytes) -> None:
    """Take one piece of a file; the first makes the file anew.

    Raises:
        DataError: If the file cannot be written.
    """
    path = _passing(digest, scratch) / name / file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "r+b" if offset else "wb") as target:
            target.seek(offset)
            target.write(piece)
    except OSError as error:
        raise DataError(f"{file} of {name} cannot be written on the worker: {error}.") from None


async def accept(digest: str, name: str, scratch: Path, contents: dict[str, str]) -> None:
    """Check what was received and give it its place.

    Raises:
        DataError: If a file is missing or not what it was at the driver.
    """
    await asyncio.to_thread(_accept, digest, name, scratch, contents)


def _accept(digest: str, name: str, scratch: Path, contents: dict[str, str]) -> None:
    passing = _passing(digest, scratch)
    (passing / name).parent.mkdir(parents=True, exist_ok=True)
    if not contents:
        (passing / name).mkdir(exist_ok=True)
    for file, wanted in contents.items():
        path = passing / name / file
        if not path.is_file() or files.sha256_of(path) != wanted:
            shutil.rmtree(passing, ignore_errors=True)
            raise DataError(
                f"{file} of {name} arrived changed: was it rewritten during the sweep? Run the "
                "sweep again."
            )
    goal = place_of(digest, name, scratch).parent
    goal.parent.mkdir(parents=True, exist_ok=True)
    os.replace(passing, goal)


def _passing(digest: str, scratch: Path) -> Path:
    return scratch / _STORE / f"{digest}.part"


# --- over a storage that both reach


def upload(parcel: Parcel, url: str) -> None:
    """Put a parcel into a storage, unless it is there; its list of contents appears last.

    Raises:
        DataError: If the storage cannot be written to.
    """
    with _storage(url, "written to") as (system, root):
        goal = f"{root}/{parcel.digest}"
        if system.exists(f"{goal}/{_CONTENTS}"):
            return
        for name in parcel.contents:
            target = f"{goal}/files/{'itself' if name == _ITSELF else name}"
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(parcel.path / name), target)
        system.pipe_file(f"{goal}/{_CONTENTS}", json.dumps(parcel.contents).encode())


async def download(
    digest: str, name: str, scratch: Path, contents: dict[str, str], url: str
) -> None:
    """Get a parcel from a storage to its place on this worker.

    Raises:
        DataError: If the storage cannot be read, or a file is not what it was at the driver.
    """
    await asyncio.to_thread(_download, digest, name, scratch, contents, url)


def _download(digest: str, name: str, scratch: Path, contents: dict[str, str], url: str) -> None:
    with _storage(url, "read") as (system, root):
        for file in contents:
            target = _passing(digest, scratch) / name / file
            target.parent.mkdir(parents=True, exist_ok=True)
            inside = "itself" if file == _ITSELF else file
            system.get_file(f"{root}/{digest}/files/{inside}", str(target))
    _accept(digest, name, scratch, contents)


@contextmanager
def _storage(url: str, done: str) -> Iterator[tuple[Any, str]]:
    """Give the file system of a URL and the path in it."""
    try:
        import fsspec

        system, root = fsspec.core.url_to_fs(url)
        yield system, root.rstrip("/")
    except DataError:
        raise
    except (OSError, ValueError, ImportError) as error:
        raise DataError(
            f"datasets_at: {url} cannot be {done}: {type(error).__name__}: {error}. Give a URL "
            "that the driver and all workers reach, such as s3://bucket/folder, and install the "
            "package that fsspec needs for it."
        ) from None
