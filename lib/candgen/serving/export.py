"""Export of a run: a folder with vectors, ids, titles, an index and a reader of its own.

    export.json         contents, source and the digest of each file; written last
    index/              the index with its own sidecar; `vectors.npy` are the items
    titles.arrow        one an item, in the order of the index
    user_vectors.npy    one a user of user_ids.npy, or several
    *_order.npy         order of the ids, for binary search
    known_items.npy     items that may be returned
    seen_*.npy          the history of each user
    gram.npy            of a factorization: for folding in
    query_tower.npz     of towers: computes the vector of a new user
    reader*.py          reads the folder with NumPy, pyarrow and the index's library

Ids are the data's own. The folder holds no paths, so it can be moved. It is made aside and takes
its place when it is whole, so a killed export leaves the earlier one.
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen import files, folders, locks, records
from candgen.errors import CandgenError, DataError, did_you_mean
from candgen.retrieval.indexes import reader_index
from candgen.retrieval.indexes.base import SIMILARITIES
from candgen.serving import reader, reader_files, reader_new_users
from candgen.session import paths, runs, status
from candgen.session.records import Metrics
from candgen.text.markdown import as_text
from candgen.text.plain import one_line

VECTORS = "vectors.npz"
_READERS = (
    reader,
    reader_files,
    reader_index,
    reader_new_users,
)  # each needs no other file of candgen


def export(
    run: Path | str,
    folder: Path | str | None = None,
    *,
    kind: str = "exact",
    settings: dict[str, Any] | None = None,
    seed: int = 0,
) -> Path:
    """Write a run's vectors to a folder that answers questions by itself.

    Args:
        run: A run's folder, or its name under `outputs` such as `gowalla/wals`.
        folder: Where it goes; `outputs/exports/RUN` by default. An earlier export is replaced.
        kind: Of the index.
        settings: Of the index.
        seed: Of what is random in building it.

    Returns:
        The folder.

    Raises:
        DataError: If the run has no vectors, is unfinished, or its dataset is gone or changed; if
            the folder is not an earlier export or cannot be written.
        SettingError: If the kind or a setting does not exist.
        BusyError: If another process is exporting to a folder of that name.
    """
    run = find_run(run)
    row, data = _judged(run)
    held = _vectors(run, len(data.items), len(data.users))
    goal = paths.outputs_folder() / "exports" / run.name
    goal = Path(folder).expanduser().absolute() if folder else goal
    with locks.locked(paths.outputs_folder() / "exports" / f".{goal.name}.lock"):
        _check_writable(goal)
        with folders.replacing(goal, folders.EXPORT) as aside:
            _write(aside, run, row, data, held, kind, settings or {}, seed)
    return goal


def _write(
    goal: Path, run: Path, row: dict, data: Any, held: dict, kind: str, settings: dict, seed: int
) -> None:
    from candgen.columns import ITEM_ID, USER_ID
    from candgen.retrieval import indexes

    ids, similarity = data.items[ITEM_ID].to_numpy(), str(held["similarity"])
    index = indexes.build(kind, held["item_vectors"], similarity, ids=ids, seed=seed, **settings)
    index.save(goal / reader_files.INDEX)
    users = held["users"]
    _write_arrays(goal, held, data.history_matrix[users], index.vectors)
    _write_titles(goal / reader_files.TITLES, data.titles)
    user_ids = data.users[USER_ID].to_numpy()[users]
    user_ids = user_ids if user_ids.dtype != object else user_ids.astype(str)
    files.write_array(goal / "user_ids.npy", user_ids)
    files.write_array(goal / "user_order.npy", np.argsort(user_ids, kind="stable"))
    files.write_array(goal / "item_order.npy", np.argsort(index.ids, kind="stable"))
    folding = _folding(run, row, similarity)
    if folding is not None:
        files.write_array(goal / "gram.npy", index.vectors.T.astype(float) @ index.vectors)
    reads = {"history": "list of item ids"} if folding else _tower(run, goal, index)
    for module in _READERS:
        shutil.copyfile(module.__file__, goal / Path(module.__file__).name)
    _describe(goal, run, row, data, index, folding, reads, held["user_vectors"].shape[:-1])


def find_run(name_or_folder: Path | str) -> Path:
    """Find a run by folder, or by name under `outputs`.

    Raises:
        DataError: If there is no such folder, or it holds no vectors.
    """
    given = Path(name_or_folder).expanduser()
    outputs = paths.outputs_folder()
    places = [given, outputs / given]
    if len(given.parts) == 1:
        places += sorted(outputs.glob(f"*/{given.name}"))
    for folder in places:
        if (folder / VECTORS).is_file():
            return folder.resolve()
    known = {str(path.parent.relative_to(outputs)) for path in outputs.glob(f"*/*/{VECTORS}")}
    if any(folder.is_dir() for folder in places):
        raise DataError(
            f"{given} has no {VECTORS}: its generator has no vectors, or the run is unfinished. "
            f"Runs that can be exported: {', '.join(sorted(known)) or 'none yet'}."
        )
    raise DataError(f"There is no run {str(given)!r}.{did_you_mean(str(given), known)}")


def _judged(run: Path) -> tuple[dict[str, Any], Any]:
    """Return what the run recorded of its own generator, and the dataset it was judged on."""
    path = run / runs.METRICS
    if not path.is_file():
        raise DataError(f"{run} is not finished: it has no {runs.METRICS}. Run it to its end.")
    state = status.state_of(run)
    if state not in (status.DONE, status.MISSING):  # missing: a page that was run by hand
        raise DataError(
            f"{run}: its state is {state!r}, so its results may be incomplete. Run it again before "
            "exporting."
        )
    used = (runs.METRICS, VECTORS, runs.QUERY_TOWER)
    if damaged := status.damage(run, status.read(run) or {}, digests=True, only=used):
        raise DataError(f"{run}: {' and '.join(damaged)}. Run it again before exporting.")
    recorded = records.read(path, Metrics, "Run the page again.")
    own = [row for row in recorded["generators"] if not row.get("baseline")]
    described = recorded.get("dataset", {})
    try:
        data = runs.open_dataset(described.get("folder", ""), described.get("evaluate_on", "test"))
    except CandgenError as error:
        raise DataError(
            f"{run}: ids and titles are in its dataset, which cannot be opened. {error}"
        ) from None
    if data.digest != described.get("digest"):
        raise DataError(
            f"{run} was made with another {data.name!r} than lies in {data.folder} now: expected "
            f"digest {str(described.get('digest'))[:12]}…, found {data.digest[:12]}…. Run it again."
        )
    return (own[-1] if own else {}), data


def _vectors(run: Path, n_items: int, n_users: int) -> dict[str, NDArray]:
    path = run / VECTORS
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (
        ValueError,
        TypeError,
        AttributeError,
        OSError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(f"{path} cannot be opened: {error}. Run the page again.") from None
    wanted = {"users", "user_vectors", "item_vectors", "similarity"}
    if missing := sorted(wanted - set(held)):
        raise DataError(f"{path} lacks {', '.join(missing)}. Run the page again.")
    if fault := _fault(held, n_items, n_users):
        raise DataError(f"{path}: {fault} Run the page again.")
    return held


def _fault(held: dict[str, NDArray], n_items: int, n_users: int) -> str | None:
    """Say why arrays are no vectors of a dataset's users and items; None if they are."""
    users, items, similarity = held["users"], held["item_vectors"], held["similarity"]
    if similarity.ndim or str(similarity) not in SIMILARITIES:
        return f"similarity is {str(similarity)[:60]!r}, expected {' or '.join(SIMILARITIES)}."
    if users.ndim != 1 or users.dtype.kind not in "iu":
        return f"users are {users.dtype} of shape {users.shape}, expected a list of whole numbers."
    for name in ("item_vectors", "user_vectors"):
        array = held[name]
        several = name == "user_vectors" and array.ndim == 3 and array.shape[1] > 0
        if (
            not (array.ndim == 2 or several)
            or array.dtype.kind != "f"
            or array.shape[-1:] != items.shape[1:]
        ):
            return (
                f"{name} are {array.dtype} of shape {array.shape}, expected floats with the same "
                "number of columns for users and items."
            )
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(np.float32)).all(axis=tuple(range(1, array.ndim)))
        if not finite.all():
            return (
                f"{np.count_nonzero(~finite):,} of {name} hold NaN, or infinite numbers in 32 "
                f"bits, the first in row {np.argmin(finite)}. Did training diverge?"
            )
    outside = (users < 0) | (users >= n_users)
    if len(items) != n_items or len(users) != len(held["user_vectors"]) or outside.any():
        odd = f"; user {users[outside][0]} is none of them" if outside.any() else ""
        return (
            f"it holds {len(items):,} items and {len(users):,} users with "
            f"{len(held['user_vectors']):,} vectors; its dataset has {n_items:,} items and "
            f"{n_users:,} users{odd}."
        )
    known, times = np.unique(users, return_counts=True)
    if len(known) < len(users):
        return f"it holds user {known[times > 1][0]} {times.max()} times, expected once."
    return None


