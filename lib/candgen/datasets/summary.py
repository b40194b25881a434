"""Tables that describe a prepared dataset: its size, its parts and their overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd

from candgen.columns import ITEM, RATING, TIMESTAMP, USER
from candgen.datasets.dataset import PARTS, Dataset


def summary(data: Dataset) -> pd.DataFrame:
    """Describe the interactions in one column: counts, sparsity, activity, long tail, ratings."""
    events = data.table("interactions")
    per_user = np.bincount(events[USER], minlength=data.n_users)
    per_item = np.sort(np.bincount(events[ITEM], minlength=data.n_items))[::-1]
    cells = data.n_users * data.n_items
    head = max(1, data.n_items // 100)
    rows = {
        "users": f"{data.n_users:,}",
        "items": f"{data.n_items:,}",
        "events": f"{len(events):,}",
        "empty cells (sparsity)": f"{1 - len(events) / cells:.2%}",
        "events per user, median": f"{np.median(per_user):,.0f}",
        "events per item, median": f"{np.median(per_item):,.0f}",
        "share of the top 1% of items": f"{per_item[:head].sum() / len(events):.1%}",
    }
    if RATING in events:
        rows["mean rating"] = f"{events[RATING].mean():.2f}"
    if TIMESTAMP in events:
        rows["first day"], rows["last day"] = _days(events[TIMESTAMP])
    return pd.DataFrame({data.name: rows})


def parts(data: Dataset) -> pd.DataFrame:
    """Describe each part of the split, one row a part: events, share, users, items, days.

    Rows are named by `Dataset.label_of`, which says if validation was shaped by test.
    """
    whole = len(data.table("interactions"))
    rows = {}
    for name in PARTS:
        if not data.has(name):
            continue
        events = data.table(name)
        row = {
            "events": len(events),
            "share": len(events) / whole,
            "users": events[USER].nunique(),
            "items": events[ITEM].nunique(),
        }
        if TIMESTAMP in events:
            row["first day"], row["last day"] = _days(events[TIMESTAMP])
        rows[data.label_of(name)] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def overlap(data: Dataset) -> pd.DataFrame:
    """Measure how much of the held-out events a generator can predict, one column a part.

    Rows are shares of that part: users with a history, events of such users, items that occur in
    training, events with such items, and events that repeat a known pair of user and item. Ranking
    leaves known pairs out, so a generator cannot predict them.
    """
    views = {"test": data.for_test()}
    if data.has("validation"):
        views = {data.label_of("validation"): data.for_validation(), **views}
    return pd.DataFrame({name: _overlap(view) for name, view in views.items()})


def _overlap(data: Dataset) -> dict[str, float]:
    held, known = data.held_out, data.history_matrix
    users, items = held[USER].to_numpy(), held[ITEM].to_numpy()
    with_history = np.diff(known.indptr) > 0
    in_training = np.bincount(data.train[ITEM], minlength=data.n_items) > 0
    repeated = data.held_out_matrix.multiply(known).nnz / data.held_out_matrix.nnz
    return {
        "users with a history": with_history[np.unique(users)].mean(),
        "events of users with a history": with_history[users].mean(),
        "items seen in training": in_training[np.unique(items)].mean(),
        "events with an item seen in training": in_training[items].mean(),
        "events that repeat a known pair": repeated,
    }


def _days(times: pd.Series) -> tuple[str, str]:
    ends = pd.to_datetime([times.min(), times.max()], unit="s")
    return tuple(ends.strftime("%Y-%m-%d"))
