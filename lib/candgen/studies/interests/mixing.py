"""Users with mixed tastes: how mixed they are, and accounts that several people share.

How mixed a user's tastes are is the spread of the items that the user likes,

    1 - |mean of their vectors|^2,    each vector of length 1:

0 if all of them lie in one direction, near 1 if they have nothing in common. In the invented world
the items are those of the highest true relevance, and their vectors are the hidden ones; elsewhere
they are the items of the history, with the vectors of a generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen import evaluation
from candgen.columns import ITEM, TIMESTAMP, USER, USER_ID
from candgen.datasets import Dataset
from candgen.datasets.dataset import write_dataset
from candgen.datasets.world import Oracle, oracle_of
from candgen.evaluation.significance import MARGIN, verdicts
from candgen.models.base import unit_rows
from candgen.retrieval import top_k
from candgen.retrieval.effort import shares_found

MIXED = ("narrow", "middle", "mixed")
PEOPLE = "people"
"""Column of the users of `shared_accounts`: how many people use the account."""
_BEST = 50  # items of the highest relevance
_ROWS = 256  # users looked at together


def how_mixed(data: Dataset, item_vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the spread of each user's tastes, shape `(n_users,)`, 0 to 1.

    Args:
        data: A dataset, with an oracle or without.
        item_vectors: Vectors that say what the items of a history have in common, shape
            `(n_items, dim)`, such as those of a fitted generator. An oracle has its own.

    Returns:
        NaN for users without a history, where no oracle knows them.
    """
    oracle = oracle_of(data)
    if oracle is not None:
        return _of_relevant(oracle, data)
    liked = data.history_matrix
    lengths = np.diff(liked.indptr)[:, None]
    sums = (liked > 0) @ unit_rows(np.asarray(item_vectors, dtype=np.float32))
    means = np.divide(sums, lengths, out=np.full(sums.shape, np.nan), where=lengths > 0)
    return 1 - (means**2).sum(axis=1)


def _of_relevant(oracle: Oracle, data: Dataset) -> NDArray[np.float64]:
    vectors, spread = unit_rows(oracle.item_vectors), np.empty(data.n_users)
    for start in range(0, data.n_users, _ROWS):
        users = np.arange(start, min(start + _ROWS, data.n_users))
        relevance = oracle.relevance(users, at=data.known_until)
        best = np.argsort(-relevance, axis=1, kind="stable")[:, :_BEST]
        spread[users] = 1 - (vectors[best].mean(axis=1) ** 2).sum(axis=1)
    return spread


def searches_alike(
    query_vectors: NDArray[np.floating], item_vectors: NDArray[np.floating], k: int
) -> float:
    """Return the share of items that two searches of one user have in common, on the average.

    Args:
        query_vectors: Shape `(n_users, vectors, dim)`.
        item_vectors: Shape `(n_items, dim)`.
        k: Items of each search.

    Returns:
        The mean over all pairs of searches and users; 1 where there is one search.
    """
    n_vectors = query_vectors.shape[1]
    lists = [top_k(query_vectors[:, n], item_vectors, k).items for n in range(n_vectors)]
    shares = [shares_found(lists[n], lists[m]).mean() for n in range(n_vectors) for m in range(n)]
    return float(np.mean(shares)) if shares else 1.0


def thirds(values: NDArray[np.floating], users: NDArray[np.integer]) -> NDArray[np.int64]:
    """Number the third of these users that each value falls in, 0 for the smallest."""
    first, second = np.quantile(values[users], [1 / 3, 2 / 3], method="inverted_cdf")
    return (values[users] > first).astype(np.int64) + (values[users] > second)


def differences(
    one: evaluation.Judgement,
    baseline: evaluation.Judgement,
    groups: NDArray[np.integer],
    names: Sequence[str],
    metric: str,
    *,
    margin: float = MARGIN,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare two judgements user by user, within each group of users.

    Args:
        one: A judgement.
        baseline: What it is compared with, over the same users.
        groups: Group of each user of `one.per_user`, in its order: a place in `names`.
        names: Of the groups; those without users are left out.
        metric: A metric that is known per user.
        margin: Differences up to this size mean nothing in practice.
        seed: Of the bootstrap.

    Returns:
        Rows of `evaluation.compare`, one a group, whose name stands in `generator` with its number
        of users. p-values and verdicts are corrected over the groups.
    """
    users, tables = one.per_user[USER].to_numpy(), []
    for number, name in enumerate(names):
        inside = users[groups == number]
        if len(inside):
            both = [_of_users(judgement, inside) for judgement in (one, baseline)]
            table = evaluation.compare(
                both, metric, baseline=baseline.generator, margin=margin, seed=seed
            )
            tables.append(table.assign(generator=f"{name} ({len(inside):,})"))
    found = pd.concat(tables, ignore_index=True)
    columns = (found[name].to_numpy() for name in ("difference", "low", "high"))
    decided = verdicts(*columns, margin=margin, p=found["p"].to_numpy())
    return found.assign(p_adjusted=decided.p_adjusted, verdict=decided.words)


def _of_users(judgement: evaluation.Judgement, users: NDArray[np.integer]) -> evaluation.Judgement:
    kept = judgement.per_user[judgement.per_user[USER].isin(users)].reset_index(drop=True)
    return replace(judgement, per_user=kept, candidates=None, overall={})


def shared_accounts(data: Dataset, folder: Path | str, *, seed: int = 0) -> Dataset:
    """Write the same events with accounts for users: half of the accounts have two people.

    Two thirds of the users are paired at random. An account has the events of its people; where
    both have an item, the first event counts, and one that is known is not held out.

    Args:
        data: A dataset with the parts train, test and perhaps validation.
        folder: Where the new dataset goes.
        seed: Of the pairs.

    Returns:
        The new dataset, judged on the part that `data` is judged on. Its users have one column,
        `people`, 1 or 2; it has no oracle.
    """
    order = np.random.default_rng(seed).permutation(data.n_users)
    n_pairs = data.n_users // 3
    account = np.empty(data.n_users, dtype=np.int64)
    account[order] = np.r_[np.repeat(np.arange(n_pairs), 2), n_pairs : data.n_users - n_pairs]
    tables, known = {}, np.zeros(0, dtype=np.int64)
    for part in ("train", "validation", "test"):
        if data.has(part):
            events = data.table(part).assign(**{USER: lambda t: account[t[USER].to_numpy()]})
            if TIMESTAMP in events:
                events = events.sort_values(TIMESTAMP, kind="stable")
            pairs = events[USER].to_numpy() * data.n_items + events[ITEM].to_numpy()
            new = ~pd.Series(pairs).duplicated().to_numpy() & ~np.isin(pairs, known)
            tables[part], known = events[new].reset_index(drop=True), np.append(known, pairs)
    people = np.bincount(account)
    names = {USER: range(len(people)), USER_ID: range(len(people)), PEOPLE: people}
    tables |= {
        "interactions": pd.concat(list(tables.values()), ignore_index=True),
        "users": pd.DataFrame(names),
        "items": data.items,
    }
    kept = ("source", "licence", "citation", "split")
    about = {name: data.info[name] for name in kept if name in data.info}
    made = write_dataset(folder, tables, {"name": f"{data.name}, shared accounts", **about})
    return made.for_validation() if data.evaluate_on == "validation" else made.for_test()
