"""A user to pick, with the history, the held-out items and two lists side by side.

The page stores a sample of the judged users and some of the rows, within a budget of bytes.
Titles stand in one table, and lists hold their places in it. Without script the page shows the
examples alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import USER_ID
from candgen.datasets import Dataset
from candgen.errors import DataError
from candgen.evaluation import Candidates
from candgen.reports import examples
from candgen.reports.comparing import Comparison, Contender
from candgen.reports.interaction.budgets import shortened, size_of
from candgen.reports.interaction.data_blocks import data_block
from candgen.reports.rendering import Fragment, heading, render
from candgen.reports.report import Report
from candgen.reports.results import by_dataset

BUDGET = 800_000
"""Bytes of this data in a whole report; datasets share it evenly."""
MOST_USERS = 200
FEWEST_USERS = 40
"""Rows are left out before fewer users than these are stored."""
MOST_ROWS = 12
OFFERED = 20
"""Candidates shown of each list."""
REMEMBERED = 50
"""Items shown of a history, and of what was held out."""
LONGEST_TITLE = 160
_AROUND = 1000  # bytes of what stands around users and titles
_GOLDEN = (5**0.5 - 1) / 2
_MANY_USERS = 50_000  # judged users; lists of so many are read for featured rows alone


@dataclass(frozen=True)
class _Row:
    """Lists of one row for the users that may be stored."""

    name: str
    lists: NDArray[np.int32]
    """Shape `(n_users, OFFERED)`, padded with -1."""
    values: list[float | None]
    """The report's metric of each user, of the run whose lists these are."""


def candidates(report: Report) -> Fragment:
    """The candidates of users to pick, then of a few examples."""
    share = BUDGET // max(len(report.comparisons), 1)
    return by_dataset(report, lambda ground: _of_dataset(report, ground, share))


def _of_dataset(report: Report, ground: Comparison, budget: int) -> Fragment:
    static = examples.of_dataset(report, ground)
    stored = storable(report, ground, budget)
    if stored is None:
        return static
    html = render("users.html.j2", title=ground.title, block=data_block("users", stored))
    n_users, n_rows = len(stored["users"]), len(stored["rows"])
    return Fragment(html, f"{n_users} users to pick, {n_rows} rows") + heading("Examples") + static


