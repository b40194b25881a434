"""Measures of one sampler of negatives, and the record that the study's report reads.

A run of the notebook is one sampler, loss and temperature on one dataset with one seed. Beside the
files of every run it writes `study.json`, a flat record of finite numbers, None and texts; values
that intervals need are columns of `per_user.parquet`, as metrics are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from candgen import evaluation, files
from candgen.columns import ITEM, USER
from candgen.datasets import Dataset
from candgen.datasets.world import Oracle
from candgen.evaluation import Judgement, calibration
from candgen.evaluation.beyond_accuracy import item_popularity
from candgen.models import TwoTower, VectorGenerator
from candgen.negatives import Sampler, make_sampler
from candgen.seeds import derive_seed
from candgen.session import Run

STUDY = "study.json"
ASKED_USERS = 300
"""Users whose scores are compared with the truth; more change little."""
IDS_ALONE = {
    "query_inputs": ["id"],
    "item_inputs": ["id"],
    "hidden": [],
    "id_at_least": 1,
    "id_dropout": 0.0,
    "memory": 2,
    "batch_size": 1024,
    "negatives": "in-batch",
    "n_negatives": 500,
    "epochs": 6,
    "learning_rate": 0.02,
}
"""Settings of `TwoTower` in this study, where they are not its defaults: the towers read ids alone,
which leaves everything to the negatives."""
_FEWEST_EXPECTED = 5.0  # in a cell of the chi-squared test
_ABOUT = {  # setting -> the kinds of sampler that take it
    "n_negatives": ("uniform", "popularity", "mixed", "hard", "impressions"),
    "alpha": ("popularity",),
    "hardness": ("hard",),
    "memory": ("cross-batch",),
}


# --- samplers


def sampler_label(parameters: Mapping[str, Any]) -> str:
    """Return a sampler's name with its own settings, such as "popularity^0.5, 500 drawn"."""
    kind = parameters["negatives"]
    drawn = f"{parameters['n_negatives']:,} drawn"
    named = {
        "none": "positives only",
        "all": "whole catalogue",
        "uniform": f"uniform, {drawn}",
        "popularity": f"popularity^{parameters['alpha']:g}, {drawn}",
        "in-batch": "in-batch",
        "cross-batch": f"cross-batch, {parameters['memory']} back",
        "mixed": f"mixed, {drawn}",
        "hard": f"hardest {parameters['hardness']:.0%} of {parameters['n_negatives']:,}",
        "impressions": f"impressions, {parameters['n_negatives']} each",
    }[kind]
    corrects = parameters["loss"] == "softmax" and kind not in ("none", "all", "impressions")
    if not corrects:
        return named
    return f"{named}, {'logQ' if parameters['correction'] else 'no logQ'}"


def run_label(parameters: Mapping[str, Any]) -> str:
    """Return a run's name: its sampler, loss, similarity and temperature."""
    likeness = parameters["similarity"]
    if parameters["loss"] != "contrastive":
        likeness = f"{likeness} / {parameters['temperature']:g}"
    return f"{sampler_label(parameters)} · {parameters['loss']} · {likeness}"


def sampler_of(parameters: Mapping[str, Any], data: Dataset) -> Sampler:
    """Make the sampler of a generator's settings."""
    return make_sampler(
        parameters["negatives"],
        data,
        n=parameters["n_negatives"],
        batch_size=parameters["batch_size"],
        alpha=parameters["alpha"],
        hardness=parameters["hardness"],
        memory=parameters["memory"],
        correction=True,
    )


class Draws(NamedTuple):
    """Numbers of draws per item, as counted and as the sampler expects them."""

    drawn: NDArray[np.int64]  # (n_items,)
    promised: NDArray[np.float64]  # (n_items,) expected number
    p: float
    """p-value of a chi-squared test; NaN where nothing was drawn."""


def drawn_and_promised(sampler: Sampler, data: Dataset, batch_size: int, *, seed: int) -> Draws:
    """Draw negatives for one pass over the training events, and count them.

    Items that are expected fewer than five times are put together for the test, rarest first. The
    test takes draws as independent of each other; where batches are dealt from one shuffled deck,
    they vary less than that, and p is near 1.
    """
    rng = np.random.default_rng(derive_seed(seed, "draws"))
    items = data.train[ITEM].to_numpy(np.int32)
    users = data.train[USER].to_numpy(np.int32)
    drawn = np.zeros(data.n_items, np.int64)
    order = rng.permutation(len(items))
    for start in range(0, len(order) - len(order) % batch_size or 1, batch_size):
        batch = np.resize(order[start : start + batch_size], batch_size)
        made = sampler.draw(items[batch], users[batch], rng)
        for chosen in (made.shared, made.own.ravel()):
            drawn += np.bincount(chosen[chosen >= 0], minlength=data.n_items)
    promised = sampler.probabilities() * drawn.sum()
    return Draws(drawn, promised, _chi_squared(drawn, promised))


