"""The feedback loop: a generator that is trained again and again on its own recommendations.

The world goes on after its log ends. Each round a generator is fitted to all events so far and
finds `k` candidates per user, outside the user's history; the first `shown` of them make a page.
An item is noticed as in the world (place ** -position_bias), and a noticed item gets an event with
the probability that the oracle calls relevance. Impressions and events join the log, so the next
round learns from the pages of this one.

Tastes and ages stay as they are at the world's end, so all changes come from the loop. Only the
events that were drawn reach the log, nothing else of the oracle. One random number per user and
place decides about an event; it is the same for every policy.

Chaney, Stewart and Engelhardt, *How algorithmic confounding in recommendation systems increases
homogeneity and decreases utility*, RecSys 2018; Mansoury and others, *Feedback loop and bias
amplification in recommender systems*, CIKM 2020.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen import evaluation, retrieval
from candgen.checks import Count, CountOrZero, checked
from candgen.columns import ENGAGED, ITEM, POSITION, TIMESTAMP, USER
from candgen.datasets import Dataset
from candgen.datasets.description import content_digest
from candgen.datasets.periods import FURTHER, INTERACTIONS, stored
from candgen.datasets.world import Oracle
from candgen.errors import SettingError
from candgen.evaluation.beyond_accuracy import exposure, gini, item_popularity
from candgen.evaluation.exposure_by_group import Groups
from candgen.evaluation.significance import bootstrap_intervals
from candgen.models import Generator
from candgen.seeds import derive_seed

DAY = 86_400  # seconds from one round to the next

Policy = Callable[[Dataset, NDArray[np.int64], int, int], NDArray[np.integer]]
"""From a log, users, `k` and the round to candidates, best first, shape `(n, k)`; -1: none."""


class Page(NamedTuple):
    """Impressions of a round and their events; one entry per place, user by user."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    places: NDArray[np.int64]  # from 1
    engaged: NDArray[np.bool_]


class Rounds(NamedTuple):
    """Results of a policy, round by round."""

    table: pd.DataFrame
    """One row a round: `round`, `relevance` with `low` and `high` (95 %, over users), `coverage`,
    `gini`, `popularity` (mean of the candidates, in users of the world's own log), `gap <groups>`,
    `taken` (events per user) and `seconds`."""
    relevance: NDArray[np.float64]
    """True relevance of each user's candidates, shape `(n_rounds, n_users)`."""
    exposed: dict[str, NDArray[np.float64]]
    """By groups: each user's share of places, shape `(n_rounds, n_users, n_groups)`."""


def by_generator(make: Callable[[int], Generator]) -> Policy:
    """Return the policy of fitting a generator each round; `make` gets the round."""

    def find(dataset, users, k, number):
        return retrieval.top_items(make(number).fit(dataset), users, k).items

    return find


def by_relevance(oracle: Oracle) -> Policy:
    """Return the policy that recommends the most relevant items by the oracle."""

    def find(dataset, users, k, number):
        return evaluation.best_candidates(users, dataset, oracle, k).items

    return find


def feedback_rounds(
    policy: Policy,
    dataset: Dataset,
    oracle: Oracle,
    *,
    rounds: int,
    k: int,
    shown: int,
    groups: Mapping[str, Groups] | None = None,
    position_bias: float | None = None,
    seed: int = 0,
) -> Rounds:
    """Run the feedback loop of one policy.

    Args:
        policy: How candidates are found.
        dataset: The world's log as it is at first.
        oracle: Of the world.
        rounds: How often it is trained again; the first candidates are those of the world's log.
        k: Candidates a user.
        shown: How many of them make a page, at most `k`; a user takes no more than that a round.
        groups: Whose exposure is watched, by name.
        position_bias: Attention falls with place ** -this; None: as the world was made.
        seed: Of the events that are drawn, and of the bootstrap.

    Raises:
        SettingError: If `shown` exceeds `k`, or a number is out of range.
    """
    rounds = checked("rounds", rounds, CountOrZero)
    k, shown = checked("k", k, Count), checked("shown", shown, Count)
    if shown > k:
        raise SettingError(f"shown is {shown}, but there are only k = {k} candidates. Raise k.")
    groups = dict(groups or {})
    if position_bias is None:
        position_bias = float(dataset.info.get("parameters", {}).get("position_bias", 0.5))
    users = np.flatnonzero(np.diff(dataset.history_matrix.indptr) > 0)
    merited = merits(dataset, oracle, groups)
    popularity = item_popularity(dataset)
    log, rows, relevance = dataset, [], []
    exposed: dict[str, list[NDArray]] = {name: [] for name in groups}
    for number in range(rounds + 1):
        began = time.perf_counter()
        items = policy(log, users, k, number)
        rng = np.random.default_rng((derive_seed(seed, "feedback"), number))
        page = show(users, items[:, :shown], oracle, position_bias=position_bias, rng=rng)
        log = with_page(log, page, oracle.end + number * DAY)
        found = evaluation.relevance_of_lists(users, items, oracle, k)
        row = {"round": number, **_described(found, items, popularity, seed=seed)}
        for name, group in groups.items():
            shares = evaluation.exposure_shares(items, group, k)
            exposed[name].append(shares)
            row[f"gap {name}"] = evaluation.gap_of(shares, merited[name]).value
        taken = page.engaged.sum() / len(users)
        rows.append({**row, "taken": taken, "seconds": time.perf_counter() - began})
        relevance.append(found)
    stacked = {name: np.array(shares) for name, shares in exposed.items()}
    return Rounds(pd.DataFrame(rows), np.array(relevance), stacked)


