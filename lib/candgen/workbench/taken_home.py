"""Candidates from an exported folder: this file, NumPy, pyarrow and the index's library are enough.

A copy lies in every exported folder as `reader.py`, so it imports nothing of candgen:

    python reader.py --user 42 -k 10

    from reader import Exported
    Exported("folder").for_user(42, 10)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FORMAT = 1
DESCRIPTION, INDEX = "export.json", "index"
COLUMNS = ("rank", "item", "title", "score")
_BLOCK, _BLOCKS = 2**16, 512  # of a file above 32 MiB, so many blocks are digested


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

    Attributes:
        about: What `export.json` says.
        vectors: Items, shape `(n_items, dim)`.
        user_vectors: Users, shape `(n_users, dim)`.
    """

    def __init__(self, folder: Path | str) -> None:
        """Open a folder.

        Raises:
            ReaderError: If a file is missing, damaged, or of another library version.
        """
        self.folder = Path(folder)
        self.about = self._described(DESCRIPTION)
        self.index = self._described(f"{INDEX}/index.json")
        for name, content in self.about["files"].items():
            self._check_file(name, content)
        self.vectors = self._array(f"{INDEX}/vectors.npy")
        self.user_vectors = self._array("user_vectors.npy")
        self._starts, self._seen = self._array("seen_starts.npy"), self._array("seen_items.npy")
        expected = (self.about["n_items"], self.about["dim"])
        if self.vectors.shape != expected:
            raise ReaderError(
                f"{self.folder / INDEX / 'vectors.npy'} has shape {self.vectors.shape}, "
                f"{DESCRIPTION} says {expected}. Export the run again."
            )
        self._searcher: Any = None

    # --- questions

    def for_user(self, user: int | str, k: int, *, again: bool = False) -> list[Candidate]:
        """Return the best items for a user.

        Args:
            user: The id that the data came with.
            k: Candidates.
            again: Whether items that the user already has may come.

        Raises:
            ReaderError: If there is no such user.
        """
        row = self._row("users", user)
        first, last = self._starts[row], self._starts[row + 1]
        seen = self._seen[:0] if again else self._seen[first:last]
        return self.for_vector(np.asarray(self.user_vectors[row]), k, withheld=seen)

    def for_item(self, item: int | str, k: int) -> list[Candidate]:
        """Return the items whose vectors point most nearly where an item's does, by cosine.

        Raises:
            ReaderError: If there is no such item, or nothing was learned of it.
        """
        row = self._row("items", item)
        vector = np.asarray(self.vectors[row])
        if not vector.any():
            raise ReaderError(
                f"Nothing was learned of item {item!r}: it has no event in training, and its "
                "vector is zeros. Ask for another item, or export a run that reads items' features."
            )
        lengths = np.linalg.norm(self.vectors, axis=1) * np.linalg.norm(vector)
        products = self.vectors @ vector
        scores = np.divide(
            products, lengths, out=np.full_like(products, -np.inf), where=lengths > 0
        )
        scores[row] = -np.inf
        return self._listed(_best(scores, k), scores)

    def for_vector(
        self, vector: np.ndarray, k: int, *, withheld: np.ndarray | None = None
    ) -> list[Candidate]:
        """Return the best items for a query vector, less the withheld rows.

        Raises:
            ReaderError: If the vector has another dimension or `k` is not positive.
        """
        vector = np.asarray(vector, dtype=np.float32)
        if vector.shape != (self.about["dim"],) or not np.isfinite(vector).all():
            raise ReaderError(
                f"A query of {self.about['dim']} finite numbers expected, got shape {vector.shape}."
            )
        if k < 1:
            raise ReaderError(f"k must be at least 1, got {k}.")
        if self.about["similarity"] == "cosine":
            vector = vector / (np.linalg.norm(vector) or 1)
        barred = np.zeros(len(self.vectors), dtype=bool)
        barred[[] if withheld is None else withheld] = True
        barred |= ~self._known()
        wanted = min(k, int((~barred).sum()))
        fetch = k + (0 if withheld is None else len(withheld))
        while self.index["kind"] != "exact" and fetch * 4 < len(self.vectors):
            near = self._nearest(vector, fetch, fetch / k)
            near = np.sort(near[(near >= 0) & ~barred[near]])
            if len(near) >= wanted:
                scores = self.vectors[near] @ vector
                best = _best(scores, wanted)
                return self._listed(near[best], dict(zip(near[best], scores[best], strict=True)))
            fetch *= 4
        scores = self.vectors @ vector
        scores[barred] = -np.inf
        return self._listed(_best(scores, wanted), scores)

    def for_features(self, features: dict[str, Any], k: int) -> list[Candidate]:
        """Return candidates for somebody described by features, where the run can answer that.

        A factorization reads `{"history": [item ids]}` and solves for the vector of whoever took
        these items, with the items still: (w0 V'V + sum v v' + r I) x = sum v.

        Raises:
            ReaderError: With the reason and what to do, where it cannot, or if an item is unknown.
        """
        solving = self.about["fold_in"]
        if solving is None:
            raise ReaderError(
                f"This folder cannot answer features: {self.about['features']} "
                "Ask for --user or --item."
            )
        if (
            not isinstance(features, dict)
            or set(features) != {"history"}
            or not features["history"]
        ):
            found = ", ".join(features) if isinstance(features, dict) else type(features).__name__
            raise ReaderError(
                f'Features of this run are {{"history": [item ids]}}, not empty; got {found}.'
            )
        taken = np.unique([self._row("items", item) for item in features["history"]])
        vectors = np.asarray(self.vectors[taken], dtype=np.float64)
        w0, n_items = solving["unobserved_weight"], len(self.vectors)
        r = solving["regularization"] * (len(taken) + w0 * n_items) ** solving["frequency_power"]
        left = w0 * self._array("gram.npy") + vectors.T @ vectors + r * np.eye(vectors.shape[1])
        return self.for_vector(np.linalg.solve(left, vectors.sum(axis=0)), k, withheld=taken)

    # --- files

    def _described(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        if not path.is_file():
            raise ReaderError(
                f"{self.folder} is not an exported folder: it has no {name}. "
                "Make one with `candgen export RUN`."
            )
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ReaderError(f"{path} cannot be read ({error}). Export the run again.") from None
        if found.get("format") != FORMAT:
            raise ReaderError(
                f"{path} has format {found.get('format')!r}, this reader reads {FORMAT}. Use the "
                "reader.py in the folder, or export the run again."
            )
        return found

    def _check_file(self, name: str, content: dict[str, Any]) -> None:
        path = self.folder / name
        if not path.is_file():
            raise ReaderError(f"{path} is missing. Copy the whole folder again.")
        size = path.stat().st_size
        if size != content["size"]:
            what = "truncated" if size < content["size"] else "too long"
            raise ReaderError(
                f"{path} is {what}: expected {content['size']:,} bytes, found {size:,}. Copy the "
                "folder again."
            )
        if (found := digest_of(path)) != content["digest"]:
            raise ReaderError(
                f"{path} was changed after the export: expected digest {content['digest'][:12]}…, "
                f"found {found[:12]}…. Copy the folder again, or export the run again."
            )

    def _array(self, name: str) -> np.ndarray:
        return np.load(self.folder / name, mmap_mode="r", allow_pickle=False)

    def _known(self) -> np.ndarray:
        return self._array("known_items.npy")

    def _row(self, what: str, asked: int | str) -> int:
        ids = self._array("user_ids.npy" if what == "users" else f"{INDEX}/ids.npy")
        try:
            rows = np.flatnonzero(ids == (int(asked) if ids.dtype.kind in "iu" else str(asked)))
        except (ValueError, OverflowError):
            rows = np.zeros(0, dtype=np.int64)
        if not len(rows):
            examples = ", ".join(map(str, ids[:3].tolist()))
            more = " Only users with a history have a vector." if what == "users" else ""
            raise ReaderError(
                f"There is no {what[:-1]} {asked!r} among the {len(ids):,} {what} of "
                f"{self.folder}; ids are as {examples}.{more}"
            )
        return int(rows[0])

    def _listed(self, rows: np.ndarray, scores: Any) -> list[Candidate]:
        ids, titles = self._array(f"{INDEX}/ids.npy"), self._titles()
        return [
            Candidate(place, ids[row].item(), titles[int(row)].as_py(), float(scores[row]))
            for place, row in enumerate(rows, 1)
        ]

    def _titles(self) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.folder / "titles.parquet").read()["title"]

    # --- the index's library

    def _nearest(self, vector: np.ndarray, n: int, effort: float) -> np.ndarray:
        kind, settings = self.index["kind"], self.index["settings"]
        if self._searcher is None:
            self._check_package()
            self._searcher = self._opened_trees() if kind == "annoy" else self._opened_faiss()
        if kind == "annoy":
            query = np.append(vector, np.float32(0)) if self._augmented() else vector
            looked_at = int(settings["search_k"] * effort) or -1
            return np.array(self._searcher.get_nns_by_vector(query, n, looked_at), dtype=np.int64)
        import faiss

        query, parameters = np.zeros((1, self._searcher.d), dtype=np.float32), None
        length = np.linalg.norm(vector) or 1
        query[0, : len(vector)] = vector * (self.index["longest"] / length)
        if "probes" in settings:
            lists = faiss.extract_index_ivf(self._searcher).nlist
            probes = min(lists, int(np.ceil(settings["probes"] * effort)))
            parameters = faiss.SearchParametersIVF(nprobe=probes)
            n = min(n * settings.get("rerank", 1), len(self.vectors))
        elif "ef" in settings:
            looked_at = max(n, int(settings["ef"] * effort))
            parameters = faiss.SearchParametersHNSW(efSearch=looked_at)
        return self._searcher.search(query, n, params=parameters)[1][0]

    def _augmented(self) -> bool:
        return self.about["similarity"] == "dot"

    def _check_package(self) -> None:
        package, version = self.index["package"], self.index["package_version"]
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            raise ReaderError(f"The index needs {package}: `pip install {package}`.") from None
        if found.split(".")[:2] != version.split(".")[:2]:
            raise ReaderError(
                f"The index was written by {package} {version}, installed is {found}. Install "
                f"{package} {version}, or export the run again."
            )

    def _opened_trees(self) -> Any:
        import annoy

        found = annoy.AnnoyIndex(self.about["dim"] + self._augmented(), "angular")
        found.load(str(self.folder / INDEX / "index.annoy"))
        return found

    def _opened_faiss(self) -> Any:
        import faiss

        flags = faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY
        return faiss.read_index(str(self.folder / INDEX / "index.faiss"), flags)