def _check_writable(goal: Path) -> None:
    """Refuse a folder that cannot be written to, before the index is built."""
    folders.check(goal, folders.EXPORT)
    above = goal
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise DataError(
            f"{goal} cannot be written to: {above} is no folder, or is read-only. Name another "
            "folder: --folder."
        )


def _write_arrays(goal: Path, held: dict[str, NDArray], seen: Any, items: NDArray) -> None:
    files.write_array(goal / "user_vectors.npy", held["user_vectors"].astype(np.float32))
    files.write_array(goal / "known_items.npy", items.any(axis=1))
    files.write_array(goal / "seen_starts.npy", seen.indptr.astype(np.int64))
    files.write_array(goal / "seen_items.npy", seen.indices.astype(np.int32))


def _write_titles(path: Path, titles: NDArray) -> None:
    import pyarrow as pa

    table = pa.table({"title": pa.array(titles.tolist(), pa.string())})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _folding(run: Path, row: dict[str, Any], similarity: str) -> dict[str, float] | None:
    """Return the settings that folding in needs, for a factorization of plain events."""
    if similarity != "dot":
        return None
    kind, settings = _generator(row), row.get("settings") or {}
    try:
        return kind.portable_fold_in(settings)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{run / runs.METRICS}: settings of {row['generator']} lack or garble one that new "
            f"users need ({type(error).__name__}: {error}). Run the page again."
        ) from None


