"""A few users to look at: what they had, what was held out, and what each run offers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen import evaluation
from candgen.columns import ITEM, TIMESTAMP, USER, USER_ID
from candgen.datasets import Dataset
from candgen.evaluation import Judgement
from candgen.reports.comparing import Comparison, Contender
from candgen.reports.rendering import Cell, Fragment, Table, fold, note, render, value
from candgen.reports.report import Report
from candgen.reports.results import by_dataset

OFFERED = 10
REMEMBERED = 8
DISAGREEING = 5


@dataclass(frozen=True)
class Offer:
    """Candidates of one run for one user, best first."""

    name: str
    titles: list[tuple[str, bool]]
    """Each title, and whether it was held out."""


@dataclass(frozen=True)
class Example:
    """One user."""

    name: str
    history: list[str]
    """The last titles before the candidates were asked for, the newest first."""
    n_history: int
    held_out: list[str]
    n_held_out: int
    offers: list[Offer]


def side_by_side(report: Report) -> Fragment:
    """Candidates of a few users, from the least to the most active."""
    return by_dataset(report, lambda ground: of_dataset(report, ground))


def of_dataset(report: Report, ground: Comparison) -> Fragment:
    """Candidates of a few users of one dataset."""
    judgements = _with_candidates(report, ground)
    if ground.dataset is None or not judgements:
        return _nothing(ground)
    users = spread_over_activity(
        ground.dataset, judgements[0].per_user[USER].to_numpy(), report.example_users
    )
    return _examples(ground.dataset, users, judgements)


def disagreement(report: Report) -> Fragment:
    """Show the users for which runs differ most, and the overlap of their lists."""
    return by_dataset(report, lambda ground: _disagreement(report, ground))


def _disagreement(report: Report, ground: Comparison) -> Fragment:
    chosen = [c for c in report.featured(ground) if report.metric in c.per_user]
    if len(chosen) < 2:
        return note("It takes two runs to disagree.")
    values, users = _metric_of_rows(report, chosen), disagreeing_users(report, ground)
    history = None if ground.dataset is None else np.diff(ground.dataset.history_matrix.indptr)
    rows = []
    for user in users:
        lengths = [] if history is None else [value(int(history[user]), digits=0)]
        rows.append([Cell(_user_name(ground.dataset, user)), *lengths,
                     *(value(values.loc[user, c.label], digits=3) for c in chosen)])  # fmt: skip
    heads = ["user", *([] if history is None else ["history"]), *(c.label for c in chosen)]
    caption = f"{report.metric} of the users for which runs differ most, {ground.title}"
    shown = Table(caption, heads, rows).fragment()
    judgements = _with_candidates(report, ground)
    if len(judgements) > 1 and ground.dataset is not None:
        shown = shown + _shared(report, ground, judgements)
        candidates = _examples(ground.dataset, users, judgements)
        shown = shown + fold("What each run offers these users", candidates)
    return shown


def disagreeing_users(report: Report, ground: Comparison) -> list[int]:
    """Return the users for which featured rows differ most; none of fewer than two rows."""
    chosen = [c for c in report.featured(ground) if report.metric in c.per_user]
    return [] if len(chosen) < 2 else most_apart(_metric_of_rows(report, chosen), DISAGREEING)


def _metric_of_rows(report: Report, chosen: Sequence[Contender]) -> pd.DataFrame:
    """Return the report's metric of each user, a column a row, without users that one row lacks."""
    return pd.DataFrame({c.label: c.per_user[report.metric] for c in chosen}).dropna()


def _shared(report: Report, ground: Comparison, judgements: Sequence[Judgement]) -> Fragment:
    cutoff = int(report.metric.rpartition("@")[2])
    table = evaluation.overlap(judgements, cutoff)
    rows = [
        [Cell(str(name)), *(value(float(number), digits=2) for number in table.loc[name])]
        for name in table.index
    ]
    caption = f"Share of the first {cutoff} that two runs have in common, {ground.title}"
    return Table(caption, ["run", *map(str, table.columns)], rows, sortable=False).fragment()


def spread_over_activity(
    dataset: Dataset, users: NDArray[np.integer], n: int
) -> NDArray[np.integer]:
    """Pick `n` users from the shortest history to the longest, evenly; the same ones every time."""
    lengths = np.diff(dataset.history_matrix.indptr)[users]
    order = users[np.argsort(lengths, kind="stable")]
    places = np.linspace(0, len(order) - 1, num=min(n, len(order)) + 2)[1:-1]
    return order[np.round(places).astype(int)]


def most_apart(values: pd.DataFrame, n: int) -> list[int]:
    """Pick the `n` users with the largest distance between their best and worst run.

    Of equal distances the one with more different values wins, then the smaller user.
    """
    distance = (values.max(axis=1) - values.min(axis=1)).round(9)
    order = pd.DataFrame({"apart": -distance, "alike": -values.std(axis=1).round(9)})
    return [int(user) for user in order.sort_values(["apart", "alike"], kind="stable").index[:n]]


def _with_candidates(report: Report, ground: Comparison) -> list[Judgement]:
    judgements = [ground.judgement(c) for c in report.featured(ground)]
    return [judgement for judgement in judgements if judgement.candidates is not None]


def _examples(
    dataset: Dataset, users: Sequence[int] | NDArray, judgements: Sequence[Judgement]
) -> Fragment:
    examples = [_example(dataset, int(user), judgements) for user in users]
    return Fragment(render("examples.html.j2", examples=examples), f"{len(examples)} example users")


def _example(dataset: Dataset, user: int, judgements: Sequence[Judgement]) -> Example:
    history = newest_first(dataset, np.array([user]))[user]
    matrix = dataset.held_out_matrix
    held_out = matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]]
    wanted = set(held_out.tolist())
    offers = []
    for judgement in judgements:
        items = judgement.candidates.for_users(np.array([user]))[0][:OFFERED]
        titles = [(dataset.titles[item], int(item) in wanted) for item in items if item >= 0]
        offers.append(Offer(judgement.generator, titles))
    return Example(
        name=_user_name(dataset, user),
        history=[dataset.titles[item] for item in history[:REMEMBERED]],
        n_history=len(history),
        held_out=[dataset.titles[item] for item in held_out[:REMEMBERED]],
        n_held_out=len(held_out),
        offers=offers,
    )


def newest_first(dataset: Dataset, users: NDArray[np.integer]) -> dict[int, list[int]]:
    """Return the different items of each user's history, the newest first.

    Args:
        dataset: Its training and fold-in events are read; without times, later rows are newer.
        users: Dense ids.
    """
    parts = [dataset.train]
    if dataset.has("fold_in"):
        parts.append(dataset.table("fold_in"))
    events = pd.concat([part[part[USER].isin(users)] for part in parts], ignore_index=True)
    if TIMESTAMP in events:
        events = events.sort_values(TIMESTAMP, kind="stable")
    found: dict[int, list[int]] = {int(user): [] for user in users}
    for user, items in events[::-1].groupby(USER, sort=False)[ITEM]:
        found[int(user)] = list(dict.fromkeys(items.tolist()))
    return found


def _user_name(dataset: Dataset | None, user: int) -> str:
    return f"user {user if dataset is None else dataset.users[USER_ID].iloc[user]}"


def _nothing(ground: Comparison) -> Fragment:
    missing = "the prepared dataset is" if ground.dataset is None else "candidates are"
    return note(f"No titles to show for {ground.title}: {missing} not at hand.", tone="warning")