def show(
    users: NDArray[np.int64],
    items: NDArray[np.integer],
    oracle: Oracle,
    *,
    position_bias: float,
    rng: np.random.Generator,
) -> Page:
    """Show each user a page, and draw the events.

    Args:
        users: Shape `(n,)`.
        items: What stands at each place, best first, shape `(n, places)`; -1: nothing.
        oracle: Asked about the world's end.
        position_bias: Place p is noticed with probability p ** -position_bias.
        rng: One number a user and place is drawn.
    """
    chances = rng.random(items.shape)
    row, column = np.nonzero(items >= 0)
    who, what = users[row], items[row, column].astype(np.int64)
    noticed = (column + 1.0) ** -position_bias
    wanted = oracle.relevance_of_pairs(who, what, oracle.end)
    return Page(who, what, column + 1, chances[row, column] < noticed * wanted)


def with_page(dataset: Dataset, page: Page, moment: int) -> Dataset:
    """Return a dataset whose log holds a page, too; made in memory, nothing is written.

    Events join the training events, and pages join the impressions, if it has any. Columns
    that nothing is known of, such as ratings, are missing in the new rows. There is no validation
    part: what the dataset learns from is all in train.

    Args:
        dataset: With everything up to now.
        page: What was shown.
        moment: When, in seconds; places follow each other by a second.
    """
    columns = {USER: page.users, ITEM: page.items, TIMESTAMP: moment + page.places}
    whole = pd.DataFrame({**columns, POSITION: page.places, ENGAGED: page.engaged})
    tables = {name: dataset.known(name) for name in filter(dataset.has, FURTHER)}
    tables["train"] = _joined(dataset.train, whole[page.engaged])
    if "impressions" in tables:
        tables["impressions"] = _joined(tables["impressions"], whole)
    gone = {"fold_in", *(stored(name, "validation") for name in (INTERACTIONS, *FURTHER))}
    kept = {n: facts for n, facts in dataset.info["tables"].items() if n not in gone}
    held = {n: frame for n, frame in dataset._tables.items() if n in kept}
    text = f"{dataset.digest} {moment} {content_digest(whole)}"  # a training is known by its digest
    info = {**dataset.info, "tables": kept, "digest": hashlib.sha256(text.encode()).hexdigest()}
    return replace(dataset, info=info, evaluate_on="test", _tables={**held, **tables})


def merits(
    dataset: Dataset, oracle: Oracle, groups: Mapping[str, Groups]
) -> dict[str, NDArray[np.float64]]:
    """Return the merit shares of groups for the loop's users, before its first round."""
    users = np.flatnonzero(np.diff(dataset.history_matrix.indptr) > 0)
    return {n: evaluation.merit_shares(users, dataset, oracle, g) for n, g in groups.items()}


def changes(
    found: Mapping[str, Rounds],
    merited: Mapping[str, NDArray[np.float64]],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the last round of each policy with its first, user by user.

    Args:
        found: By policy.
        merited: From `merits`.
        seed: Of the bootstrap.

    Returns:
        One row a policy and measure ("relevance", "gap <groups>"): `policy`, `measure`, `first`,
        `last`, `change`, `low` and `high` (95 %, over users).
    """
    rows = []
    for policy, one in found.items():
        less = one.relevance[-1] - one.relevance[0]
        low, high = bootstrap_intervals(less[:, None], seed=derive_seed(seed, "bootstrap"))
        rows.append((policy, "relevance", less.mean(), low[0], high[0]))
        for name, shares in one.exposed.items():
            change = evaluation.gap_change(shares[0], shares[-1], merited[name], seed=seed)
            rows.append((policy, f"gap {name}", *change))
    table = pd.DataFrame(rows, columns=["policy", "measure", "change", "low", "high"])
    ends = [[found[p].table[m].iloc[end] for p, m, *_ in rows] for end in (0, -1)]
    table.insert(2, "first", ends[0])
    table.insert(3, "last", ends[1])
    return table


def _described(
    found: NDArray[np.float64], items: NDArray, popularity: NDArray, *, seed: int
) -> dict[str, float]:
    low, high = bootstrap_intervals(found[:, None], seed=derive_seed(seed, "bootstrap"))
    seen = exposure(items, len(popularity))
    return {
        "relevance": found.mean(),
        "low": low[0],
        "high": high[0],
        "coverage": float((seen > 0).mean()),
        "gini": gini(seen),
        "popularity": float((seen * popularity).sum() / max(seen.sum(), 1)),
    }


def _joined(table: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Append rows to a table, in its columns and types; missing values stay missing."""
    if not len(new):
        return table
    rows = new.reindex(columns=table.columns)
    kinds = {n: k for n, k in table.dtypes.items() if n in new or pd.api.types.is_float_dtype(k)}
    return pd.concat([table, rows.astype(kinds)], ignore_index=True)