def _chi_squared(drawn: NDArray[np.integer], promised: NDArray[np.float64]) -> float:
    """Return the p-value of a chi-squared test; items that are rarely expected are pooled."""
    if not drawn.sum():
        return float("nan")
    if drawn[promised == 0].any():
        return 0.0
    order = np.argsort(promised, kind="stable")
    order = order[promised[order] > 0]
    cell = np.floor(np.cumsum(promised[order]) / _FEWEST_EXPECTED).astype(np.int64)
    cell = np.minimum(cell, cell[-1] - 1) if cell[-1] > 0 else cell * 0
    cell = np.unique(cell, return_inverse=True)[1]
    observed, expected = (np.bincount(cell, values[order]) for values in (drawn, promised))
    if len(observed) < 2:
        return float("nan")
    return float(chi2.sf((((observed - expected) ** 2) / expected).sum(), len(observed) - 1))


def draws_by_popularity(draws: Draws, data: Dataset) -> pd.DataFrame:
    """Sum draws over items of like popularity.

    Returns:
        One row a group of items whose training users lie between two powers of two: `popularity`
        (their mean), `drawn` and `promised` (a mean item's share of all draws, times the number
        of items, so that 1 is uniform), and `items`.
    """
    popularity, total = item_popularity(data), max(draws.drawn.sum(), 1)
    known = popularity > 0
    group = np.floor(np.log2(popularity[known])).astype(np.int64)
    frame = pd.DataFrame(
        {
            "popularity": popularity[known],
            "drawn": draws.drawn[known] * data.n_items / total,
            "promised": draws.promised[known] * data.n_items / total,
            "items": 1,
        }
    )
    sums = frame.groupby(group).sum()
    return sums.assign(**{c: sums[c] / sums["items"] for c in ("popularity", "drawn", "promised")})


# --- what was learned


def alone_and_beside(settings: Mapping[str, Any], epochs: int) -> dict[str, dict[str, Any]]:
    """Return settings for positives alone, and for uniform negatives beside them.

    Positives alone are learned by plain gradient steps, large at first, that shrink to zero: until
    nothing is left to learn.

    Args:
        settings: Of `TwoTower`.
        epochs: Passes over the positives alone.
    """
    like = {**settings, "similarity": "cosine", "correction": False}
    alone = {"negatives": "none", "loss": "contrastive", "epochs": epochs}
    steps = {"optimizer": "sgd", "learning_rate": 300.0, "schedule": "linear"}
    beside = {"negatives": "uniform", "loss": "softmax", "temperature": 0.1}
    rate = {"optimizer": "adam", "learning_rate": 0.02, "schedule": "constant"}
    return {
        "positives alone": {**like, **alone, **steps},
        "uniform negatives": {**like, **beside, **rate},
    }


def collapse_table(
    fitted: Mapping[str, VectorGenerator], users: NDArray[np.integer], recall: Mapping[str, float]
) -> pd.DataFrame:
    """Return how far vectors have collapsed into one direction.

    Args:
        fitted: Generators by name.
        users: Dense ids of users whose vectors count.
        recall: Recall by generator.

    Returns:
        One row per name. `cosine` is the mean between a user and an item, any two; `spread` its
        standard deviation; `directions` the effective number of directions among the vectors of
        users and items, exp of the entropy of the shares of squared length along the principal
        axes (Roy and Vetterli, EUSIPCO 2007): 1 is a collapse; and `recall`.
    """
    rows = {}
    for name, model in fitted.items():
        queries, items = model.user_vectors(users), model.item_vectors()[model.known_items_]
        queries, items = (_unit(vectors) for vectors in (queries, items))
        cosines = queries @ items.T
        rows[name] = {
            "cosine": float(cosines.mean()),
            "spread": float(cosines.std()),
            "directions": effective_directions(np.vstack([queries, items])),
            "recall": recall[name],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def effective_directions(vectors: NDArray[np.floating]) -> float:
    """Return exp of the entropy of the shares of squared length along the principal axes."""
    squares = np.linalg.svd(np.asarray(vectors, np.float64), compute_uv=False) ** 2
    shares = squares[squares > 0] / squares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)


def add_what_users_got(
    judgements: Sequence[Judgement], data: Dataset, oracle: Oracle | None, k: int
) -> None:
    """Add columns per user to each judgement: popularity and, with an oracle, true relevance.

    The columns are `list_popularity`, `own_popularity` and, with an oracle, `taste_popularity` and
    `true_relevance`, each with the cut-off `@k`. A user without a candidate or a history gets the
    mean of the others, so that ratios of means stay what they are.
    """
    for found in judgements:
        users = found.per_user[USER].to_numpy()
        items = found.candidates.for_users(users)
        means = calibration.popularity_of_lists(items, users, data, k, oracle=oracle)
        columns = {"list_popularity": means.lists, "own_popularity": means.own}
        if oracle is not None:
            columns["taste_popularity"] = means.true_taste
            columns["true_relevance"] = evaluation.true_relevance(found, oracle, k)
        for name, values in columns.items():
            known = np.isfinite(values)
            filled = np.where(known, values, values[known].mean() if known.any() else 0.0)
            found.per_user[f"{name}@{k}"] = filled


