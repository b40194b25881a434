"""The study of two towers: changed inputs, users and items without events, users who came later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen import evaluation, models, retrieval
from candgen.checks import checked
from candgen.columns import ITEM, TIMESTAMP, USER
from candgen.datasets import Dataset
from candgen.datasets.cold_users import fold_in_cold_users
from candgen.datasets.world import Oracle
from candgen.evaluation import Judgement, groups
from candgen.evaluation.beyond_accuracy import item_popularity
from candgen.models import TwoTower
from candgen.plots.style import PALETTE
from candgen.plots.truth import recovered_truth
from candgen.retrieval.projections import principal_directions
from candgen.studies.towers.plots import feature_gains

INPUTS = {  # as a reader calls it -> (the setting, its word there)
    "user id": ("query_inputs", "id"),
    "history": ("query_inputs", "history"),
    "user features": ("query_inputs", "features"),
    "searches": ("query_inputs", "searches"),
    "time": ("query_inputs", "time"),
    "item id": ("item_inputs", "id"),
    "item features": ("item_inputs", "features"),
    "item age": ("item_inputs", "age"),
}
_RARELY = 5  # impressions
_BEST = "best possible"
_RICH, _PLAIN = "with features", "without"


def described_inputs(model: TwoTower) -> pd.DataFrame:
    """Return one row per input of the fitted towers, with its table of vectors."""
    learner = model._learned
    rows = [
        {
            "tower": tower,
            "reads": one.name,
            "rows of its table": len(one.table),
            "width": one.width,
            "numbers learned": sum(table.rows.size for table in one.tables),
        }
        for tower, inputs in (("query", learner.queries), ("item", learner.items))
        for one in inputs
    ]
    return pd.DataFrame(rows)


def changed_inputs(model: TwoTower, names: Sequence[str]) -> dict[str, TwoTower]:
    """Return unfitted copies of a generator, each with one input left out or, if absent, put in.

    Args:
        model: Fitted towers; their inputs are the start.
        names: Keys of `INPUTS`. The only input of a tower is never left out and gets no entry.
    """
    made = {}
    both = {"query_inputs": model.query_inputs_, "item_inputs": model.item_inputs_}
    for name in names:
        setting, word = INPUTS[checked("change_inputs", name, Literal[tuple(INPUTS)])]
        held = both[setting]
        there = word in held
        changed = [n for n in held if n != word] if there else [*held, word]
        if changed:
            settings = {**model.settings, **both, setting: changed}
            made[f"{'without' if there else 'with'} {name}"] = type(model)(**settings)
    return made


def ids_alone_of(model: TwoTower, instead: Mapping[str, Any] | None = None) -> TwoTower:
    """Return unfitted towers of the same kind and settings that read ids alone.

    Args:
        model: The towers to compare with.
        instead: Settings that replace some of theirs.
    """
    ids = {"query_inputs": ["id"], "item_inputs": ["id"]}
    return type(model)(**{**model.settings, **ids, **(instead or {})})


def judged(
    generators: Mapping[str, models.Generator], data: Dataset, judging: Mapping[str, Any]
) -> dict[str, Judgement]:
    """Fit and judge generators; each judgement bears the name of its generator.

    Args:
        generators: Unfitted generators by name; they are fitted in place.
        data: What is learned and judged on.
        judging: Arguments of `evaluation.judge`.
    """
    found = {}
    for name, model in generators.items():
        found[name] = evaluation.judge(model.fit(data), data, **judging)
        found[name].generator = name
    return found


def cold_user_truth(
    fitted: Mapping[str, models.Generator], data: Dataset, oracle: Oracle, k: int
) -> dict[str, NDArray[np.float64]]:
    """Return the true relevance of each generator's lists for users without any event.

    A factorization solves for a user's vector from events; without events the vector is zero and
    all items tie. Its list is judged all the same. The entry "best possible" has the best lists.

    Args:
        fitted: By name; fitted to `data`.
        data: From `make_users_cold`.
        oracle: Of its world.
        k: Places of a list that count.
    """
    users = np.unique(data.held_out[USER])
    found = {}
    for name, model in fitted.items():
        if model.answers_cold_users:
            items = retrieval.top_items(model, users, k).items
        else:
            nothing = model.fold_in(csr_array((len(users), data.n_items), dtype=np.float32))
            known = {"allowed": model.known_items_}
            items = retrieval.top_k(nothing, model.item_vectors(), k, **known).items
        found[name] = evaluation.relevance_of_lists(users, items, oracle, k)
    found[_BEST] = evaluation.best_true_relevance(users, data, oracle, k)
    return found


def rarely_shown(data: Dataset) -> NDArray[np.bool_]:
    """Return a mask of the items with fewer than five impressions that models know."""
    shown = np.bincount(data.known("impressions")[ITEM], minlength=data.n_items)
    return shown < _RARELY


def rarely_shown_truth(
    fitted: Mapping[str, models.Generator], data: Dataset, oracle: Oracle, k: int
) -> dict[str, NDArray[np.float64]]:
    """Return the true relevance of each generator's lists of items with few impressions.

    Only those items are ranked, for every user with a history. Vectors that a generator has not
    learned are zeros; ties are broken by item id.

    Args:
        fitted: By name; fitted to `data`.
        data: With a table of impressions.
        oracle: Of its world.
        k: Places of a list that count.
    """
    users = np.flatnonzero(np.diff(data.history_matrix.indptr))
    allowed, withheld = rarely_shown(data), data.withheld_matrix[users]
    found = {}
    for name, model in fitted.items():
        if model.has_vectors:
            vectors = model.user_vectors(users), model.item_vectors()
        else:
            crowd = model.item_counts_.astype(np.float32)[:, None]
            vectors = np.ones((len(users), 1), np.float32), crowd
        items = retrieval.top_k(*vectors, k, exclude=withheld, allowed=allowed).items
        found[name] = evaluation.relevance_of_lists(users, items, oracle, k)
    relevance = np.vstack([oracle.relevance(users[i : i + 256]) for i in range(0, len(users), 256)])
    relevance[withheld.nonzero()] = 0
    relevance = np.sort(np.where(allowed, relevance, 0), axis=1)[:, ::-1]
    found[_BEST] = relevance[:, :k].sum(axis=1) / k
    return found


def against(
    truth: Mapping[str, NDArray[np.float64]], towers: str, baselines: Sequence[str], *, seed: int
) -> list[dict[str, Any]]:
    """Compare the towers with each baseline by true relevance, user by user.

    Args:
        truth: From `cold_user_truth` or `rarely_shown_truth`.
        towers: Their name in `truth`.
        baselines: Names; those that `truth` lacks are left out.
        seed: Of the bootstrap.

    Returns:
        One row per baseline: `baseline`, its mean `less`, and the towers' columns of
        `evaluation.relevance_table`, such as `mean`, `low`, `difference` and `difference_high`.
    """
    rows = []
    for baseline in baselines:
        if baseline in truth:
            table = evaluation.relevance_table(truth, baseline=baseline, seed=seed)
            found = table.set_index("generator").loc[towers].to_dict()
            rows.append({**found, "baseline": baseline, "less": float(truth[baseline].mean())})
    return rows


def later_users(data: Dataset, *, more_than: int) -> int:
    """Count users without training events who have more than so many held-out events with times."""
    if TIMESTAMP not in data.held_out:
        return 0
    trained = np.bincount(data.train[USER], minlength=data.n_users) > 0
    events = np.bincount(data.held_out[USER], minlength=data.n_users)
    return int((events[~trained] > more_than).sum())


def later_user_study(
    model: TwoTower,
    data: Dataset,
    known: Sequence[int],
    *,
    metric: str,
    repeats: int,
    judging: Mapping[str, Any],
    ids_alone: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Compare towers with features and towers of ids alone on users who came after training.

    Both are fitted to `data`, from several random starts, and serve each of these users from the
    first few events without retraining; towers of ids alone use the mean of the vectors of those
    items. Where no event is known and a generator cannot answer, popularity answers instead.

    Args:
        model: Towers with features, whose settings are used.
        data: With times, and with users who have held-out events alone.
        known: Numbers of known events, one row of the result each.
        metric: Such as "recall@20".
        repeats: Random starts; values are means over them, user by user.
        judging: Arguments of `evaluation.judge`.
        ids_alone: Settings that suit towers of ids alone better.

    Returns:
        One row per number of known events, and "all" for each user's mean over those above 0:
        `known`, `with features`, `without`, `difference`, `low`, `high` (95 %, over users and
        starts) and `users`.
    """
    values: dict[Any, dict[int, pd.DataFrame]] = {n: {} for n in known}
    for start in range(repeats):
        rich = type(model)(**{**model.settings, "seed": model.seed + start}).fit(data)
        plain = ids_alone_of(rich, ids_alone).fit(data)
        for n in known:
            some = fold_in_cold_users(data, n)
            columns = {}
            for name, towers in ((_RICH, rich), (_PLAIN, plain)):
                asked = towers.serving(some)
                if n == 0 and not towers.answers_cold_users:
                    asked = models.Popularity().fit(some)
                judged = evaluation.judge(asked, some, **judging).per_user.set_index(USER)
                columns[name] = judged[metric]
            values[n][start] = pd.DataFrame(columns)
    some_known = [held for n, held in values.items() if n] or list(values.values())
    values["all"] = {
        start: pd.concat([held[start] for held in some_known]).groupby(level=0).mean()
        for start in range(repeats)
    }
    return pd.DataFrame([_gain(n, held, model.seed) for n, held in values.items()])


