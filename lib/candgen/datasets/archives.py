"""Folders, zip archives and compressed files, read through one interface without unpacking.

A bundle is a folder or a zip. Its files are opened as streams, so no member of an archive can be
written outside a folder. Archives are checked before anything is read, for names that lead outside
the folder, encrypted members, and sizes typical of zip bombs.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa

from candgen import files
from candgen.errors import DataError

MAX_MEMBERS = 10_000
MAX_BYTES = 64 * 2**30  # unpacked, all members together
MAX_RATIO = 200  # unpacked to packed, for members above MIN_SUSPECT; ratings pack about 4 : 1
MIN_SUSPECT = 64 * 2**20
_METHODS = {0: "stored", 8: "deflate", 12: "bzip2", 14: "lzma"}
_CAUSES = {  # of what Python's zipfile says
    "and header": "was changed after it was packed: its contents and its members disagree",
    "Bad CRC": "is damaged: a member is not what was packed",
    "Bad magic number for file header": "is damaged: a member does not begin as one",
    "Overlapped entries": "is no honest archive: its members overlap",
}
_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "zip": b"PK\x03\x04"}


@dataclass(frozen=True)
class InputFile:
    """File to read, in a folder or inside a zip."""

    path: Path
    """Path of the file, or of the zip that holds it."""
    member: str | None = None
    """Name inside the zip; None outside zips."""
    compression: str = ""
    """gzip or zstd, if the file itself is compressed."""

    @property
    def label(self) -> str:
        """Name of the file in messages."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """Name without folders, and without the ending of its compression."""
        name = PurePosixPath(self.member).name if self.member else self.path.name
        ending = PurePosixPath(name).suffix.lower()
        return name[: -len(ending)] if self.compression and ending in (".gz", ".zst") else name

    def open(self) -> BinaryIO:
        """Open for reading bytes.

        Raises:
            DataError: If the file cannot be opened, or, while reading, if it is damaged.
        """
        try:
            if self.member is None and not self.compression:
                return open(self.path, "rb")
            return io.BufferedReader(_Unpacked(self), buffer_size=1 << 20)
        except OSError as error:
            raise DataError(f"{self.label} cannot be read: {error.strerror or error}.") from error


class UnpackingStream(io.RawIOBase):
    """Stream of bytes that come in pieces of any size."""

    def __init__(self) -> None:
        super().__init__()
        self._left = b""

    def next_bytes(self) -> bytes:
        """Return the next piece; empty at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._left or self.next_bytes()
        self._left = piece[len(buffer) :]
        piece = piece[: len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)


class _Unpacked(UnpackingStream):
    """Stream of a zip member or a compressed file that reports damage as a DataError."""

    def __init__(self, file: InputFile) -> None:
        super().__init__()
        self._file = file
        self._opened: list[Any] = []
        with self._guarded():
            if file.member is not None:
                self._opened.append(zipfile.ZipFile(file.path))
                self._opened.append(self._opened[0].open(file.member))
            elif file.compression == "gzip":
                self._opened.append(gzip.GzipFile(file.path))
            else:
                self._opened.append(pa.input_stream(str(file.path), compression="zstd"))

    def next_bytes(self) -> bytes:
        with self._guarded():
            return self._opened[-1].read(1 << 20)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except PermissionError:
            raise
        except _DAMAGES as error:
            if self._file.member is not None:
                raise _damaged(self._file.path, error, self._file.member) from error
            raise DataError(
                f"{self._file.label} is not a complete {self._file.compression} file ({error}). "
                "Make or download it again, or set compression."
            ) from error

    def close(self) -> None:
        if not self.closed:
            for opened in reversed(self._opened):
                opened.close()
        super().close()


# RuntimeError, NotImplementedError: a zip that needs a password or another method
_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Bundle:
    """Folder or zip with the files of one dataset, which may lie one folder deeper."""

    path: Path
    members: tuple[str, ...] | None
    """Names inside the zip; None for a folder."""

    def find(self, name: str) -> InputFile | None:
        """Return the file of that name, the one nearest to the top; None if there is none."""
        if self.members is None:
            found = [p for p in [self.path / name, *sorted(self.path.glob(f"*/{name}"))]]
            found = [p for p in found if p.is_file()]
            return InputFile(found[0]) if found else None
        inside = [m for m in self.members if PurePosixPath(m).name == name]
        inside = [m for m in inside if not m.startswith("__MACOSX/")]
        inside.sort(key=lambda m: (m.count("/"), m))
        return InputFile(self.path, inside[0]) if inside else None

    def require(self, name: str, what_for: str) -> InputFile:
        """Return the file of that name.

        Raises:
            DataError: If there is no such file; the message lists the files there are.
        """
        found = self.find(name)
        if found is None:
            there = ", ".join(self.listing()[:12]) or "nothing"
            raise DataError(f"{self.path} has no {name} ({what_for}). It holds: {there}.")
        return found

    def listing(self) -> list[str]:
        if self.members is not None:
            return sorted(self.members)
        return sorted(p.name for p in self.path.iterdir())