def _generator(row: dict[str, Any]) -> type[Any]:
    """Return the class of a run's generator; the base class, which lacks everything, if unknown."""
    from candgen import models

    name = row.get("generator")
    return models.by_name(name) if name in models.names() else models.Generator


def _tower(run: Path, goal: Path, index: Any) -> dict[str, str]:
    """Copy a run's query tower; return what it reads, nothing where there is none.

    Raises:
        DataError: If it is not the one that the vectors were made with.
    """
    path = run / runs.QUERY_TOWER
    if not path.is_file():
        return {}
    try:
        tower = reader_new_users.QueryTower(path)
        made = tower.about["dim"] + tower.about["ones"], tower.about["n_items"]
    except (KeyError, ValueError, OSError) as error:
        raise DataError(f"{path} cannot be opened: {error}. Run the page again.") from None
    if made != (index.dim, index.n_items):
        raise DataError(
            f"{path} makes vectors of {made[0]} numbers for {made[1]:,} items; {VECTORS} beside it "
            f"holds {index.n_items:,} of {index.dim}. Run the page again."
        )
    shutil.copyfile(path, goal / reader_files.TOWER)
    return tower.reads


def _why_not(row: dict[str, Any]) -> str:
    """Say why the run cannot answer for new users."""
    name, kind = row.get("generator", "unknown"), _generator(row)
    if kind.folds_in_items:
        weighed_by = (row.get("settings") or {}).get("weight_by") or "frequency"
        return f"{name} weighed events here, by {weighed_by}, which a list of items does not say."
    if kind.computes_queries:
        return f"this run of {name} kept no query tower. Run its page again, and export it again."
    return (
        f"vectors of users of {name} are made by what was trained, and a run keeps its vectors "
        "alone. Give the new user events, train again, and export."
    )


def _describe(
    goal: Path,
    run: Path,
    row: dict,
    data: Any,
    index: Any,
    folding: Any,
    reads: dict,
    of_users: tuple[int, ...],
) -> None:
    """Write `export.json` and the README; `of_users`: users, and vectors of each if several."""
    name, why = row.get("generator", "unknown"), "" if reads else _why_not(row)
    kept = sorted(p for p in goal.rglob("*") if p.is_file() and p.suffix != ".py")
    described = {"name": data.name, "digest": data.digest}
    several = {"vectors_per_user": of_users[1]} if len(of_users) > 1 else {}
    description = {
        "format": reader_files.SEVERAL if several else reader_files.ONE, "run": run.name,
        "generator": name, "settings": row.get("settings") or {}, "dataset": described,
        "similarity": index.similarity, "dim": index.dim, "n_items": index.n_items,
        "n_users": of_users[0], **several, "fold_in": folding, "repeats": data.repeats,
        "features": {"reads": reads, "why": why[:1].upper() + why[1:]},
        "files": {
            path.relative_to(goal).as_posix(): {
                "size": path.stat().st_size, "digest": reader_files.digest_of(path)
            }
            for path in kept
        },
    }  # fmt: skip
    said = "".join(f"    {one_line(f'{name:12} {form}')}\n" for name, form in reads.items())
    said = _NEW_USERS.format(said=said) if reads else f"New users: {as_text(why)}\n"
    names = {"run": as_text(run.name), "name": as_text(name), "data": as_text(data.name)}
    about = _README.format(**names, new_users=said)
    files.write_text(goal / "README.md", about)
    files.write_json(goal / reader_files.DESCRIPTION, runs.json_ready(description))


_README = """\
# Candidates of {run}

Vectors of {name}, trained on {data}. Ask from here, with NumPy and pyarrow installed (and annoy or
faiss-cpu, if `index/index.json` names one):

    python reader.py --user ID -k 10
    python reader.py --item ID -k 10 --json
    python reader.py --popular

or from Python, `from reader import Exported; Exported(".").for_user(ID, 10)`.

`reader.py` and the files beside it are code, and whoever sent you this folder could have changed
them. Where candgen is installed, `candgen candidates FOLDER --user ID -k 10` asks the same and runs
none of it: it reads the folder with its own reader.

{new_users}"""
_NEW_USERS = """\
A new user is described by a JSON file: `python reader.py --features FILE`. The file holds one
object with any of these; leave out what is unknown:

{said}"""
