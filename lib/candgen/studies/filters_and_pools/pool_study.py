"""One pool of candidates from several generators, judged against each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen import evaluation, models, retrieval
from candgen.datasets import Dataset
from candgen.evaluation import Candidates, Judgement
from candgen.evaluation.judging import judged_users
from candgen.evaluation.significance import bootstrap_intervals
from candgen.models import Generator
from candgen.retrieval import TopK, pools
from candgen.seeds import derive_seed


def fitted(
    names: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    data: Dataset,
    *,
    parameters: Mapping[str, Any],
) -> dict[str, Generator]:
    """Fit generators by name, each with its own settings before the notebook's parameters."""
    made = (models.from_parameters(n, parameters, settings.get(n, {})) for n in names)
    return {name: model.fit(data) for name, model in zip(names, made, strict=True)}


def first_half(names: Sequence[str]) -> dict[str, float]:
    """Return shares of a pool: half to the first generator, the rest evenly to the others."""
    rest = max(len(names) - 1, 1)
    return {name: 0.5 / rest if place else 0.5 for place, name in enumerate(names)}


def lists_of(
    generators: Mapping[str, Generator], users: NDArray[np.integer], k: int
) -> dict[str, TopK]:
    """Return the candidates that each generator finds for users."""
    return {name: retrieval.top_items(model, users, k) for name, model in generators.items()}


class Learned:
    """Shares of a pool and probabilities of a hit by score, learned on validation.

    Attributes:
        shares: Generator -> share of the budget.
        users: Number of users that they were learned from.
    """

    def __init__(
        self,
        generators: Mapping[str, Generator],
        data: Dataset,
        k: int,
        *,
        most_users: int = 2_000,
        seed: int = 0,
    ) -> None:
        """Fit the generators' settings again to training without validation, and learn from that.

        Args:
            generators: Only their settings are used.
            data: Any judging of it; validation is asked.
            k: Candidates a user.
            most_users: Learned from, drawn at random.
            seed: Of the draw.
        """
        before = data.for_validation()
        again = {n: type(m)(**m.settings).fit(before) for n, m in generators.items()}
        rng = np.random.default_rng(derive_seed(seed, "pool"))
        users = np.sort(rng.permutation(judged_users(before).users)[:most_users])
        lists, held_out = lists_of(again, users, k), before.held_out_matrix[users]
        self.users = len(users)
        self.shares = pools.learn_shares(lists, held_out, k)
        self.calibrated = pools.Calibrated(lists, held_out)


def pooled(
    lists: Mapping[str, TopK], k: int, *, shares: Mapping[str, float], learned: Learned | None
) -> dict[str, NDArray[np.int32]]:
    """Merge lists by fixed shares, by turns and, where given, as learned on validation."""
    made = {"fixed shares": pools.by_shares(lists, k, shares)}
    made["by turns"] = pools.round_robin(lists, k)
    if learned is not None:
        made["calibrated"] = learned.calibrated.merge(lists, k)
        made["learned shares"] = pools.by_shares(lists, k, learned.shares)
    return made


def judged(
    lists: Mapping[str, NDArray[np.int32]],
    users: NDArray[np.integer],
    data: Dataset,
    cutoffs: Sequence[int],
    *,
    seed: int = 0,
) -> dict[str, Judgement]:
    """Judge lists by name; an item's score is its negative rank."""
    found = {}
    for name, items in lists.items():
        candidates = Candidates.in_order(users, items)
        found[name] = evaluation.judge_candidates(candidates, data, cutoffs, name, seed=seed)
    return found


def worth(
    lists: Mapping[str, TopK], users: NDArray[np.integer], data: Dataset, k: int, *, seed: int = 0
) -> pd.DataFrame:
    """Return the recall of each generator alone, and what it adds to a pool by turns of the others.

    Returns:
        One row per generator: `generator`, `alone`, `adds` and each one's `low` and `high` over
        users, and `only here`, the share of its candidates that no other has.
    """
    held_out = data.held_out_matrix[users]
    whole = pools.recalls_of(pools.round_robin(lists, k), held_out)
    unique = pools.contributions(lists, held_out, k)["unique"]
    rows = []
    for (name, found), share in zip(lists.items(), unique, strict=True):
        others = {other: held for other, held in lists.items() if other != name}
        without = pools.recalls_of(pools.round_robin(others, k), held_out)
        values = np.column_stack([pools.recalls_of(found.items[:, :k], held_out), whole - without])
        ends = bootstrap_intervals(values, seed=derive_seed(seed, "bootstrap"))
        alone, adds = (
            f"{mean:.4f} ({low:.4f} to {high:.4f})"
            for mean, low, high in zip(values.mean(axis=0), *ends, strict=True)
        )
        rows.append({"generator": name, "alone": alone, "adds": adds, "only here": share})
    return pd.DataFrame(rows)


def in_order(judgements: Mapping[str, Judgement], metric: str) -> str:
    """Return judgements with their intervals as text, the best first."""
    ordered = sorted(judgements.items(), key=lambda pair: -pair[1].mean(metric))
    return ", ".join(
        f"{name} {found.mean(metric):.4f} "
        f"({found.interval(metric)[0]:.4f} to {found.interval(metric)[1]:.4f})"
        for name, found in ordered
    )