def storable(report: Report, ground: Comparison, budget: int) -> dict[str, Any] | None:
    """Gather what the page stores of one dataset's users.

    Args:
        report: Says which users are examples and which rows are featured.
        ground: The dataset's comparison.
        budget: Bytes of JSON that the result may take.

    Returns:
        `title`, `metric`, `titles`, the number of `judged` users and of `known` rows, `start` (the
        user and the two rows to begin with); `rows`: names; `users`, from the least to the most
        active: `id`, `n` (items in the history), `history`, `m` (held-out items), `held`,
        `values` and `lists`, one a row. Items are places in `titles`; in lists, an item that was
        held out is -1 minus its place. None if no row has candidates or the dataset is gone.
    """
    dataset = ground.dataset
    if dataset is None:
        return None
    chosen = _rows_with_candidates(report, ground)
    if not chosen:
        return None
    judged = np.asarray(chosen[0].per_user.index, dtype=np.int64)
    wanted = _users_in_order(report, ground, dataset, judged)
    rows = [row for row in _read(report, ground, chosen, wanted, len(judged)) if row is not None]
    if not rows:
        return None
    n_rows, histories = len(rows), examples.newest_first(dataset, wanted)
    while True:
        packed = _packed(dataset, histories, rows[:n_rows], budget)
        enough = min(FEWEST_USERS, len(wanted))
        if len(packed["users"]) >= enough or n_rows <= 2:
            break
        n_rows = max(2, n_rows // 2)
    if not packed["users"]:
        return None
    known = sum(contender.candidates is not None for contender in ground.contenders)
    told = {"title": ground.title, "metric": report.metric, "judged": len(judged), "known": known}
    return {**told, "start": _start(packed, dataset, wanted, n_rows), **packed}


def _rows_with_candidates(report: Report, ground: Comparison) -> list[Contender]:
    """List rows that kept candidates, the featured ones first, then the best."""
    ordered = [*report.featured(ground), *ground.ranked(report.metric)]
    labels = dict.fromkeys(contender.label for contender in ordered)
    named = {contender.label: contender for contender in ordered}
    found = [named[label] for label in labels if named[label].candidates is not None]
    return found[:MOST_ROWS]


def _users_in_order(
    report: Report, ground: Comparison, dataset: Dataset, judged: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Order users by how much they are wanted: the examples, then any first few spread evenly."""
    shown = examples.spread_over_activity(dataset, judged, report.example_users)
    apart = examples.disagreeing_users(report, ground)
    lengths = np.diff(dataset.history_matrix.indptr)[judged]
    by_activity = judged[np.argsort(lengths, kind="stable")]
    places = (np.arange(1, MOST_USERS + 1) * _GOLDEN % 1 * len(judged)).astype(np.int64)
    rest = by_activity if len(judged) <= MOST_USERS else []  # the sequence leaves some out
    ordered = np.concatenate([shown, apart, by_activity[places], rest])
    wanted = dict.fromkeys(ordered.astype(np.int64).tolist())
    return np.array(list(wanted)[:MOST_USERS], dtype=np.int64)


def _read(
    report: Report,
    ground: Comparison,
    chosen: Sequence[Contender],
    users: NDArray[np.int64],
    n_judged: int,
) -> Iterator[_Row | None]:
    featured = {contender.label for contender in report.featured(ground)}
    for contender in chosen:
        if contender.label in featured:
            found = ground.judgement(contender).candidates
        elif n_judged > _MANY_USERS:
            continue
        else:
            found = _loaded(contender, ground)
        if found is None:
            continue
        entry = next(one for one in contender.entries if one.candidates is not None)
        values: list[float | None] = [None] * len(users)
        if report.metric in entry.per_user:
            known = entry.per_user[report.metric].reindex(users)
            values = [None if pd.isna(value) else round(float(value), 4) for value in known]
        lists = found.for_users(users)[:, :OFFERED]
        yield _Row(contender.label, lists, values)


def _loaded(contender: Contender, ground: Comparison) -> Candidates | None:
    try:
        return Candidates.load(contender.candidates, ground.dataset, k=OFFERED)
    except DataError:
        return None


def _packed(
    dataset: Dataset, histories: dict[int, list[int]], rows: Sequence[_Row], budget: int
) -> dict[str, Any]:
    """Store users in the order of histories until the budget is spent; return them by activity."""
    held_out = dataset.held_out_matrix
    places: dict[int, int] = {}
    titles: list[str] = []
    packed: list[tuple[int, dict[str, Any]]] = []
    left = budget - size_of([row.name for row in rows]) - _AROUND
    for row_number, (user, history) in enumerate(histories.items()):
        held = held_out.indices[held_out.indptr[user] : held_out.indptr[user + 1]].tolist()
        lists = [row.lists[row_number] for row in rows]
        offered = [[int(item) for item in one if item >= 0] for one in lists]
        named = dict.fromkeys(sum(offered, [*history[:REMEMBERED], *held[:REMEMBERED]]))
        new = [item for item in named if item not in places]
        places |= {item: len(titles) + n for n, item in enumerate(new)}
        fresh = [shortened(dataset.titles[item], LONGEST_TITLE) for item in new]
        wanted = set(held)
        stored = {
            "id": shortened(dataset.users[USER_ID].iloc[user], LONGEST_TITLE),
            "n": len(history),
            "history": [places[item] for item in history[:REMEMBERED]],
            "m": len(held),
            "held": [places[item] for item in held[:REMEMBERED]],
            "values": [row.values[row_number] for row in rows],
            "lists": [[-1 - places[i] if i in wanted else places[i] for i in one]
                      for one in offered],
        }  # fmt: skip
        left -= size_of(stored) + size_of(fresh)
        if left < 0:
            break
        titles += fresh
        packed.append((len(history), stored))
    packed.sort(key=lambda held: held[0])  # stable: of equal activity, the more wanted first
    names = [row.name for row in rows]
    return {"rows": names, "titles": titles, "users": [stored for _, stored in packed]}


def _start(
    packed: dict[str, Any], dataset: Dataset, wanted: NDArray[np.int64], n_rows: int
) -> list[int]:
    """Begin with the last example, an active user, and with the reference beside the best row."""
    ids = [user["id"] for user in packed["users"]]
    first = shortened(dataset.users[USER_ID].iloc[wanted[0]], LONGEST_TITLE)
    return [ids.index(first) if first in ids else 0, 0, min(1, n_rows - 1)]
