"""Files of an exported folder, each checked before anything relies on it.

A copy lies in exported folders as `reader_files.py`, so this file imports nothing of candgen.

`export.json` lists the size and the digest of every other file. They find what was damaged by
accident; whoever edits a file on purpose can write its digest as well. So shapes, types and ranges
are checked too, and nothing here runs code from the folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

ONE, SEVERAL = 2, 3  # formats of folders with one vector a user, and with several
FORMATS = {"export.json": (ONE, SEVERAL), "index/index.json": (3,)}
DESCRIPTION, INDEX, TITLES, TOWER = "export.json", "index", "titles.arrow", "query_tower.npz"
ARRAYS = (
    f"{INDEX}/vectors.npy", f"{INDEX}/ids.npy", "item_order.npy", "user_vectors.npy",
    "user_ids.npy", "user_order.npy", "known_items.npy", "seen_starts.npy", "seen_items.npy",
)  # fmt: skip
KINDS = ("exact", "annoy", "faiss-flat", "faiss-ivf", "faiss-hnsw", "faiss-pq")
_SIMILARITIES = ("dot", "cosine")
_FOLDING = ("unobserved_weight", "regularization", "frequency_power")
_KEYS = ("dim", "features", "files", "fold_in", "n_items", "n_users", "similarity")
_OF_INDEX = ("dim", "index", "kind", "n_items", "package", "package_version", "settings")
_COUNTS = {"search_k": 0, "rerank": 1, "bands": 1, "parts": 1, "probes": 1, "ef": 1}
_MOST_JSON = 16 * 2**20  # bytes
_BLOCK, _BLOCKS = 2**16, 512  # of a file above 32 MiB, so many blocks are digested
_AGAIN = "Copy the folder again, or export the run again."


class Files:
    """The files of an exported folder, mapped into memory as they are needed.

    Attributes:
        about: Content of `export.json`.
        sidecar: Content of `index/index.json`.
        vectors: Items, shape `(n_items, dim)`, float32.
        user_vectors: Users, shape `(n_users, dim)` or `(n_users, vectors, dim)`, float32.
    """

    def __init__(self, folder: Path, error: type[Exception], digest: str = "") -> None:
        """Compare all files with `export.json`, and open the vectors.

        Args:
            folder: Exported folder.
            error: Raised with a message when a file is missing, damaged or does not fit.
            digest: SHA-256 that `export.json` must have; not compared when empty.
        """
        self.folder, self._error = folder, error
        self.about = self._described(DESCRIPTION)
        if digest and (found := _sha256(folder / DESCRIPTION)) != digest:
            raise self._damaged(
                DESCRIPTION, f"SHA-256 {digest[:12]}… expected, found {found[:12]}…"
            )
        self._check_about()
        for name, content in self.about["files"].items():
            self._check_file(name, content)
        self.sidecar = self._described(f"{INDEX}/index.json")
        self._check_sidecar()
        n_items, dim = self.about["n_items"], self.about["dim"]
        self.vectors = self.array(f"{INDEX}/vectors.npy", np.float32, (n_items, dim))
        of_users = (self.about["n_users"], dim)
        if self.about["format"] == SEVERAL:
            of_users = (of_users[0], self.about["vectors_per_user"], dim)
        self.user_vectors = self.array("user_vectors.npy", np.float32, of_users)

    # --- arrays

    @cached_property
    def known(self) -> np.ndarray:
        """True for items that may be returned, shape `(n_items,)`."""
        return self.array("known_items.npy", np.bool_, (self.about["n_items"],))

    @cached_property
    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Start of each user's history, and the rows of the items in it."""
        name, n_users = "seen_starts.npy", self.about["n_users"]
        starts, items = self.array(name, np.int64), self.array("seen_items.npy", np.int32)
        if starts.shape != (n_users + 1,) or items.ndim != 1:
            raise self._damaged(name, f"{n_users + 1:,} numbers expected, found {starts.shape}")
        if starts[0] or starts[-1] != len(items) or (np.diff(starts) < 0).any():
            raise self._damaged(name, f"numbers expected that rise from 0 to {len(items):,}")
        self._check_range("seen_items.npy", items, self.about["n_items"])
        return starts, items

    def ids(self, what: str) -> tuple[np.ndarray, np.ndarray]:
        """Return ids of "users" or "items", and their order by size, for binary search."""
        of, n = (f"{INDEX}/ids.npy" if what == "items" else "user_ids.npy"), f"n_{what}"
        name = f"{what[:-1]}_order.npy"
        ids, order = self.array(of), self.array(name, np.int64, (self.about[n],))
        if ids.shape != order.shape or ids.dtype.kind not in "iuU":
            raise self._damaged(of, f"an id for each of {len(order):,} {what} expected")
        self._check_range(name, order, len(order))
        sorted_ids = ids[order]
        if not (sorted_ids[1:] > sorted_ids[:-1]).all():
            raise self._damaged(name, f"the order of the {what}' ids expected, each id once")
        return ids, order

    @cached_property
    def titles(self) -> Any:
        """One title an item, an array of pyarrow."""
        import pyarrow as pa

        try:
            table = pa.ipc.open_file(pa.memory_map(str(self.folder / TITLES))).read_all()
            titles = table["title"]
            titles.validate(full=True)
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise self._damaged(TITLES, f"pyarrow cannot read it ({_short(error)})") from None
        if not pa.types.is_string(titles.type) or len(titles) != self.about["n_items"]:
            raise self._damaged(
                TITLES, f"{self.about['n_items']:,} texts expected, found {len(titles):,} values "
                f"of type {titles.type}"
            )  # fmt: skip
        if titles.null_count:
            raise self._damaged(TITLES, f"{titles.null_count:,} titles are missing")
        return titles

    def gram(self) -> np.ndarray:
        """Return V'V of the item vectors, shape `(dim, dim)`."""
        held = self.array("gram.npy", np.float64, (self.about["dim"],) * 2)
        if not np.isfinite(held).all():
            raise self._damaged("gram.npy", "finite numbers expected")
        return held

    def array(
        self, name: str, kind: Any = None, shape: tuple[int, ...] | None = None
    ) -> np.ndarray:
        """Map an array after comparing its type and shape; None is not compared."""
        try:
            held = np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # NumPy's reader of headers raises whatever comes up
            raise self._damaged(name, f"NumPy cannot open it ({_short(error)})") from None
        if not isinstance(held, np.ndarray):
            raise self._damaged(name, "one array expected")
        if (kind and held.dtype != kind) or (shape is not None and held.shape != shape):
            what = f"{np.dtype(kind)} of shape {shape}" if shape else f"{np.dtype(kind)}"
            raise self._damaged(
                name, f"{DESCRIPTION} says {what}, the file has {held.dtype} of shape {held.shape}"
            )
        return np.asarray(held)

    def _check_range(self, name: str, rows: np.ndarray, n: int) -> None:
        if len(rows) and not 0 <= rows.min() <= rows.max() < n:
            raise self._damaged(
                name, f"rows 0 .. {n - 1} expected, found {rows.min()} .. {rows.max()}"
            )

    # --- descriptions

    def _described(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        if not path.is_file():
            raise self._error(
                f"{self.folder} is not an exported folder: it has no {name}. "
                "Make one with `candgen export RUN`."
            )
        try:
            found = read_json(path)
        except (OSError, ValueError) as error:
            raise self._error(
                f"{path} cannot be read ({_short(error)}). Export the run again."
            ) from None
        written = found.get("format") if isinstance(found, dict) else None
        known = FORMATS[name]
        if isinstance(written, bool) or written not in known:
            newer = isinstance(written, int) and written > max(known)
            raise self._error(
                f"{path} has format {_short(repr(written))}, this reader reads "
                f"{' and '.join(map(str, known))}"
                f"{': a newer candgen wrote it' if newer else ''}. Use the reader.py in the "
                "folder, or export the run again."
            )
        return found

    def _check_about(self) -> None:
        about = self.about
        keys = _KEYS if about["format"] == ONE else (*_KEYS, "vectors_per_user")
        if missing := [name for name in keys if name not in about]:
            raise self._error(f"{self.folder / DESCRIPTION} lacks {', '.join(missing)}. {_AGAIN}")
        fold_in, features, listed = about["fold_in"], about["features"], about["files"]
        right = {
            "dim": _is_count(about["dim"], 1), "n_items": _is_count(about["n_items"], 1),
            "n_users": _is_count(about["n_users"], 0),
            "vectors_per_user": about["format"] == ONE or _is_count(about["vectors_per_user"], 1),
            "similarity": about["similarity"] in _SIMILARITIES,
            "fold_in": fold_in is None or (
                isinstance(fold_in, dict) and all(_is_number(fold_in.get(n)) for n in _FOLDING)
            ),
            "features": isinstance(features, dict) and isinstance(features.get("why"), str)
            and _all_of(features.get("reads"), str),
            "files": _all_of(listed, dict) and all(_is_content(c) for c in listed.values()),
        }  # fmt: skip
        if wrong := [name for name, fits in right.items() if not fits]:
            raise self._damaged(DESCRIPTION, f"{wrong[0]} is {_short(repr(about[wrong[0]]))}")
        if outside := [name for name in listed if not _is_inside(name)]:
            raise self._damaged(
                DESCRIPTION, f"it lists {_short(repr(outside[0]))}, which is outside"
            )
        needed = [f"{INDEX}/index.json", TITLES, *ARRAYS]
        if features["reads"]:
            needed.append(TOWER if fold_in is None else "gram.npy")
        self._check_listed(needed)

    def _check_sidecar(self) -> None:
        held, name = self.sidecar, f"{INDEX}/index.json"
        if missing := [key for key in _OF_INDEX if key not in held]:
            raise self._damaged(name, f"it lacks {', '.join(missing)}")
        settings = held["settings"]
        right = {
            "kind": held["kind"] in KINDS, "index": _all_of(held["index"], dict),
            "package": isinstance(held["package"], str),
            "package_version": isinstance(held["package_version"], str),
            "settings": isinstance(settings, dict) and all(
                _is_count(settings[name], least) for name, least in _COUNTS.items()
                if name in settings
            ),
        }  # fmt: skip
        if wrong := [key for key, fits in right.items() if not fits]:
            raise self._damaged(name, f"{wrong[0]} is {_short(repr(held.get(wrong[0])))}")
        for key in ("dim", "n_items", "similarity"):
            if held.get(key) != (said := self.about[key]):
                what = f"{key} is {_short(repr(held.get(key)))}, {DESCRIPTION} says {said!r}"
                raise self._damaged(name, what)
        if (held["kind"] == "exact") != (not held["index"]):
            raise self._damaged(name, f"an index of kind {held['kind']} has other files")
        self._check_listed([f"{INDEX}/{file}" for file in held["index"]])

    def _check_listed(self, names: list[str]) -> None:
        """Refuse files without a digest in `export.json`: nothing would be known of them."""
        if missing := [name for name in names if name not in self.about["files"]]:
            raise self._damaged(DESCRIPTION, f"files lacks {_short(missing[0])}")

    def _check_file(self, name: str, content: dict[str, Any]) -> None:
        path = self.folder / name
        if not path.is_file():
            raise self._error(f"{path} is missing. Copy the whole folder again.")
        size = path.stat().st_size
        if size != content["size"]:
            what = "truncated" if size < content["size"] else "too long"
            raise self._error(
                f"{path} is {what}: expected {content['size']:,} bytes, found {size:,}. Copy the "
                "folder again."
            )
        if (found := digest_of(path)) != content["digest"]:
            raise self._error(
                f"{path} was changed after the export: expected digest {content['digest'][:12]}…, "
                f"found {found[:12]}…. {_AGAIN}"
            )

    def _damaged(self, name: str, why: str) -> Exception:
        return self._error(f"{self.folder / name} is damaged: {why}. {_AGAIN}")


def digest_of(path: Path) -> str:
    """Digest a file; of more than 32 MiB, evenly spread blocks and the size."""
    size = path.stat().st_size
    digest = hashlib.sha256(f"{size}\n".encode())
    with open(path, "rb") as file:
        if size <= _BLOCK * _BLOCKS:
            digest.update(file.read())
            return digest.hexdigest()
        for start in np.linspace(0, size - _BLOCK, _BLOCKS).astype(np.int64):
            file.seek(int(start))
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: If it is no JSON, too large, nested too deeply, or holds a number that is not
            finite.
    """
    facts = os.stat(path)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MOST_JSON:
        raise ValueError(f"a file of at most {_MOST_JSON:,} bytes is expected")
    try:
        text = Path(path).read_text(encoding="utf-8")
        return json.loads(text, parse_float=_finite, parse_constant=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("its lists or objects are nested too deeply") from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it holds the number {text[:40]}")
    return value


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _short(said: Any) -> str:
    text = str(said)
    return text if len(text) <= 120 else text[:120] + "…"


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_content(held: dict[str, Any]) -> bool:
    size, digest = held.get("size"), held.get("digest")
    return isinstance(size, int) and size >= 0 and isinstance(digest, str)


def _all_of(held: Any, kind: type) -> bool:
    return isinstance(held, dict) and all(isinstance(value, kind) for value in held.values())


def _is_inside(name: str) -> bool:
    return bool(re.fullmatch(r"(index/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", name))
