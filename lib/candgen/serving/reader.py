"""Candidates from an exported folder: this file, NumPy, pyarrow and the index's library are enough.

A copy lies in every exported folder as `reader.py`, with `reader_files.py`, `reader_index.py` and
`reader_new_users.py` beside it, so it imports nothing of candgen:

    python reader.py --user 42 -k 10

    from reader import Exported
    Exported("folder").for_user(42, 10)
"""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.util
import json
import math
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

COLUMNS = ("rank", "item", "title", "score")
_PARTS_OF = {  # module of candgen -> where its parts are; a copy finds them beside itself
    "candgen.serving.reader": {
        "files": "candgen.serving.reader_files",
        "index": "candgen.retrieval.indexes.reader_index",
        "new_users": "candgen.serving.reader_new_users",
    }
}
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")  # int() also takes 1_0, +1, " 1" and digits of any script
_CONTROL = (
    re.compile(  # controls, marks of writing direction, invisible; as in `candgen.text.plain`
        "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
        "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]+"
    )
)
_MOST_TEXT = 1_000_000  # characters of a file with the features of one user


class ReaderError(ValueError):
    """A folder is damaged, or a question cannot be answered; the message says what to try."""


class Candidate(NamedTuple):
    """One row of an answer."""

    rank: int  # 1 is the best
    item: int | str  # as the data came with it
    title: str
    score: float