def answer(
    held: Exported, k: int, user: str | None, item: str | None, features: str | None
) -> list[Candidate]:
    """Answer the one question that is not None."""
    if k < 1:
        raise ReaderError(f"k must be at least 1, got {k}.")
    if user is not None:
        return held.for_user(user, k)
    if item is not None:
        return held.for_item(item, k)
    try:
        described = json.loads(Path(features or "").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReaderError(f"{features} cannot be read as JSON: {error}.") from None
    return held.for_features(described, k)


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
    parser = argparse.ArgumentParser(description="Candidates from an exported folder")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--user", help="id of a user")
    asked.add_argument("--item", help="id of an item, for related ones")
    asked.add_argument("--features", help="JSON file that describes somebody new")
    parser.add_argument("-k", type=int, default=100, help="candidates")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.add_argument("--folder", default=Path(__file__).parent, help="exported folder")
    given = parser.parse_args(arguments)
    try:
        held = Exported(given.folder)
        found = answer(held, given.k, given.user, given.item, given.features)
    except ReaderError as error:
        print(error, file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps([row._asdict() for row in found], indent=2, ensure_ascii=False))
        return 0
    print("\t".join(COLUMNS))
    for row in found:
        print(f"{row.rank}\t{row.item}\t{row.title}\t{row.score:.6g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
