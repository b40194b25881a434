"""The study of filters: recall and speed of a search with a filter before or after it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.datasets import Dataset
from candgen.evaluation.metrics import gains_of_lists
from candgen.evaluation.significance import bootstrap_intervals
from candgen.models import Generator, VectorGenerator
from candgen.retrieval import (
    effort,
    filtered_search,
    filters,
    indexes,
    invented_vectors,
    pools,
    top_items,
)
from candgen.seeds import derive_seed

WAYS = {"before": "before", "after": "after", "by the rule": "auto"}
_DAY = 86_400
_SOME = 64  # queries that a rule is measured on
_STRICT = 0.01  # of the items: as narrow as a filter by place may be
_MORE = 3  # times as many candidates are ranked again for the sake of new ones


def by_selectivity(
    index: indexes.Index,
    queries: NDArray[np.floating],
    k: int,
    masks: Mapping[float, Sequence[NDArray[np.bool_]]],
    *,
    rule: filtered_search.Rule,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure filters before, after and by the rule, for shares of items that they leave.

    Args:
        index: What is searched.
        queries: Shape `(n_queries, dim)`; they are shared out among the masks of a share.
        k: Candidates a query.
        masks: By the share that they are meant to leave, one mask or several.
        rule: Of this index.
        seed: Of the intervals.

    Returns:
        One row per share and way: `share`, `way`, `recall` of exact search among what is left with
        `low` and `high` over queries, `ms` a query, and `chosen`, the rule's choice.
    """
    rows = []
    for share, several in masks.items():
        parts = np.array_split(queries, len(several))
        pairs = [(part, mask) for part, mask in zip(parts, several, strict=True) if len(part)]
        best = [index.query_exactly(part, k, allowed=mask).items for part, mask in pairs]
        for way, how in WAYS.items():
            told = {"how": how, "rule": rule}
            found, spent = [], []
            for part, mask in pairs:
                found.append(filtered_search.search(index, part, k, eligible=mask, **told).items)
                spent.append(_seconds(index, part, k, mask, told))
            pairs_of_lists = zip(found, best, strict=True)
            shares = np.concatenate([effort.shares_found(f, b) for f, b in pairs_of_lists])
            row = {"share": share, "way": way, **_interval(shares[np.isfinite(shares)], seed)}
            row["ms"] = 1000 * sum(spent) / len(queries)
            rows.append(row | {"chosen": rule.choose(share).how})
    return pd.DataFrame(rows)


def random_masks(n_items: int, shares: Sequence[float], *, seed: int = 0) -> dict[float, list]:
    """Return a random mask for each share of the items."""
    rng = np.random.default_rng(derive_seed(seed, "random filters"))
    return {share: [rng.random(n_items) < share] for share in shares}


def near_masks(
    made: invented_vectors.Invented, shares: Sequence[float], n: int, *, seed: int = 0
) -> dict[float, list]:
    """Return masks of the items near `n` places, with the radius that leaves each share.

    Places are those of random items, so that there is something near.
    """
    rng = np.random.default_rng(derive_seed(seed, "places"))
    places = made.where[rng.choice(len(made.where), size=n, replace=False)]
    apart = [filters.distances(made.where, place) for place in places]
    return {share: [far <= np.quantile(far, share) for far in apart] for share in shares}


