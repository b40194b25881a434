"""Shape of a dataset: what decides which generators suit it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from candgen.columns import RATING
from candgen.datasets import Dataset
from candgen.features import suggested

_TELLING = ("numeric", "categorical")


@dataclass(frozen=True)
class Shape:
    """Sizes and kinds of what a dataset holds, of the part that generators learn from."""

    users: int
    items: int
    events: int
    history: float
    """Median number of items in the histories of judged users; 0 if none has a history."""
    new_users: float
    """Share of users with held-out items who have no history."""
    new_items: float
    """Share of held-out events whose item nobody has in training."""
    has: frozenset[str]
    """Some of times, ratings, repeats, item columns and user columns."""

    @property
    def density(self) -> float:
        """Events over all pairs of a user and an item."""
        return self.events / max(self.users * self.items, 1)

    def in_words(self) -> str:
        """Return the shape as one line."""
        held = ", ".join(sorted(self.has)) or "events alone"
        return (
            f"{self.users:,} users, {self.items:,} items, {self.events:,} events to learn from "
            f"(density {self.density:.2%}); median history {self.history:,.0f} items; "
            f"{self.new_users:.0%} new users, {self.new_items:.0%} events of new items; {held}"
        )


def shape_of(data: Dataset) -> Shape:
    """Measure the shape of a dataset, for the part it is judged on.

    Raises:
        DataError: If the dataset lacks a table.
    """
    held_out, known = data.held_out_matrix, data.train_matrix
    wanted = np.diff(held_out.indptr) > 0
    histories = np.diff(data.history_matrix.indptr)
    asked = histories[wanted & (histories > 0)]
    taken = np.bincount(known.indices, minlength=data.n_items) > 0
    columns = {
        what: suggested(table) for what, table in (("item", data.items), ("user", data.users))
    }
    has = {
        "times": data.known_until is not None,
        "ratings": RATING in data.train,
        "repeats": data.repeats == "allow",
        "item columns": bool(columns["item"]),
        "user columns": any(feature.kind in _TELLING for feature in columns["user"]),
    }
    return Shape(
        users=data.n_users,
        items=data.n_items,
        events=len(data.train),
        history=float(np.median(asked)) if len(asked) else 0.0,
        new_users=float((histories[wanted] == 0).mean()) if wanted.any() else 0.0,
        new_items=float((~taken[held_out.indices]).mean()) if held_out.nnz else 0.0,
        has=frozenset(name for name, there in has.items() if there),
    )


def distance(one: Shape, other: Shape) -> float:
    """Return how unlike two shapes are: 0 for the same shape.

    A power of ten in density, in length of histories or in items counts as 1, and so do times or
    columns that one of the two lacks, and a share of new users or new items that differs by a half.
    """
    powers = [
        math.log10(max(a, least) / max(b, least))
        for a, b, least in (
            (one.density, other.density, 1e-9),
            (one.history, other.history, 0.5),
            (one.items, other.items, 1),
        )
    ]
    shares = [2 * (one.new_users - other.new_users), 2 * (one.new_items - other.new_items)]
    kinds = [1.0] * len(one.has ^ other.has)
    return math.sqrt(sum(step**2 for step in (*powers, *shares, *kinds)))
