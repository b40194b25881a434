"""Before the search or after it: what is better depends on how many items a filter leaves.

*Before*: the eligible items alone are scored, exactly; the time follows their number. *After*: the
index is asked for more than `k`, in the measure in which the filter is strict, and what is not
eligible is dropped; the time follows how much is asked for, and what the index misses is missed.

`measure` tries both on this machine, with filters of several widths: of *after* it raises the
effort until enough is found. `Rule.choose` then takes the quicker of what finds enough. Exact
search always does, so the rule never finds less than it was asked for, up to what the queries to
come differ from those that it was measured on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.checks import checked
from candgen.errors import DataError, SettingError
from candgen.retrieval.effort import effort_of, most_effort, shares_found, with_effort
from candgen.retrieval.indexes.base import Index
from candgen.retrieval.topk import TopK

STRATEGIES = ("auto", "before", "after")
SHARES = (1.0, 0.3, 0.1, 0.03)  # of the items, that random filters leave
_TIMES = (1, 2, 4, 8, 16, 32)  # the effort that an index is built with
_SOME = 64  # queries that a rule is measured on where none was given
_ERRORS = 2  # standard errors below its mean at which a recall still has to suffice


class Trial(NamedTuple):
    """Both ways under one filter, as they were measured."""

    share: float
    """Of the items that the filter leaves."""
    before: float
    """Seconds a query."""
    after: float
    """Seconds a query, with that effort; infinite where it never finds enough in time."""
    effort: int
    """Of the index, in the unit of its kind."""


class Choice(NamedTuple):
    """How to search under a filter."""

    how: str
    """before or after."""
    effort: int
    """Of the index; 0 before."""


@dataclass(frozen=True)
class Rule:
    """Which way finds enough, and which is quicker."""

    k: int
    """Candidates a query that were asked for."""
    target: float
    """Share of the eligible items' first k that has to be found."""
    trials: tuple[Trial, ...]
    """From the narrowest filter to the widest."""

    def seconds(self, share: float) -> dict[str, float]:
        """Return the expected seconds a query, before and after, for a share of the items.

        Between two filters that were measured, on the line through both, in logarithms.
        """
        held = np.log([trial.share for trial in self.trials])
        around = self._around(share)
        expected = {}
        for name in ("before", "after"):
            if not np.isfinite([getattr(trial, name) for trial in around]).all():
                expected[name] = np.inf
                continue
            spent = [min(getattr(trial, name), 1e9) for trial in self.trials]
            expected[name] = float(
                np.exp(np.interp(np.log(max(share, 1e-12)), held, np.log(spent)))
            )
        return expected

    def choose(self, share: float) -> Choice:
        """Take the quicker way of those that find enough; before, where they are level.

        Filters narrower than all that were measured are searched before.
        """
        expected = self.seconds(share)
        narrow = share < self.trials[0].share
        if narrow or not expected["after"] < expected["before"]:
            return Choice("before", 0)
        return Choice("after", max(trial.effort for trial in self._around(share)))

    def _around(self, share: float) -> list[Trial]:
        """The next narrower and the next wider filter that were measured."""
        held = [trial.share for trial in self.trials]
        place = int(np.searchsorted(held, share))
        chosen = {max(place - 1, 0), min(place, len(held) - 1)}
        if place < len(held) and held[place] == share:
            chosen = {place}
        return [self.trials[place] for place in sorted(chosen)]


def measure(
    index: Index,
    queries: NDArray[np.floating],
    k: int,
    *,
    target: float = 0.95,
    filters: Sequence[NDArray[np.bool_]] = (),
    exclude: csr_array | None = None,
    repeats: int = 2,
    seed: int = 0,
) -> Rule:
    """Try both ways under filters of several widths; a few seconds for a million items.

    Args:
        index: What will be searched.
        queries: Some, such as 64; as many at once as will be asked at once.
        k: Candidates a query.
        target: Share of the eligible items' first k that has to be found, two standard errors
            below the mean over these queries.
        filters: Masks of the kind to come, such as the items near some users; random ones of
            `SHARES` when there are none. A filter that goes with the vectors is harder than a
            random one of its width.
        exclude: Items to withhold from each of these queries, if that will be so later.
        repeats: The best of which counts, after one that compiles.
        seed: Of random filters.

    Raises:
        SettingError: If the target is not within 0 and 1.
        DataError: If a filter leaves nothing, or there are no queries.
    """
    if not 0 <= target <= 1:
        raise SettingError(f"target must lie in 0 .. 1, got {target!r}.")
    if not len(queries):
        raise DataError("A rule is measured on queries, and there are none.")
    rng = np.random.default_rng(seed)
    masks = list(filters) or [rng.random(index.n_items) < share for share in SHARES]
    left = [int(mask.sum()) for mask in masks]
    if filters and not min(left):
        raise DataError("A filter that leaves nothing says nothing of time: leave it out.")
    masks = [mask for _, mask in sorted(zip(left, masks, strict=True), key=lambda p: p[0])]
    trials = [
        _tried(index, queries, k, mask, exclude, target, repeats) for mask in masks if mask.any()
    ]
    return Rule(k, target, tuple(trials))