def under_filters(
    index: indexes.Index,
    queries: NDArray[np.floating],
    k: int,
    named: Mapping[str, tuple[NDArray, Mapping[Any, NDArray[np.bool_]]]],
    *,
    exclude: csr_array,
    held_out: csr_array,
    target: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Search for users under filters by the rule, and measure the cost of each filter.

    Args:
        index: What is searched.
        queries: Shape `(n_queries, dim)`.
        k: Candidates a query.
        named: By name, the group of each query and the mask of each group.
        exclude: Histories.
        held_out: Held-out items of each query.
        target: Share of exact search's candidates that the rule must find.
        seed: Of the intervals.

    Returns:
        One row per filter: `filter`, `left` (share of the items), `kept` (share of held-out events
        that it lets through), `recall` of held-out events with `low` and `high`, `of exact` (share
        of exact search's candidates that the rule finds) and `rule`.
    """
    rows = []
    for name, (groups, masks) in named.items():
        told = {"groups": groups, "eligible": dict(masks), "exclude": exclude}
        widths = {group: float(mask.mean()) for group, mask in masks.items()}
        some = [mask for mask in masks.values() if mask.any()]
        some_queries = {"filters": some, "exclude": exclude[:_SOME], "repeats": 1}
        rule = filtered_search.measure(index, queries[:_SOME], k, target=target, **some_queries)
        found = filtered_search.search_groups(index, queries, k, rule=rule, **told).items
        best = filtered_search.search_groups(index, queries, k, how="before", **told).items
        events = np.repeat(groups, np.diff(held_out.indptr))
        pairs = zip(events.tolist(), held_out.indices, strict=True)
        through = [masks[group][item] for group, item in pairs]
        hows = [rule.choose(widths[group]).how for group in groups]
        rows.append(
            {
                "filter": name,
                "left": float(np.mean([widths[group] for group in groups])),
                "kept": float(np.mean(through)),
                **_interval(pools.recalls_of(found, held_out), seed),
                "of exact": effort.agreement(found, best),
                "rule": " or ".join(sorted(set(hows))),
            }
        )
    return pd.DataFrame(rows)


def of_users(
    model: VectorGenerator,
    data: Dataset,
    users: NDArray[np.integer],
    k: int,
    columns: Mapping[str, Any],
    index_kind: str,
    index_settings: Mapping[str, Any],
    *,
    target: float,
    seed: int = 0,
) -> pd.DataFrame:
    """Search a fitted generator's vectors `under_filters` that the dataset's columns allow.

    Args:
        model: Fitted to the data.
        data: With its tables of users and items.
        users: Dense ids of those whose candidates are searched.
        k: Candidates per user.
        columns: `place`, `wanted` and `since` as of `filters_of`; `denied`, how many of the most
            popular items are on a deny list.
        index_kind: As of `indexes.build`.
        index_settings: Of the index.
        target: Share of exact search's candidates that the rule must find.
        seed: Of the building and the intervals.
    """
    vectors, similarity = model.item_vectors(), model.searched_by
    index = indexes.build(index_kind, vectors, similarity, seed=seed, **index_settings)
    popular = np.argsort(-model.item_counts_, kind="stable")[: columns["denied"]]
    named = filters_of(data, users, **{**columns, "denied": popular})
    told = {"exclude": data.withheld_matrix[users], "held_out": data.held_out_matrix[users]}
    queries = model.user_vectors(users)
    return under_filters(index, queries, k, named, **told, target=target, seed=seed)


def filters_of(
    data: Dataset,
    users: NDArray[np.integer],
    *,
    place: str,
    wanted: Mapping[str, Any],
    since: str,
    denied: Sequence[int],
) -> dict[str, tuple[NDArray, dict[Any, NDArray[np.bool_]]]]:
    """Make the filters that a dataset's columns allow, for `under_filters`.

    A column that the dataset lacks gives no filter.

    Args:
        data: With its tables of users and items.
        users: Dense ids of those whose candidates are searched.
        place: Column of users; items near a user have the same value in the column of that name, or
            of its plural.
        wanted: Column of items -> value; one filter each.
        since: Column of items with the time from which each is available, in seconds.
        denied: Items on the deny list.
    """
    everybody = np.zeros(len(users), dtype=int)
    n = data.n_items
    named = {"no filter": (everybody, {0: np.ones(n, bool)})}
    if len(denied):
        named[f"without {len(denied)} items"] = (everybody, {0: filters.without(n, denied)})
    for column, value in ((c, v) for c, v in wanted.items() if c in data.items):
        mask = filters.matching(data.items, **{column: value})
        named[f"{column}: {value}"] = (everybody, {0: mask})
    if since in data.items:
        half = float(np.nanmedian(data.items[since].to_numpy(dtype=float)))
        mask = filters.available(half, since=data.items[since])
        named[f"available by the median {since.replace('_', ' ')}"] = (everybody, {0: mask})
    of_items = next((c for c in (place, f"{place}s") if c in data.items), None)
    if of_items and place in data.users:
        groups = data.users[place].to_numpy()[users]
        masks = {g: filters.matching(data.items, **{of_items: g}) for g in dict.fromkeys(groups)}
        named["near the user"] = (groups, masks)
    return named


def freshness(
    model: Generator,
    data: Dataset,
    users: NDArray[np.integer],
    *,
    k: int,
    metric: str,
    since: str,
    days: float,
    half_life: float,
    weight: float,
    seed: int = 0,
) -> pd.DataFrame:
    """Withhold recently shown items, prefer new items, and measure the cost in recall.

    Args:
        model: Fitted to the data.
        data: Its impressions, and its items' column `since`, are read where there are some.
        users: Dense ids of users with held-out items.
        k: Candidates a user.
        metric: Such as recall@20; its cutoff is used.
        since: Column of items with the time from which each is available; see `days_old`.
        days: Items shown in the last so many days are withheld.
        half_life: Days after which the bonus for new items is half.
        weight: Of the bonus; see `filters.prefer_recent`.
        seed: Of the intervals.

    Returns:
        One row per way: `way`, `recall` with `low` and `high` over users, `age` (median of what is
        offered, in days), `shown before` (share of it that was shown in those days) and `withheld`
        (share of the held-out events whose item may not be offered); `age` and `shown before` are
        NaN where nothing is known of them.
    """
    cut = int(metric.split("@")[1])
    history, held_out = data.withheld_matrix[users], data.held_out_matrix[users]
    ages, shown = days_old(data, since), None
    if data.has("impressions") and data.known_until is not None:
        now = {"moment": float(data.known_until), "seconds": days * _DAY}
        shown = filters.shown_recently(data.known("impressions"), users, data.n_items, **now)
    ways = {"as found": (history, False)}
    if shown is not None:
        ways["not shown again"] = (filters.together(history, shown), False)
    if ages is not None:
        ways["new preferred"] = (history, True)
    if shown is not None and ages is not None:
        ways["both"] = (ways["not shown again"][0], True)
    rows = []
    for way, (withheld, young) in ways.items():
        found = top_items(model, users, _MORE * k if young else k, exclude=withheld)
        if young:
            found = filters.prefer_recent(found, ages, k, half_life=half_life, weight=weight)
        items = found.items[:, :cut]
        row = {"way": way, **_interval(pools.recalls_of(items, held_out), seed)}
        row["age"] = np.nan if ages is None else float(np.median(ages[items[items >= 0]]))
        again = np.nan if shown is None else (gains_of_lists(items, shown) > 0).mean()
        taken = float(held_out.multiply(withheld > 0).sum() / held_out.sum())
        rows.append(row | {"shown before": float(again), "withheld": taken})
    return pd.DataFrame(rows)


def said_of(table: pd.DataFrame) -> dict[str, Any]:
    """Summarize `by_selectivity`: worst recall of the rule and of after, and the rule's choices.

    Returns:
        `recall`, `low` and `high` of the rule where it finds least; `less`, the least that after
        finds; `strict` (text), the least of the rule where at most 1 % is left, "" without such a
        share; and `how` (text).
    """
    ruled, after = (table[table["way"] == way] for way in ("by the rule", "after"))
    sides = {how: ruled.loc[ruled["chosen"] == how, "share"] for how in ("before", "after")}
    ends = []
    if len(sides["before"]):
        ends.append(f"before the search up to {sides['before'].max():.1%} left")
    if len(sides["after"]):
        ends.append(f"after it from {sides['after'].min():.1%} left")
    worst = ruled.loc[ruled["recall"].idxmin(), ["recall", "low", "high"]].to_dict()
    few = ruled.loc[ruled["share"] <= _STRICT, "recall"]
    strict = f"; where at most {_STRICT:.0%} is left, {few.min():.3f}" if len(few) else ""
    return {**worst, "less": after["recall"].min(), "strict": strict, "how": ", ".join(ends)}


def days_old(data: Dataset, column: str) -> NDArray[np.float64] | None:
    """Return the age of each item in days when candidates are asked for; None if it is unknown.

    Seconds since 1970 are expected; of a column named `year`, years. An item without a value is as
    old as the oldest.
    """
    if column not in data.items or (column != "year" and data.known_until is None):
        return None
    held = data.items[column].to_numpy(dtype=float)
    held = np.where(np.isnan(held), np.nanmin(held), held)
    if column == "year":
        return (held.max() - held) * 365.25
    return np.maximum((float(data.known_until) - held) / _DAY, 0)


def _seconds(
    index: indexes.Index, queries: NDArray, k: int, mask: NDArray[np.bool_], told: dict[str, Any]
) -> float:
    """Return the seconds of the quicker of two searches; code is compiled already."""
    spent = []
    for _ in range(2):
        began = time.perf_counter()
        filtered_search.search(index, queries, k, eligible=mask, **told)
        spent.append(time.perf_counter() - began)
    return min(spent)


def _interval(values: NDArray[np.float64], seed: int) -> dict[str, float]:
    ends = bootstrap_intervals(values[:, None], seed=derive_seed(seed, "bootstrap"))
    return {"recall": float(values.mean()), "low": float(ends.low[0]), "high": float(ends.high[0])}