def input_file(path: Path, compression: str = "auto") -> InputFile:
    """Return a file, or the only one in a zip, to be unpacked while it is read.

    Args:
        path: File that exists.
        compression: auto (by the first bytes of the file), none, gzip, zip or zstd.

    Raises:
        DataError: If the file cannot be read, or a zip is unsafe or holds several files.
    """
    if compression == "auto":
        compression = _compression_of(path)
    if compression != "zip":
        return InputFile(path, compression="" if compression == "none" else compression)
    bundle = open_bundle(path)
    members = [m for m in bundle.members or () if not m.startswith("__MACOSX/")]
    if "xl/workbook.xml" in members:
        raise DataError(f"{path} is an Excel workbook. Save the sheet as CSV.")
    if len(members) != 1:
        listed = ", ".join(sorted(members)[:12]) or "no file"
        raise DataError(f"{path} must hold one file, it holds {listed}. Unpack it, and name one.")
    return InputFile(path, members[0])


def _compression_of(path: Path) -> str:
    with InputFile(path).open() as stream:
        start = stream.read(4)
    found = [name for name, magic in _MAGIC.items() if start.startswith(magic)]
    if not found and start != b"PAR1" and zipfile.is_zipfile(path):
        return "zip"  # one whose beginning is gone, or without any member
    return found[0] if found else "none"


def usable(path: Path | str) -> Path:
    """Return a path, with the home folder filled in, if it can be a path and stand in a record.

    Raises:
        DataError: If its name is not UTF-8, too long or otherwise impossible.
    """
    try:
        str(path).encode()
        found = Path(path).expanduser()
        found.exists()
        if "\0" in str(path):
            raise ValueError("it holds a null character")
    except UnicodeEncodeError:
        raise DataError(
            f"The path {ascii(str(path))[:200]} is not UTF-8. Rename the file or its folder."
        ) from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{ascii(str(path))[:200]} cannot be a path: {reason}.") from None
    return found


def open_bundle(path: Path | str) -> Bundle:
    """Open a folder or a zip without unpacking it.

    Raises:
        DataError: If there is nothing at `path`, or it is neither folder nor zip, or the zip is
            damaged or unsafe.
    """
    path = usable(path)
    if path.is_dir():
        return Bundle(path, None)
    if not path.is_file():
        raise DataError(f"There is no folder or zip at {path}. Check the path, or give another.")
    if path.suffix.lower() != ".zip" and not zipfile.is_zipfile(path):
        raise DataError(
            f"{path} is neither a folder nor a zip. Give the folder that holds the files, "
            "or the zip as it was downloaded."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (*_DAMAGES, NotImplementedError) as error:
        raise _damaged(path, error) from error
    if (lost := -min((info.header_offset for info in infos), default=0)) > 0:
        raise DataError(
            f"{path} lacks {lost:,} bytes at its beginning. Copy or download the whole file again."
        )
    for info in infos:
        _check_member(path, info)
    _check_sizes(path, infos)
    return Bundle(path, tuple(i.filename for i in infos if not i.is_dir()))


def describe(inputs: Iterable[InputFile]) -> list[dict[str, Any]]:
    """Describe the files that were read: name, bytes and SHA-256; a zip stands for its members."""
    paths = dict.fromkeys(file.path for file in inputs)
    return [
        {"path": p.name, "bytes": p.stat().st_size, "sha256": files.sha256_of(p)} for p in paths
    ]


def _damaged(path: Path, error: Exception, member: str = "") -> DataError:
    detail = f"{member}: {error}" if member else str(error)
    for part, cause in _CAUSES.items():
        if part in str(error):
            return DataError(f"{path} {cause} ({detail}). Make or download it again.")
    return DataError(
        f"{path} is not a complete zip ({detail}). The download was probably interrupted: "
        "download it again."
    )


def _check_member(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    if name.startswith("/") or ".." in parts or ":" in (parts or ("",))[0] or is_link:
        raise DataError(
            f"{path} holds {info.filename!r}, which leads outside its folder. Nothing was read: "
            "do not trust this archive."
        )
    if info.flag_bits & 0x1:
        raise DataError(f"{path} holds {info.filename!r} encrypted. Give an open archive.")
    if info.compress_type not in _METHODS:
        method = zipfile.compressor_names.get(info.compress_type, "unknown")
        raise DataError(
            f"{path} holds {info.filename!r}, packed by method {info.compress_type} ({method}); "
            f"read are {', '.join(_METHODS.values())}. Unpack it with the program that made it, "
            "and give the folder or file."
        )


def _check_sizes(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    total = sum(info.file_size for info in infos)
    if len(infos) > MAX_MEMBERS or total > MAX_BYTES:
        raise DataError(
            f"{path} unpacks to {len(infos):,} files of {total / 2**30:.1f} GiB; at most "
            f"{MAX_MEMBERS:,} files and {MAX_BYTES >> 30} GiB are read from a zip. "
            "Unpack it yourself if you trust it, and give the folder."
        )
    for info in infos:
        if info.file_size > MIN_SUSPECT and info.file_size > MAX_RATIO * info.compress_size:
            raise DataError(
                f"{path} holds {info.filename!r}, which unpacks to "
                f"{info.file_size / max(info.compress_size, 1):,.0f} times its size; at most "
                f"{MAX_RATIO} is believed. Unpack it yourself if you trust it, and give the folder."
            )