def search(
    index: Index,
    queries: NDArray[np.floating],
    k: int,
    *,
    eligible: NDArray[np.bool_],
    exclude: csr_array | None = None,
    how: str = "auto",
    rule: Rule | None = None,
) -> TopK:
    """Find the best `k` eligible items for each query, never fewer while so many are eligible.

    Args:
        index: What is searched.
        queries: Shape `(n_queries, dim)`.
        k: Candidates a query.
        eligible: Mask of shape `(n_items,)`.
        exclude: Items to withhold from each query.
        how: "before", "after", or "auto", which does what the rule says.
        rule: Of this index, from `measure`; measured now, on this filter, when "auto" has none.
    """
    if checked("how", how, Literal[STRATEGIES]) == "auto":
        chosen = Choice("before", 0)
        if len(queries) and np.any(eligible):
            seen = None if exclude is None else exclude[:_SOME]
            told = {"filters": [eligible], "exclude": seen}
            rule = rule or measure(index, queries[:_SOME], k, **told)
            chosen = rule.choose(float(np.mean(eligible)))
        how, index = chosen.how, with_effort(index, chosen.effort) if chosen.effort else index
    ask = index.query_exactly if how == "before" else index.query
    return ask(queries, k, exclude=exclude, allowed=eligible)


def search_groups(
    index: Index,
    queries: NDArray[np.floating],
    k: int,
    *,
    groups: NDArray,
    eligible: dict[object, NDArray[np.bool_]],
    exclude: csr_array | None = None,
    how: str = "auto",
    rule: Rule | None = None,
) -> TopK:
    """Search for queries that may see different items, such as those near the place of each.

    Args:
        index: What is searched.
        queries: Shape `(n_queries, dim)`.
        k: Candidates a query.
        groups: The group of each query, shape `(n_queries,)`.
        eligible: Mask of each group.
        exclude: Items to withhold from each query.
        how: As of `search`.
        rule: As of `search`.

    Raises:
        DataError: If a group has no mask.
    """
    groups = np.asarray(groups)
    width = min(k, index.n_items)
    found = TopK(
        np.full((len(queries), width), -1, dtype=np.int32),
        np.full((len(queries), width), -np.inf, dtype=np.float32),
    )
    for group in dict.fromkeys(groups.tolist()):
        if group not in eligible:
            raise DataError(f"Nothing says what is eligible for the group {group!r}.")
        rows = np.flatnonzero(groups == group)
        seen = None if exclude is None else exclude[rows]
        told = {"eligible": eligible[group], "exclude": seen, "how": how, "rule": rule}
        found.items[rows], found.scores[rows] = search(index, queries[rows], k, **told)
    return found


def _tried(
    index: Index,
    queries: NDArray[np.floating],
    k: int,
    eligible: NDArray[np.bool_],
    exclude: csr_array | None,
    target: float,
    repeats: int,
) -> Trial:
    """Time both ways under one filter; of after, with the least effort that finds enough.

    Twice that effort must find enough as well: a search that comes up short is widened, and then
    finds more than one that just did not.
    """
    asked = {"eligible": eligible, "exclude": exclude}
    best, before = _timed(index, queries, k, {**asked, "how": "before"}, repeats)
    usual, most = effort_of(index, k), most_effort(index)
    share, first = float(eligible.mean()), None
    for times in _TIMES:
        effort = min(times * usual, most)
        harder = with_effort(index, effort) if most else index
        found, seconds = _timed(harder, queries, k, {**asked, "how": "after"}, repeats)
        if not _enough(found.items, best.items, target):
            first = None
            if seconds > before or effort == most:
                break  # more effort would take longer still, or there is none
            continue
        if first is None:
            first = Trial(share, before, seconds, effort)
            if effort < most:
                continue
        return first
    return Trial(share, before, np.inf, 0)


def _enough(found: NDArray[np.int32], best: NDArray[np.int32], target: float) -> bool:
    shares = shares_found(found, best)
    shares = shares[np.isfinite(shares)]
    if len(shares) < 2:
        return bool((shares >= target).all())
    error = shares.std(ddof=1) / len(shares) ** 0.5
    return bool(shares.mean() - _ERRORS * error >= target)


def _timed(
    index: Index, queries: NDArray[np.floating], k: int, told: dict[str, Any], repeats: int
) -> tuple[TopK, float]:
    """Return what is found and the seconds a query of the quickest repeat."""
    search(index, queries, k, **told)  # compiles
    quickest = np.inf
    for _ in range(repeats):
        began = time.perf_counter()
        found = search(index, queries, k, **told)
        quickest = min(quickest, time.perf_counter() - began)
    return found, max(quickest, 1e-9) / len(queries)