class Exported:
    """An exported folder, checked and mapped into memory.

    A library of approximate search trusts the files that it maps, and a damaged one may crash the
    process. So an index is opened and asked in a process of its own, unless `digest` vouches for
    the folder.

    Attributes:
        about: What `export.json` says.
        vectors: Items, shape `(n_items, dim)`.
        user_vectors: Users, shape `(n_users, dim)` or, where a user has several vectors,
            `(n_users, vectors, dim)`.
    """

    def __init__(self, folder: Path | str, *, digest: str = "") -> None:
        """Open a folder.

        Args:
            folder: What `candgen export` wrote.
            digest: SHA-256 of its `export.json`, noted where the folder was made. If it is given,
                another folder is refused, and the index is mapped into this process.

        Raises:
            ReaderError: If a file is missing, damaged, or of another library version.
        """
        self.folder = Path(folder)
        self._files = _beside("files").Files(self.folder, ReaderError, digest)
        self._trusted = bool(digest)
        self.about, self._sidecar = self._files.about, self._files.sidecar
        self.vectors, self.user_vectors = self._files.vectors, self._files.user_vectors

    # --- questions

    def for_user(self, user: int | str, k: int, *, again: bool | None = None) -> list[Candidate]:
        """Return the best items for a user.

        Args:
            user: The id that the data came with.
            k: Candidates.
            again: Whether items of the user's history may be returned; None: if the dataset of the
                run allows repeats.

        Raises:
            ReaderError: If there is no such user.
        """
        row = self._row("users", user)
        starts, items = self._files.seen
        seen = items[starts[row] : starts[row + 1]]
        again = self.repeats if again is None else again
        return self.for_vector(self.user_vectors[row], k, withheld=None if again else seen)

    def popular(self, k: int) -> list[Candidate]:
        """Return the items that most users have, with the number of users as score."""
        _check_k(k)
        counts = np.bincount(self._files.seen[1], minlength=len(self.vectors)).astype(np.float64)
        counts[~self._files.known | (counts == 0)] = -np.inf
        return self._listed(_best(counts, k), counts)

    def for_item(self, item: int | str, k: int) -> list[Candidate]:
        """Return the items with the most similar vectors, by cosine.

        Raises:
            ReaderError: If there is no such item, or nothing was learned of it.
        """
        _check_k(k)
        row = self._row("items", item)
        vector = self.vectors[row]
        if not vector.any():
            raise ReaderError(
                f"Item {item!r} has no event in training, so its "
                "vector is zeros. Ask for another item, or export a run that reads items' features."
            )
        with np.errstate(over="ignore"):
            lengths = self._finite(self._lengths * self._lengths[row])
        scores = np.full(len(lengths), -np.inf, dtype=np.float32)
        np.divide(self._scores(vector[None]), lengths, out=scores, where=lengths > 0)
        scores[row] = -np.inf
        return self._listed(_best(scores, k), scores)

    def for_vector(
        self, vector: np.ndarray, k: int, *, withheld: np.ndarray | None = None
    ) -> list[Candidate]:
        """Return the best items for a query vector, less the withheld rows.

        Where users have several vectors, a query has shape `(vectors, dim)`: each is searched, and
        an item's best score counts.

        Raises:
            ReaderError: If the vector has another dimension or `k` is not positive.
        """
        vector = np.asarray(vector, dtype=np.float32)
        several = "vectors_per_user" in self.about and vector.ndim == 2 and len(vector) > 0
        vectors = vector if several else vector[None]
        if vectors.shape[1:] != (self.about["dim"],) or not np.isfinite(vectors).all():
            raise ReaderError(
                f"A query of {self.about['dim']} finite numbers expected, got shape {vector.shape}."
            )
        _check_k(k)
        if self.about["similarity"] == "cosine":
            with np.errstate(over="ignore"):
                lengths = self._finite(np.linalg.norm(vectors, axis=1, keepdims=True))
                vectors = vectors / np.where(lengths > 0, lengths, 1)
        barred = ~self._files.known
        barred[[] if withheld is None else withheld] = True
        wanted = min(k, len(barred) - int(np.count_nonzero(barred)))
        fetch = k + (0 if withheld is None else len(withheld))
        while self._sidecar["kind"] != "exact" and fetch * 4 < len(self.vectors):
            found = [self._near(one, fetch, fetch / k) for one in vectors]
            found = [rows[~barred[rows]] for rows in found]
            if all(len(rows) >= wanted for rows in found):
                near = found[0] if len(found) == 1 else np.unique(np.concatenate(found))
                scores = self._scores(vectors, near)
                best = _best(scores, wanted)
                return self._listed(near[best], dict(zip(near[best], scores[best], strict=True)))
            fetch *= 4
        scores = self._scores(vectors)
        scores[barred] = -np.inf
        return self._listed(_best(scores, wanted), scores)

    def _scores(self, vectors: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        """Return each item's largest product with one of the vectors, shape `(n,)`."""
        with np.errstate(over="ignore", invalid="ignore"):
            of_each = (self._finite(self.vectors[rows] @ vector) for vector in vectors)
            return functools.reduce(np.maximum, of_each)

    def _finite(self, computed: Any) -> Any:
        """Return what was computed from vectors; refuse vectors that are damaged or too long."""
        if not np.isfinite(computed).all():
            raise ReaderError(
                f"{self.folder}: products of this query with item vectors are not finite, so the "
                "vectors are damaged or the query is too long. Export the run again."
            )
        return computed

    def _near(self, vector: np.ndarray, n: int, effort: float) -> np.ndarray:
        """Ask the index; return the rows of the items, in order and each once."""
        index = _beside("index")
        try:
            near = self._nearest.search(vector, n, effort)
            return index.checked_rows(near, len(self.vectors))
        except index.IndexFault as error:
            raise ReaderError(
                f"{self.folder / 'index'} cannot be searched: {error}. Copy the folder again, or "
                "export the run again; an index of kind exact needs no library."
            ) from None

    def for_features(self, features: dict[str, Any], k: int) -> list[Candidate]:
        """Return candidates for a new user, if the run can answer for new users.

        A factorization reads `{"history": [item ids]}`, a run of towers what its query tower read;
        `reads` says what that is. The history is not offered again, unless repeats are allowed.

        Raises:
            ReaderError: With the reason and what to do, where it cannot; if an item or a feature
                is unknown, or a value has the wrong form.
        """
        _check_k(k)
        if not self.reads:
            raise ReaderError(
                f"This folder cannot answer features: {self.about['features']['why']} "
                "Ask for --user, --item or --popular."
            )
        for name, value in features.items() if isinstance(features, dict) else ():
            if any(isinstance(v, float) and not math.isfinite(v) for v in _flat(value)):
                raise ReaderError(f"{name} holds {value!r}. Leave out what is unknown.")
        new_users = self._new_users
        try:
            vector = new_users.vector(features, self._item_row, self.vectors)
        except (ReaderError, self._refusals) as error:
            raise ReaderError(str(error)) from None
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._no_tower(error) from None
        taken = [self._item_row(item) for item in features.get("history") or []]
        withheld = None if self.repeats else np.array(taken, dtype=np.int64)
        return self.for_vector(vector, k, withheld=withheld)

    @property
    def repeats(self) -> bool:
        """True if users are offered again what they already had, as the run's dataset says."""
        return self.about.get("repeats") == "allow"

    @property
    def reads(self) -> dict[str, str]:
        """Accepted features of a new user, name -> form; empty where the model reads none."""
        return self.about["features"]["reads"]

    # --- parts

    @functools.cached_property
    def _lengths(self) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return self._finite(np.linalg.norm(self.vectors, axis=1))

    @functools.cached_property
    def _ids(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Ids, and their order by size, of users and of items."""
        return {what: self._files.ids(what) for what in ("users", "items")}

    @functools.cached_property
    def _nearest(self) -> Any:
        package, version = self._sidecar["package"], self._sidecar["package_version"]
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            raise ReaderError(f"The index needs {package}: `pip install {package}`.") from None
        if found.split(".")[:2] != version.split(".")[:2]:
            raise ReaderError(
                f"The index was written by {package} {version}, installed is {found}. Install "
                f"{package} {version}, or export the run again."
            )
        index = _beside("index")
        opened = index.open_index if self._trusted else index.Apart
        return opened(self.folder / "index", self._sidecar)

    @functools.cached_property
    def _new_users(self) -> Any:
        module = _beside("new_users")
        self._refusals = module.FeatureError
        if self.about["fold_in"] is not None:
            return module.FoldIn(self.about["fold_in"], self._files.gram())
        try:
            return module.QueryTower(self.folder / "query_tower.npz")
        except Exception as error:  # zip, NumPy and JSON raise whatever comes up
            raise self._no_tower(error) from None

    def _no_tower(self, error: Exception) -> ReaderError:
        return ReaderError(
            f"{self.folder}: what computes vectors of new users is damaged or cannot read this "
            f"({type(error).__name__}: {str(error)[:120]}). Copy the folder again, or export the "
            "run again."
        )

    def _item_row(self, item: int | str) -> int:
        return self._row("items", item)

    def _row(self, what: str, asked: int | str) -> int:
        ids, order = self._ids[what]
        try:
            key = _whole_id(asked) if ids.dtype.kind in "iu" else str(asked)
            place = np.searchsorted(ids, np.array(key, dtype=ids.dtype), sorter=order)
        except (TypeError, ValueError, OverflowError):
            key, place = None, len(order)
        if key is not None and place < len(order) and ids[order[place]] == key:
            return int(order[place])
        examples = ", ".join(map(str, ids[:3].tolist()))
        raise ReaderError(
            f"There is no {what[:-1]} {asked!r} among the {len(ids):,} {what} of {self.folder}; "
            f"ids are as {examples}.{self._instead() if what == 'users' else ''}"
        )

    def _instead(self) -> str:
        said = " Only users with a history have a vector. For others, ask for --popular"
        if not self.reads:
            return said + "."
        said_of = ", ".join(f"{name} ({form})" for name, form in list(self.reads.items())[:3])
        return f"{said}, or describe them by --features FILE: {said_of}."

    def _listed(self, rows: np.ndarray, scores: Any) -> list[Candidate]:
        ids, titles = self._ids["items"][0][rows].tolist(), self._files.titles
        return [
            Candidate(place, item, titles[row].as_py(), float(scores[row]))
            for place, (row, item) in enumerate(zip(rows.tolist(), ids, strict=True), 1)
        ]


def answer(
    held: Exported,
    k: int,
    user: str | None = None,
    item: str | None = None,
    features: str | None = None,
) -> list[Candidate]:
    """Answer the one question that is not None; without any, say what is popular."""
    if user is not None:
        return held.for_user(user, k)
    if item is not None:
        return held.for_item(item, k)
    if features is None:
        return held.popular(k)
    try:
        with open(features, encoding="utf-8") as file:
            text = file.read(_MOST_TEXT + 1)
        if len(text) > _MOST_TEXT:
            raise ValueError(f"longer than {_MOST_TEXT:,} characters")
        described = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ReaderError(f"{features} cannot be read as JSON: {error}.") from None
    return held.for_features(described, k)


def _beside(part: str) -> Any:
    """Import a part of the reader: a file beside this one, or in candgen its own module."""
    if __name__ in _PARTS_OF:
        return importlib.import_module(_PARTS_OF[__name__][part])
    path = Path(__file__).with_name(f"{Path(__file__).stem}_{part}.py")
    if not path.is_file():
        raise ReaderError(f"{path} is missing. Copy the whole folder again.")
    described = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def _check_k(k: int) -> None:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ReaderError(f"k must be a whole number, at least 1; got {k!r}.")


def _whole_id(asked: Any) -> int | None:
    """Return the whole number that an id is; None for what only looks like one: 1_0, +1, 007."""
    if isinstance(asked, str):
        return int(asked) if _WHOLE.fullmatch(asked) else None
    whole = isinstance(asked, (int, np.integer)) or (
        isinstance(asked, float) and asked.is_integer()
    )
    return int(asked) if whole and not isinstance(asked, bool) else None


def one_line(text: object) -> str:
    """Replace tabs, line breaks and other control characters: a cell of a table is one line."""
    return _CONTROL.sub(" ", str(text))


def _flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the rows of the best scores, best first, the smaller row where they tie."""
    there = int(np.isfinite(scores).sum())
    k = min(k, there)
    if k == 0:
        return np.zeros(0, dtype=np.int64)
    bar = np.partition(scores, len(scores) - k)[len(scores) - k]
    rows = np.flatnonzero(scores >= bar)
    return rows[np.argsort(-scores[rows], kind="stable")][:k]


def main(arguments: list[str] | None = None) -> int:
    """Answer one question from the command line, for the folder that this file lies in."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # so that a terminal of ASCII shows every title
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(description="Candidates from an exported folder")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--user", help="id of a user")
    asked.add_argument("--item", help="id of an item, for related ones")
    asked.add_argument("--features", help="JSON file with the features of a new user")
    asked.add_argument("--popular", action="store_true", help="what most users have")
    parser.add_argument("-k", type=int, default=100, help="candidates")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.add_argument("--folder", default=Path(__file__).parent, help="exported folder")
    given = parser.parse_args(arguments)
    try:
        held = Exported(given.folder)
        found = answer(held, given.k, given.user, given.item, given.features)
    except ReaderError as error:
        print(one_line(error), file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps([row._asdict() for row in found], indent=2))
        return 0
    print("\t".join(COLUMNS))
    for row in found:
        cells = (str(row.rank), str(row.item), row.title, f"{row.score:.6g}")
        print("\t".join(map(one_line, cells)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
