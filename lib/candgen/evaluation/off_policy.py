"""Values of policies: what a list would earn if it were shown, from a log of another policy.

A round is one place of one page: user u is shown item a at position p, with a chance e(a) that the
log notes (the *propensity*), and engages (r = 1) or not (r = 0). The policy that is valued offers
the model's first k candidates: at every place it shows one of them, each with the chance 1 / k
(1 / n if the list has n < k items). With k = 1 it always shows the first candidate. Its value is
the mean engagement of a round, over the users and positions of the log.

With w = pi(a | u) / e(a), the chance of the shown item under this policy over that in the log:

| estimate | mean over rounds of | its error |
|---|---|---|
| ips | w r | unbiased; noisy where weights are large |
| snips | w r, divided by the mean of w | a little bias, less noise |
| dr | q(u, pi, p) + w (r - q(a, p)) | unbiased; the better q predicts, the less noise |

q is an item's rate of engagement in what models know, drawn towards the mean rate as far as the
item was shown seldom, times how much more or less a position is engaged with than the mean. It is
learned from other rounds than those it is applied to, so dr is unbiased whatever q.

All three need every item of a list to have had a chance in every round, and true propensities: the
mean weight is then 1 but for chance. Rounds of items outside of the catalogue count, with a weight
of 0. Only users with a history are asked about, since who is known by held-out events alone is
known because of an engagement. For the same reason lists must not depend on what happens in the
held-out time, and a repeated pair counts with its first event.

The effective sample size (sum of w)^2 / sum of w^2 is the number of rounds of the valued policy
itself that would say as much. Intervals are 95 % by Student's t and the jackknife over users, or
over rounds where these are independent.

Horvitz and Thompson, JASA 47, 1952; Swaminathan and Joachims, NeurIPS 2015 (snips); Dudik, Langford
and Li, *Doubly robust policy evaluation and learning*, ICML 2011; Saito et al., *Open Bandit
Dataset and Pipeline*, NeurIPS 2021; Kish, *Survey Sampling*, 1965 (effective sample size); Efron
and Stein, *The jackknife estimate of variance*, Annals of Statistics 9, 1981.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from candgen.columns import ENGAGED, ITEM, POSITION, PROPENSITY, TIMESTAMP, USER
from candgen.datasets.dataset import Dataset
from candgen.datasets.filtering import repeats_label
from candgen.datasets.periods import UNLISTED
from candgen.errors import DataError
from candgen.evaluation.significance import LEVEL
from candgen.retrieval import NO_ITEM

ESTIMATES = ("ips", "snips", "dr")
FEW = 100
"""Effective rounds below which an interval is not to be trusted."""
FEW_ENGAGED = 10
"""Engaged rounds with a weight below which an interval is not to be trusted."""
_SURE = 1.5  # half widths of its interval that the mean weight may be away from 1
_PRIOR = 20.0  # impressions at the mean rate that every item has beside its own

Independent = Literal["users", "rounds"]


class Rounds(NamedTuple):
    """Rounds of a log, one entry a round."""

    users: NDArray[np.integer]
    items: NDArray[np.integer]
    """Dense ids; `NO_ITEM` for items outside of the catalogue."""
    positions: NDArray[np.integer]
    """1 is the top; all 1 where the log notes none."""
    propensities: NDArray[np.floating]
    """Chance of the item in the log, above 0 to 1."""
    engaged: NDArray[np.bool_]


class Rates(NamedTuple):
    """Prediction of engagement, as learned from earlier rounds."""

    items: NDArray[np.float64]
    """Rate of each item, shape `(n_items,)`."""
    positions: NDArray[np.float64]
    """Factor of each position from 1 on, shape `(n_positions,)`; deeper ones have the last."""

    def of(self, items: NDArray[np.integer], positions: NDArray[np.integer]) -> NDArray[np.float64]:
        """Predict engagement, 0 .. 1; shapes are broadcast, and `NO_ITEM` is predicted 0."""
        places = np.minimum(positions, len(self.positions)) - 1
        rates = np.where(items == NO_ITEM, 0.0, self.items[np.maximum(items, 0)])
        return np.minimum(rates * self.positions[places], 1.0)


def why_no_values(dataset: Dataset) -> str:
    """Return why policies cannot be valued on a dataset, as a sentence; empty if they can."""
    if not dataset.judges("impressions"):
        return (
            f"{dataset.name!r} has no held-out impressions. Prepare it with impressions_path and a "
            "split by time."
        )
    if PROPENSITY not in dataset.columns("impressions"):
        return (
            f"The impressions of {dataset.name!r} have no propensities: nobody noted with which "
            "chance an item was shown."
        )
    policy = dataset.info.get("split", {}).get("policy")
    if policy != "timeline" or dataset.known_until is None:
        return (
            f"{dataset.name!r} is split by {policy!r}, which holds rounds out by what was engaged "
            "with. Values of policies need the split 'timeline'."
        )
    merged = any(step["step"] == repeats_label("last") for step in dataset.info.get("steps", []))
    if merged:
        return (
            f"In {dataset.name!r} a repeated pair counts with its last event, so what is missing "
            "from a history tells what is engaged with later. Prepare it with duplicates=first."
        )
    return ""


def held_out_rounds(dataset: Dataset) -> Rounds:
    """Return the rounds in the time of the held-out events, of users with a history.

    All rounds of that time count. One that reveals an event of a later part is stored with that
    part, and would be missing because of what it shows.

    Raises:
        DataError: If the dataset has no such rounds, or no propensities.
    """
    if why := why_no_values(dataset):
        raise DataError(why)
    later = dataset.info["split"].get("test_starts") if dataset.evaluate_on != "test" else None
    tables = [dataset.everything("impressions")]
    if dataset.has(UNLISTED):
        tables.append(dataset.everything(UNLISTED).assign(**{ITEM: NO_ITEM}))
    rows = pd.concat(tables, ignore_index=True)
    times = rows[TIMESTAMP].to_numpy()
    history = np.diff(dataset.history_matrix.indptr) > 0
    kept = (times >= dataset.known_until) & history[rows[USER].to_numpy()]
    rows = rows[kept & (times < later) if later is not None else kept]
    if not len(rows):
        raise DataError(
            f"No user of {dataset.name!r} with a history was shown anything in the held-out time."
        )
    positions = rows[POSITION].to_numpy() if POSITION in rows else np.ones(len(rows), np.int16)
    columns = (rows[name].to_numpy() for name in (PROPENSITY, ENGAGED))
    return Rounds(rows[USER].to_numpy(), rows[ITEM].to_numpy(), positions, *columns)


def shown_at_random(rounds: Rounds) -> bool:
    """Tell whether all items had the same chance in every round.

    Engagements are then biased by no exposure, and plain metrics on them are estimates without
    bias.
    """
    return bool(np.ptp(rounds.propensities) <= 1e-9)


def known_rates(dataset: Dataset) -> Rates:
    """Learn rates of items and positions from the impressions that models know."""
    known = dataset.known("impressions")
    engaged = known[ENGAGED].to_numpy(np.float64)
    positions = known[POSITION].to_numpy() if POSITION in known else np.ones(len(known), int)
    return rates_of(known[ITEM].to_numpy(), positions, engaged, n_items=dataset.n_items)


def rates_of(
    items: NDArray[np.integer],
    positions: NDArray[np.integer],
    engaged: NDArray[np.floating] | NDArray[np.bool_],
    *,
    n_items: int,
) -> Rates:
    """Learn rates from rounds, one entry a round; without any, every rate is 0.

    Args:
        items: Dense ids.
        positions: 1 is the top.
        engaged: 1 or 0.
        n_items: Size of the catalogue.
    """
    if not len(items):
        return Rates(np.zeros(n_items), np.ones(1))
    mean = float(np.mean(engaged))
    shown = np.bincount(items, minlength=n_items)
    taken = np.bincount(items, weights=engaged, minlength=n_items)
    rates = (taken + _PRIOR * mean) / (shown + _PRIOR)
    places = np.bincount(positions - 1)
    of_place = np.bincount(positions - 1, weights=engaged)
    smooth = (of_place + _PRIOR * mean) / (places + _PRIOR)
    return Rates(rates, smooth / mean if mean else np.ones(len(smooth)))


def value_of(
    lists: NDArray[np.integer],
    users: NDArray[np.integer],
    rounds: Rounds,
    k: int,
    *,
    rates: Rates,
    independent: Independent = "users",
) -> pd.DataFrame:
    """Estimate the value of offering the first `k` of each list.

    Args:
        lists: Dense ids, best first, padded with `NO_ITEM`, shape `(n_users, at least k)`.
        users: The user of each list, ascending, shape `(n_users,)`. Rounds of users without a
            list, or with an empty one, are left out.
        rounds: Of the log.
        k: Candidates offered.
        rates: Prediction of engagement, learned from other rounds.
        independent: Whether intervals are over users, whose rounds go together, or over rounds.

    Returns:
        One row for each of `ESTIMATES`: `estimate`, `value`, `low` and `high` (95 %); then the
        same in every row: `rounds`, those of them with a weight (`matched`) and engaged besides
        (`matched_engaged`), `effective` sample size, and the `weight` of the mean round, with
        `weight_low` and `weight_high`, which should hold 1.

    Raises:
        DataError: If no round is of a user with a list.
    """
    place = np.minimum(np.searchsorted(users, rounds.users), len(users) - 1)
    offered = lists[place][:, :k]  # (n_rounds, k)
    lengths = (offered != NO_ITEM).sum(axis=1)
    asked = (users[place] == rounds.users) & (lengths > 0)
    if not asked.any():
        raise DataError("No round of the log is of a user with candidates.")
    rounds = Rounds(*(column[asked] for column in rounds))
    offered, lengths = offered[asked], lengths[asked]
    found = ((offered == rounds.items[:, None]) & (offered != NO_ITEM)).any(axis=1)
    weights = found / lengths / rounds.propensities
    engaged = rounds.engaged.astype(np.float64)
    direct = rates.of(offered, rounds.positions[:, None]).sum(axis=1) / lengths
    missed = engaged - rates.of(rounds.items, rounds.positions)
    ones = np.ones(len(weights))
    groups = rounds.users if independent == "users" else np.arange(len(ones))
    parts = {
        "ips": (weights * engaged, ones),
        "snips": (weights * engaged, weights),
        "dr": (direct + weights * missed, ones),
        "weight": (weights, ones),
    }
    ratios = {name: _ratio(*part, groups) for name, part in parts.items()}
    _, weight_low, weight_high = ratios["weight"]
    squares = (weights**2).sum()
    return pd.DataFrame(
        [(name, *ratios[name]) for name in ESTIMATES], columns=["estimate", "value", "low", "high"]
    ).assign(
        rounds=len(weights),
        matched=int(found.sum()),
        matched_engaged=int((found & rounds.engaged).sum()),
        effective=weights.sum() ** 2 / squares if squares else 0.0,
        weight=weights.mean(),
        weight_low=weight_low,
        weight_high=weight_high,
    )


def policy_values(
    lists: Mapping[str, NDArray[np.integer]],
    users: NDArray[np.integer],
    dataset: Dataset,
    k: int,
    *,
    independent: Independent = "users",
) -> pd.DataFrame:
    """Estimate the value of several generators' lists on the held-out rounds of a dataset.

    Args:
        lists: By generator, candidates of the same users, shape `(n_users, at least k)`.
        users: The user of each list, ascending.
        dataset: With impressions and propensities, split by time.
        k: Candidates offered.
        independent: Whether intervals are over users or over rounds.

    Returns:
        The rows of `value_of` for each generator, with the column `generator` in front. A last
        one, called "as logged", has the mean engagement of the log itself.

    Raises:
        DataError: If the dataset has no rounds with propensities.
    """
    rounds, rates = held_out_rounds(dataset), known_rates(dataset)
    asked = {"rates": rates, "independent": independent}
    tables = [
        value_of(items, users, rounds, k, **asked).assign(generator=name)
        for name, items in lists.items()
    ]
    tables.append(_as_logged(rounds, independent))
    whole = pd.concat(tables, ignore_index=True)
    return whole[["generator", *(name for name in whole if name != "generator")]]


def value_warnings(values: pd.DataFrame) -> list[str]:
    """Return sentences on values that are not to be trusted; empty if all are.

    A mean weight is told of if it is three standard errors away from 1.

    Args:
        values: From `policy_values`.
    """
    said = []
    for row in values.drop_duplicates("generator").itertuples():
        if row.effective < FEW or row.matched_engaged < FEW_ENGAGED:
            said.append(
                f"{row.generator}: the log says as much as {row.effective:,.0f} rounds of its own, "
                f"{row.matched_engaged:,} of the rounds that count were engaged with. Below {FEW} "
                f"and {FEW_ENGAGED} intervals are not to be trusted: raise k, or hold out more."
            )
        reach = _SURE * (row.weight_high - row.weight_low) / 2
        if row.weight + reach < 1:
            said.append(
                f"{row.generator}: the mean weight is {row.weight:.2f}, less than 1. A part of the "
                "lists had no chance in the log, or propensities are too large: ips is too low."
            )
        elif row.weight - reach > 1:
            said.append(
                f"{row.generator}: the mean weight is {row.weight:.2f}, more than 1. Propensities "
                "are too small, or rounds are missing: ips is too high."
            )
    return said


def _as_logged(rounds: Rounds, independent: Independent) -> pd.DataFrame:
    """Return the mean engagement of the log, as one row of `value_of`."""
    n = len(rounds.users)
    groups = rounds.users if independent == "users" else np.arange(n)
    value, low, high = _ratio(rounds.engaged.astype(np.float64), np.ones(n), groups)
    row = {"generator": "as logged", "estimate": "mean", "value": value, "low": low, "high": high}
    row |= {"rounds": n, "matched": n, "matched_engaged": int(rounds.engaged.sum())}
    row |= {"effective": float(n), "weight": 1.0, "weight_low": 1.0, "weight_high": 1.0}
    return pd.DataFrame([row])


def _ratio(
    above: NDArray[np.float64], below: NDArray[np.float64], groups: NDArray[np.integer]
) -> tuple[float, float, float]:
    """Return a ratio of sums, and its interval by the jackknife over groups; NaN for 0 / 0."""
    _, group = np.unique(groups, return_inverse=True)
    a, b = (np.bincount(group, weights=column) for column in (above, below))
    if not b.sum():
        return np.nan, np.nan, np.nan
    value, n = a.sum() / b.sum(), len(a)
    rest = b.sum() - b
    if n < 2 or not (rest > 0).all():
        return value, -np.inf, np.inf
    without = (a.sum() - a) / rest  # (n,) the ratio without each group
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    reach = stdtrit(n - 1, (1 + LEVEL) / 2) * error  # quantile of Student's t
    return float(value), float(value - reach), float(value + reach)