def _gain(known: Any, by_start: Mapping[int, pd.DataFrame], seed: int) -> dict[str, Any]:
    found = []
    for name in (_PLAIN, _RICH):
        frames = {start: held[[name]].set_axis(["value"], axis=1).reset_index()
                  for start, held in by_start.items()}  # fmt: skip
        mean = pd.concat(frames.values()).groupby(USER, as_index=False).mean()
        found.append(Judgement(name, mean, repeats=frames if len(frames) > 1 else {}))
    row = evaluation.compare(found, "value", baseline=_PLAIN, seed=seed).iloc[0]
    means = {_RICH: row["mean"], _PLAIN: row["baseline_mean"]}
    ends = {name: row[name] for name in ("difference", "low", "high")}
    return {"known": str(known), **means, **ends, "users": row["users"]}


def two_directions(model: TwoTower) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the places of known items in the two directions in which they vary most.

    Returns:
        The places, shape `(n_known, 2)`, and the directions, shape `(dim, 2)`, for queries.
    """
    vectors = model.item_vectors()[model.known_items_].astype(np.float64)
    axes = principal_directions(vectors).axes
    return vectors @ axes, axes


def item_groups(data: Dataset, known: NDArray[np.bool_]) -> tuple[str, NDArray[np.object_]]:
    """Return a column to colour items by, and its first value for each known item.

    The column is `genres` if there is one, else the first whose most frequent values hold half of
    the items: a column of numbers or names of its own for each item would leave them all grey.
    Without such a column, items are grouped by popularity.

    Args:
        data: With its table of items.
        known: Mask of the items, shape `(n_items,)`.
    """
    columns = [c for c in data.items if c not in ("item", "item_id", "title")]
    for column in sorted(columns, key=lambda name: name != "genres"):
        found = groups.first_values(data, column)[known]
        counts = pd.Series(found[found != ""]).value_counts()
        if len(counts) > 1 and counts.iloc[: len(PALETTE)].sum() >= len(found) / 2:
            return column, found
    third = groups.popularity_groups(item_popularity(data))[known]
    return "popularity", np.array(groups.POPULARITY, dtype=object)[third]


def truth_figure(truth: Mapping[str, NDArray[np.float64]], *, k: int, seed: int) -> Any:
    """Draw the true relevance that each generator reaches, and the best possible lists."""
    held = {name: values for name, values in truth.items() if name != _BEST}
    table = evaluation.relevance_table(held, baseline="popularity", seed=seed)
    best = float(truth[_BEST].mean())
    return recovered_truth(table, best=best, k=k)


def gains_figure(table: pd.DataFrame, metric: str) -> Any:
    """Draw the gain from features for users who came after training, by number of known events."""
    return feature_gains(table, metric=metric)
