"""A run as a folder to take home: vectors, ids, titles, an index, and a reader that needs no more.

    export.json         what is there, for whom, and by what each file is recognized; written last
    index/              the index with its own sidecar; `vectors.npy` are the items
    titles.parquet      one an item, in the order of the index
    user_vectors.npy    one a user of user_ids.npy
    known_items.npy     which items may be offered
    seen_*.npy          what each user already has
    gram.npy            of a factorization: what folding in needs
    reader.py           answers questions with NumPy, pyarrow and the index's library

Ids are the data's own. Nothing in the folder names a place, so it can be moved.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen import files
from candgen.errors import CandgenError, DataError, did_you_mean
from candgen.workbench import paths, runs, taken_home

VECTORS = "vectors.npz"
_FOLDING = ("unobserved_weight", "regularization", "frequency_power")
_FACTORIZATIONS = ("WALS", "MF-SGD")


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
        DataError: If the run has no vectors, is unfinished, or its dataset is gone or changed.
        SettingError: If the kind or a setting does not exist.
    """
    from candgen.columns import ITEM_ID, USER_ID
    from candgen.retrieval import indexes

    run = find_run(run)
    row, data = _judged(run)
    held = _vectors(run, len(data.items), len(data.users))
    goal = Path(folder) if folder else paths.outputs_folder() / "exports" / run.name
    _clear(goal)
    similarity = str(held["similarity"])
    ids = data.items[ITEM_ID].to_numpy()
    index = indexes.build(
        kind, held["item_vectors"], similarity, ids=ids, seed=seed, **(settings or {})
    )
    index.save(goal / taken_home.INDEX)
    users = held["users"]
    _write_arrays(goal, held, data.history_matrix[users], index.vectors)
    _write_titles(goal / "titles.parquet", data.titles)
    user_ids = data.users[USER_ID].to_numpy()[users]
    _write_array(
        goal / "user_ids.npy", user_ids if user_ids.dtype != object else user_ids.astype(str)
    )
    folding = _folding(row, similarity)
    if folding is not None:
        _write_array(goal / "gram.npy", index.vectors.T.astype(float) @ index.vectors)
    with files.appearing(goal / "reader.py") as passing:
        shutil.copyfile(taken_home.__file__, passing)
    _describe(goal, run, row, data, index, folding, len(users))
    return goal


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
    recorded = files.read_json(path)
    own = [row for row in recorded.get("generators", []) if not row.get("baseline")]
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
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be opened: {error}. Run the page again.") from None
    wanted = {"users", "user_vectors", "item_vectors", "similarity"}
    if missing := sorted(wanted - set(held)):
        raise DataError(f"{path} lacks {', '.join(missing)}. Run the page again.")
    shapes = len(held["item_vectors"]), len(held["users"]), int(held["users"].max(initial=-1))
    if shapes[0] != n_items or shapes[1] != len(held["user_vectors"]) or shapes[2] >= n_users:
        raise DataError(
            f"{path} holds {shapes[0]:,} items and {shapes[1]:,} users up to {shapes[2]}; its "
            f"dataset has {n_items:,} items and {n_users:,} users. Run the page again."
        )
    return held


def _clear(goal: Path) -> None:
    """Make room: an earlier export goes, anything else is not ours to touch."""
    if goal.is_dir() and any(goal.iterdir()) and not (goal / taken_home.DESCRIPTION).is_file():
        raise DataError(f"{goal} is not empty and no earlier export. Name another folder.")
    (goal / taken_home.DESCRIPTION).unlink(missing_ok=True)
    goal.mkdir(parents=True, exist_ok=True)
    for name in ("gram.npy", "index/index.annoy", "index/index.faiss"):
        (goal / name).unlink(missing_ok=True)


def _write_arrays(goal: Path, held: dict[str, NDArray], seen: Any, items: NDArray) -> None:
    _write_array(goal / "user_vectors.npy", held["user_vectors"].astype(np.float32))
    _write_array(goal / "known_items.npy", items.any(axis=1))
    _write_array(goal / "seen_starts.npy", seen.indptr.astype(np.int64))
    _write_array(goal / "seen_items.npy", seen.indices.astype(np.int32))


def _write_array(path: Path, array: NDArray) -> None:
    with files.appearing(path) as passing, open(passing, "wb") as file:
        np.save(file, array, allow_pickle=False)


def _write_titles(path: Path, titles: NDArray) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with files.appearing(path) as passing:
        pq.write_table(pa.table({"title": pa.array(titles.tolist(), pa.string())}), passing)


def _folding(row: dict[str, Any], similarity: str) -> dict[str, float] | None:
    """Return what folding in needs, for a factorization of plain events."""
    settings = row.get("settings", {})
    plain = not settings.get("weight_by") and not settings.get("weight_power")
    if row.get("generator") not in _FACTORIZATIONS or similarity != "dot" or not plain:
        return None
    return {name: float(settings[name]) for name in _FOLDING}


def _describe(
    goal: Path, run: Path, row: dict[str, Any], data: Any, index: Any, folding: Any, n_users: int
) -> None:
    name = row.get("generator", "unknown")
    why = (
        f"vectors of users of {name} are made by what was trained, and a run keeps its vectors "
        "alone. Give the new user events, train again, and export."
    )
    said = {taken_home.DESCRIPTION, "README.md"}
    kept = sorted(p for p in goal.rglob("*") if p.is_file() and p.name not in said)
    kept = [p for p in kept if p.suffix in (".npy", ".parquet", ".annoy", ".faiss", ".json")]
    description = {
        "format": taken_home.FORMAT, "run": run.name, "generator": name,
        "settings": row.get("settings", {}), "dataset": {"name": data.name, "digest": data.digest},
        "similarity": index.similarity, "dim": index.dim, "n_items": index.n_items,
        "n_users": n_users, "fold_in": folding,
        "features": "" if folding else why[0].upper() + why[1:],
        "files": {
            path.relative_to(goal).as_posix(): {
                "size": path.stat().st_size, "digest": taken_home.digest_of(path)
            }
            for path in kept
        },
    }  # fmt: skip
    files.write_text(goal / "README.md", _README.format(run=run.name, name=name, data=data.name))
    files.write_json(goal / taken_home.DESCRIPTION, runs.json_ready(description))


_README = """\
# Candidates of {run}

Vectors of {name}, trained on {data}. Ask from here, with NumPy and pyarrow installed (and annoy or
faiss-cpu, if `index/index.json` names one):

    python reader.py --user ID -k 10
    python reader.py --item ID -k 10 --json

or from Python, `from reader import Exported; Exported(".").for_user(ID, 10)`.
"""
