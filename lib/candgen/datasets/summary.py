"""Tables that describe a prepared dataset: its size, its parts and their overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import ITEM, RATING, TIMESTAMP, USER
from candgen.datasets.dataset import PARTS, Dataset


def summary(data: Dataset) -> pd.DataFrame:
    """Describe the interactions in one column: counts, sparsity, activity, long tail, ratings."""
    columns = data.columns("interactions")
    per_user = per_id(data, "interactions", USER)
    per_item = np.sort(per_id(data, "interactions", ITEM))[::-1]
    n_events, cells = data.n_events, data.n_users * data.n_items
    head = max(1, data.n_items // 100)
    rows = {
        "users": f"{data.n_users:,}",
        "items": f"{data.n_items:,}",
        "events": f"{n_events:,}",
        "empty cells (sparsity)": f"{1 - n_events / cells:.2%}",
        "events per user, median": f"{np.median(per_user):,.0f}",
        "events per item, median": f"{np.median(per_item):,.0f}",
        "share of the top 1% of items": f"{per_item[:head].sum() / n_events:.1%}",
    }
    if RATING in columns:
        rows["mean rating"] = f"{data.column('interactions', RATING).mean(dtype=np.float64):.2f}"
    if TIMESTAMP in columns:
        rows["first day"], rows["last day"] = _days(data.column("interactions", TIMESTAMP))
    return pd.DataFrame({data.name: rows})


def per_id(data: Dataset, table: str, column: str) -> NDArray[np.int64]:
    """Count the events of each user or item, reading that column alone.

    Args:
        data: A prepared dataset.
        table: An event table.
        column: `user` or `item`.
    """
    n = data.n_users if column == USER else data.n_items
    return np.bincount(data.column(table, column), minlength=n)


def parts(data: Dataset) -> pd.DataFrame:
    """Describe each part of the split, one row a part: events, share, users, items, days.

    Rows are named by `Dataset.label_of`, which says if validation was shaped by test.
    """
    rows = {}
    for name in filter(data.has, PARTS):
        users, items = (per_id(data, name, column) for column in (USER, ITEM))
        row = {
            "events": int(users.sum()),
            "share": users.sum() / data.n_events,
            "users": int((users > 0).sum()),
            "items": int((items > 0).sum()),
        }
        if TIMESTAMP in data.columns(name):
            row["first day"], row["last day"] = _days(data.column(name, TIMESTAMP))
        rows[data.label_of(name)] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def overlap(data: Dataset) -> pd.DataFrame:
    """Measure how much of the held-out events a generator can predict, one column a part.

    Rows are shares of that part: users with a history, events of such users, items that occur in
    training, events with such items, and events that repeat a known pair of user and item. Ranking
    leaves known pairs out, so a generator cannot predict them.
    """
    views = {"test": ("train", "validation")}
    if data.has("validation"):
        views = {"validation": ("train",), **views}
    return pd.DataFrame(
        {data.label_of(part): _overlap(data, part, known) for part, known in views.items()}
    )


def _overlap(data: Dataset, part: str, trained: tuple[str, ...]) -> dict[str, float]:
    users, items = (per_id(data, part, column) for column in (USER, ITEM))
    trained = [name for name in trained if data.has(name)]
    known = [*trained, *(["fold_in"] if data.has("fold_in") else [])]
    with_history = sum(per_id(data, name, USER) for name in known) > 0
    in_training = sum(per_id(data, name, ITEM) for name in trained) > 0
    if data.has("fold_in") and "validation" in trained:  # its users are trained on, see `Dataset`
        of_trained = per_id(data, "validation", USER)[data.column("fold_in", USER)] > 0
        in_training[data.column("fold_in", ITEM)[of_trained]] = True
    held = np.unique(_pairs(data, part))
    again = np.zeros(len(held), dtype=bool)
    for name in known:
        pairs = _pairs(data, name)
        places = np.minimum(np.searchsorted(held, pairs), len(held) - 1)
        again[places[held[places] == pairs]] = True
    return {
        "users with a history": with_history[users > 0].mean(),
        "events of users with a history": users[with_history].sum() / users.sum(),
        "items seen in training": in_training[items > 0].mean(),
        "events with an item seen in training": items[in_training].sum() / items.sum(),
        "events that repeat a known pair": again.mean(),
    }


def _pairs(data: Dataset, table: str) -> NDArray[np.int64]:
    keys = data.column(table, USER).astype(np.int64)
    keys *= data.n_items
    keys += data.column(table, ITEM)
    return keys


def _days(times: NDArray[np.int64]) -> tuple[str, str]:
    ends = pd.to_datetime([times.min(), times.max()], unit="s")
    return tuple(ends.strftime("%Y-%m-%d"))
