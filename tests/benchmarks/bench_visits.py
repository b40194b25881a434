"""Pairs of items close together in histories: compiled counts against a self-join in pandas.

The join is what a notebook would hold: events numbered within a user, joined on the user, pairs
within the window summed, the largest counts of each item kept. It makes every pair of events of a
user first, so it is given few events.
"""

import time

import numpy as np
import pandas as pd

from candgen.features import EventLog
from candgen.models.sessions.counting import Window, counted_pairs

N_USERS, N_EACH, N_ITEMS, REACH, KEPT, REPEATS = 10_000, 40, 20_000, 10, 100, 3


def invented() -> pd.DataFrame:
    """Events in their order, items by a steep popularity."""
    drawn = np.random.default_rng(0).random(N_USERS * N_EACH) ** 3
    users = np.repeat(np.arange(N_USERS), N_EACH)
    return pd.DataFrame({"user": users, "item": (N_ITEMS * drawn).astype(np.int64)})


def counted(log: EventLog):
    return counted_pairs(log, N_ITEMS, Window(REACH), neighbours=KEPT)


def joined(events: pd.DataFrame) -> pd.DataFrame:
    """Join, sum and keep in pandas, users in blocks for the memory's sake."""
    numbered = events.assign(place=events.groupby("user").cumcount())
    parts = []
    for _, some in numbered.groupby(numbered["user"] // 1000):
        pairs = some.merge(some, on="user", suffixes=("", "_after"))
        far = pairs["place_after"] - pairs["place"]
        near = pairs[(far >= 1) & (far <= REACH)]
        weighed = near[["item", "item_after"]].assign(count=1 / far[near.index])
        parts.append(weighed.groupby(["item", "item_after"], as_index=False)["count"].sum())
    whole = pd.concat(parts).groupby(["item", "item_after"], as_index=False)["count"].sum()
    best = whole.sort_values(["item", "count"], ascending=[True, False], kind="stable")
    return best.groupby("item").head(KEPT)


def seconds(call, *arguments) -> float:
    began = time.process_time()
    call(*arguments)
    return time.process_time() - began


def run() -> list[dict]:
    events = invented()
    log = EventLog.of(events, N_USERS)
    made = counted(log)  # compiled before the clock starts
    assert made.nnz == len(joined(events)), "both keep as many counts"
    ours = min(seconds(counted, log) for _ in range(REPEATS))
    other = seconds(joined, events)
    return [
        {
            "benchmark": "co-visitation: counts against a self-join in pandas",
            "ours": ours,
            "other": other,
            "ratio": other / ours,
            "unit": "processor s",
            "note": f"{len(events):,} events, {N_ITEMS:,} items, {REACH} places, {KEPT} kept",
        }
    ]