def popularity_biases(found: Judgement, k: int) -> dict[str, float]:
    """Return the popularity bias against users' histories and, with an oracle, their true taste."""
    means = found.per_user.mean()
    own = float(means[f"list_popularity@{k}"] / means[f"own_popularity@{k}"])
    if f"taste_popularity@{k}" not in means:
        return {"own": own}
    true_taste = float(means[f"list_popularity@{k}"] / means[f"taste_popularity@{k}"])
    return {"own": own, "true taste": true_taste}


def scores_of(
    model: TwoTower, data: Dataset, users: NDArray[np.integer], oracle: Oracle | None, seed: int
) -> calibration.Calibration:
    """Measure the calibration of a fitted generator on a random sample of the users."""
    rng = np.random.default_rng(derive_seed(seed, "calibration"))
    asked = np.sort(rng.permutation(users)[:ASKED_USERS])
    temperature = 1.0 if model.loss == "contrastive" else model.temperature
    return calibration.calibrate(
        model, data, asked, loss=model.loss, temperature=temperature, oracle=oracle
    )


def popularity_in_vectors(
    model: TwoTower, users: NDArray[np.integer]
) -> tuple[str, NDArray[np.floating]]:
    """Return what of known items may hold popularity: vector lengths, or mean scores.

    Args:
        model: Fitted; with dot products lengths are free, with cosines they are all 1.
        users: Dense ids; the first `ASKED_USERS` are scored.

    Returns:
        A label, and one value per known item.
    """
    known = model.known_items_
    if model.similarity == "dot":
        return "length of its vector", np.linalg.norm(model.item_vectors()[known], axis=1)
    return "mean score", model.score(users[:ASKED_USERS])[:, known].mean(axis=0)


# --- the record


def study_record(
    parameters: Mapping[str, Any],
    found: Judgement,
    model: TwoTower,
    data: Dataset,
    scores: calibration.Calibration,
    draws: Draws,
    k: int,
) -> dict[str, Any]:
    """Return the record that the study's report reads, a flat dict.

    Args:
        parameters: Settings of the towers.
        found: Judgement of the towers, after `add_what_users_got`.
        model: The fitted towers.
        data: What they were judged on.
        scores: From `scores_of`.
        draws: From `drawn_and_promised`.
        k: Cutoff of recall and true relevance.
    """
    groups = evaluation.by_group([found], data, f"recall@{k}").set_index(["by", "group"])["value"]
    biases = popularity_biases(found, k)
    taken = {name: parameters[name] for name, kinds in _ABOUT.items()
             if parameters["negatives"] in kinds}  # fmt: skip
    record: dict[str, Any] = {
        "dataset": data.name,
        "evaluate_on": data.evaluate_on,
        "sampler": sampler_label(parameters),
        "label": run_label(parameters),
        **{name: parameters[name] for name in ("negatives", "loss", "similarity", "temperature")},
        **{name: taken.get(name) for name in _ABOUT},
        "correction": str(bool(parameters["correction"] and parameters["loss"] == "softmax")),
        "seed": parameters["seed"],
        "k": k,
        "epochs": len(model.history_),
        "learning_rate": parameters["learning_rate"],
        "recall": found.mean(f"recall@{k}"),
        "true_relevance": _mean_of(found, f"true_relevance@{k}"),
        "popularity_bias": biases["own"],
        "taste_bias": biases.get("true taste"),
        "coverage": found.overall[f"coverage@{k}"],
        "meaning": scores.meaning,
        "calibration_logged": None if scores.logged is None else scores.logged.error,
        "calibration_true": None if scores.truth is None else scores.truth.error,
        "slope": scores.slope,
        "rank_correlation": _mean(scores.rank_correlation),
        "norm_popularity": calibration.norm_against_popularity(model),
        "score_popularity": calibration.score_against_popularity(
            model, found.per_user[USER].to_numpy()[:ASKED_USERS]
        ),
        "draws_p": draws.p,
        "seconds": model.fit_seconds_,
        "seconds_an_epoch": float(np.median([epoch.seconds for epoch in model.history_])),
    }
    for (by, group), value in groups.items():
        name = f"recall_{by.split()[0]}_{group}".replace(" ", "_")
        record[name] = float(value)
    return {name: _plain(value) for name, value in record.items()}


def write_study(run: Run, record: Mapping[str, Any]) -> None:
    """Write a run's `study.json`."""
    with run.appearing(STUDY) as passing:
        files.write_json(passing, dict(record))


def read_study(folder: Path | str) -> dict[str, Any] | None:
    """Read a run's `study.json`; None if it is absent or damaged."""
    path = Path(folder) / STUDY
    try:
        found = files.read_json(path)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "label" in found else None


def _mean_of(found: Judgement, column: str) -> float | None:
    return found.mean(column) if column in found.per_user else None


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
