"""Costs of serving: vectors looked up or computed, lists stored beforehand, and their ageing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen import evaluation, files, retrieval
from candgen.columns import USER
from candgen.datasets import Dataset
from candgen.evaluation.judging import judged_users
from candgen.evaluation.metrics import gains_of_lists
from candgen.evaluation.significance import bootstrap_intervals
from candgen.models import Generator, VectorGenerator
from candgen.retrieval import NO_ITEM, TopK, indexes
from candgen.seeds import derive_seed

STORED, TAKEN_OUT, FRESH = "stored", "stored, without new events", "searched again"
STORED_WAY = "list stored beforehand"
_SINCE = (0, 1, 3, 6, 11, 21)  # lower edges of groups of users, by their events since
_FEW = 10  # users that a group needs to be shown


def queries_now(model: Generator, data: Dataset, users: NDArray[np.integer]) -> NDArray | None:
    """Return vectors of users from their present histories, without retraining.

    Args:
        model: Fitted to earlier histories.
        data: Of the same users and items, with the present histories.
        users: Dense ids.

    Returns:
        Shape `(len(users), dim)`; None where the generator cannot take new events in.
    """
    if model.folds_in:
        return model.fold_in(data.history_matrix[users])
    if model.reads_histories:
        return model.serving(data).user_vectors(users)
    return None


def serving_costs(
    fitted: Mapping[str, VectorGenerator], data: Dataset, *, k: int, n: int = 100, seed: int = 0
) -> pd.DataFrame:
    """Time the parts of serving one user at a time: the query, then exact search.

    A factorization's vector is looked up, or folded in from the history; a tower's is computed. The
    first generator's lists are also stored beforehand, and read from a mapped file.

    Args:
        fitted: By name.
        data: That they were fitted to.
        k: Candidates a user.
        n: Users that are asked for, drawn at random.
        seed: Of the draw.

    Returns:
        One row per way: `way`; `query_ms` and `search_ms`, medians; `p95_ms`, within which 95 of
        100 users have their candidates; and `stored_mib`, stored vectors or lists.
    """
    rng = np.random.default_rng(derive_seed(seed, "serving"))
    everybody = np.flatnonzero(np.diff(data.history_matrix.indptr))
    users = rng.choice(everybody, size=min(n, len(everybody)), replace=False)
    first = next(iter(fitted.values()))
    rows = [_reading(retrieval.top_items(first, everybody, k).items, everybody, users)]
    for name, model in fitted.items():
        index = indexes.build("exact", model.item_vectors(), model.searched_by)
        ways: dict[str, Callable[[NDArray], NDArray]] = {"computed": model.user_vectors}
        items = index.vectors.nbytes
        if model.folds_in:
            ways = {"looked up": model.user_vectors, "folded in": _folding(model, data)}
            items += model.user_vectors(everybody).nbytes
        for way, query in ways.items():
            timed = _asked(query, index, data, users, k)
            rows.append({"way": f"{name}, {way}", **timed, "stored_mib": items / 2**20})
    return pd.DataFrame(rows)


def storing(model: Generator, data: Dataset, k: int) -> dict[str, float]:
    """Make and store the lists of all users with a history: `users`, `seconds`, `mib` on disk."""
    users = np.flatnonzero(np.diff(data.history_matrix.indptr)).astype(np.int32)
    began = time.perf_counter()
    found = retrieval.top_items(model, users, k)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lists.npz"
        files.write_arrays(path, {"users": users, "items": found.items})
        seconds, size = time.perf_counter() - began, path.stat().st_size
    return {"users": len(users), "seconds": seconds, "mib": size / 2**20}


def ageing(
    model: VectorGenerator, data: Dataset, *, k: int, metric: str, seed: int = 0
) -> pd.DataFrame | None:
    """Judge lists that were stored before the users' latest events, user by user.

    The same generator is fitted to training without validation, and its lists are stored; then
    the users' events of validation happen. Candidates are judged by what came after those.

    Args:
        model: A generator that folds new events in; only its settings are used.
        data: Judged on test, so that validation lies between.
        k: Candidates a user.
        metric: Such as recall@20.
        seed: For the judgements.

    Returns:
        One row a judged user who had a history before: `user`, `since` (events since then),
        `changed` (share of the stored list that a new search would not find) and `taken` (share
        of it that is in the history now), then the metric of each of `STORED`, `TAKEN_OUT` and
        `FRESH`. None where the data is judged on validation, where nothing happened since, or
        where the generator cannot take new events in.
    """
    if data.evaluate_on != "test":
        return None
    before = data.for_validation()
    old = type(model)(**model.settings).fit(before)
    users = judged_users(data).users
    users = users[old.known_users_[users]]
    queries = queries_now(old, data, users)
    since = np.diff(data.history_matrix.indptr) - np.diff(before.history_matrix.indptr)
    if queries is None or not len(users) or not since[users].any():
        return None
    stored = retrieval.top_items(old, users, k)
    fresh = _searched(old, queries, k, exclude=data.withheld_matrix[users])
    taken = _held_by(stored.items, data.withheld_matrix[users])
    left = _without(stored, taken)
    there = np.maximum((stored.items != NO_ITEM).sum(axis=1), 1)
    kept = _held_by(stored.items, _marks(fresh.items, data.n_items))
    told = {
        "user": users, "since": since[users], "taken": taken.sum(axis=1) / there,
        "changed": 1 - kept.sum(axis=1) / there,
    }  # fmt: skip
    cut = [int(metric.split("@")[1])]
    for name, lists in ((STORED, stored), (TAKEN_OUT, left), (FRESH, fresh)):
        found = evaluation.Candidates(users, lists.items, lists.scores)
        per_user = evaluation.judge_candidates(found, data, cut, name, seed=seed).per_user
        told[name] = per_user.set_index(USER)[metric].loc[users].to_numpy()
    return pd.DataFrame(told)


def by_events_since(held: pd.DataFrame, metric: str, *, seed: int = 0) -> pd.DataFrame:
    """Average `ageing` over groups of users by their number of new events, for `plots.by_known`.

    Returns:
        One row a group and line: `measure`, `known` (events since, at least), `generator` (what is
        drawn), `mean`, `low`, `high` and `users`, of all groups together.
    """
    shown = {
        "share of the list": {"changed": "would not be found again", "taken": "in the history now"},
        f"{metric} of what came after": {name: name for name in (STORED, TAKEN_OUT, FRESH)},
    }
    rows = []
    for low, high in pairwise([*_SINCE, np.inf]):
        some = held[(held["since"] >= low) & (held["since"] < high)]
        if len(some) < _FEW:
            continue
        for measure, names in shown.items():
            ends = bootstrap_intervals(some[list(names)].to_numpy(), seed=seed)
            for place, (column, name) in enumerate(names.items()):
                row = {"measure": measure, "known": low, "generator": name}
                row |= {"mean": some[column].mean(), "low": ends.low[place]}
                rows.append(row | {"high": ends.high[place], "users": len(held)})
    return pd.DataFrame(rows)


def difference(held: pd.DataFrame, one: str, other: str, *, seed: int = 0) -> dict[str, float]:
    """Return the mean of `one` less `other`, user by user, with its interval: mean, low, high."""
    values = (held[one] - held[other]).to_numpy()
    low, high = bootstrap_intervals(values[:, None], seed=derive_seed(seed, "bootstrap"))
    return {"mean": float(values.mean()), "low": float(low[0]), "high": float(high[0])}


def said_of_ageing(held: pd.DataFrame, *, seed: int = 0) -> dict[str, Any]:
    """Average `ageing` over users.

    Returns:
        `since`, new events per user; `changed`, the share of a stored list that a new search would
        not find; and the differences, see `difference`, that a new search (`new`) and removing the
        items of the new events (`out`) make to the stored lists.
    """
    return {
        "since": float(held["since"].mean()),
        "changed": float(held["changed"].mean()),
        "new": difference(held, FRESH, STORED, seed=seed),
        "out": difference(held, TAKEN_OUT, STORED, seed=seed),
    }


def related(
    model: VectorGenerator, data: Dataset, n: int, *, n_random: int = 500, seed: int = 0
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Search with item vectors for related items, by cosine and by inner product.

    Args:
        model: Fitted to the data.
        data: Its titles.
        n: Items whose related items are named, from the most popular to the first quarter.
        n_random: Items drawn at random for the medians.
        seed: Of the draw.

    Returns:
        Titles of six related items by cosine, one column per item; and `cosine` and `dot`, the
        median number of users of related items by either, with the number of random items `n`.
    """
    known, counts = np.flatnonzero(model.known_items_), model.item_counts_
    ordered = known[np.argsort(-counts[known], kind="stable")]
    chosen = ordered[np.linspace(0, len(known) // 4, n).astype(int)]
    some = np.random.default_rng(derive_seed(seed, "related")).permutation(known)[:n_random]
    told, titles = {"n": len(some)}, pd.DataFrame()
    for kind in ("cosine", "dot"):
        index = indexes.build("exact", model.item_vectors(), kind)
        only = {"allowed": model.known_items_}
        told[kind] = float(np.median(counts[retrieval.related_items(index, some, 6, **only).items]))
        if kind == "cosine":
            named = retrieval.related_items(index, chosen, 6, **only).items
            titles = pd.DataFrame(data.titles[named].T, columns=data.titles[chosen])
    return titles, told


def _folding(model: Generator, data: Dataset) -> Callable[[NDArray], NDArray]:
    return lambda users: model.fold_in(data.history_matrix[users])


def _asked(
    query: Callable[[NDArray], NDArray],
    index: indexes.Index,
    data: Dataset,
    users: NDArray[np.integer],
    k: int,
) -> dict[str, float]:
    """Time the query and the search of each user alone, after one that compiles."""
    spent = []
    for user in (users[:1], *users[:, None]):
        seen, began = data.withheld_matrix[user], time.perf_counter()
        vector = query(user)
        made = time.perf_counter()
        index.query(vector, k, exclude=seen)
        spent.append((made - began, time.perf_counter() - made))
    return _in_ms(np.array(spent[1:]))


def _reading(
    lists: NDArray[np.int32], everybody: NDArray[np.integer], users: NDArray[np.integer]
) -> dict[str, Any]:
    """Time reading the lists of users, one at a time, from a file that is mapped into memory."""
    places, spent = np.searchsorted(everybody, users), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lists.npy"
        files.write_array(path, lists)
        mapped, size = np.load(path, mmap_mode="r"), path.stat().st_size
        for place in places:
            began = time.perf_counter()
            np.array(mapped[place])
            spent.append((0.0, time.perf_counter() - began))
        del mapped
    return {"way": STORED_WAY, **_in_ms(np.array(spent)), "stored_mib": size / 2**20}


def _in_ms(spent: NDArray[np.float64]) -> dict[str, float]:
    query, search = 1000 * np.median(spent, axis=0)
    slow = 1000 * np.quantile(spent.sum(axis=1), 0.95)
    return {"query_ms": float(query), "search_ms": float(search), "p95_ms": float(slow)}


def _searched(model: VectorGenerator, queries: NDArray, k: int, *, exclude: csr_array) -> TopK:
    index = indexes.build("exact", model.item_vectors(), model.searched_by)
    return index.query(queries, k, exclude=exclude, allowed=model.known_items_)


def _held_by(lists: NDArray[np.int32], matrix: csr_array) -> NDArray[np.bool_]:
    """Mark the items of each row's list that a matrix stores in the same row."""
    return gains_of_lists(lists, matrix) > 0


def _marks(lists: NDArray[np.int32], n_items: int) -> csr_array:
    rows, places = np.nonzero(lists != NO_ITEM)
    stored = (np.ones(len(rows), np.float32), (rows, lists[rows, places]))
    return csr_array(stored, shape=(len(lists), n_items))


def _without(lists: TopK, dropped: NDArray[np.bool_]) -> TopK:
    """Close the gaps that dropped items leave; padding comes last."""
    order = np.argsort(dropped, axis=1, kind="stable")
    gone = np.take_along_axis(dropped, order, axis=1)
    items, scores = (np.take_along_axis(part, order, axis=1) for part in lists)
    return TopK(np.where(gone, NO_ITEM, items), np.where(gone, -np.inf, scores))
