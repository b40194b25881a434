"""The study of exposure: biased impressions, their effect on training, and corrections."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen import evaluation
from candgen.checks import checked
from candgen.columns import USER
from candgen.datasets import Dataset, preparation
from candgen.datasets.world import Oracle
from candgen.evaluation import Judgement, significance
from candgen.evaluation.exposure_by_group import Groups
from candgen.evaluation.significance import (
    LEVEL,
    MARGIN,
    bootstrap_intervals,
    bootstrap_means,
    ends_of,
    over_seeds,
)
from candgen.evaluation.unbiased import held_out_exposure
from candgen.models import Random, TwoTower
from candgen.negatives import item_exposure
from candgen.seeds import derive_seed
from candgen.session import Run
from candgen.studies.exposure import feedback_loop

MEASURES = ("true relevance", "plain recall", "pooled recall", "true recall")
PROVIDER = "provider"
IN_THE_LOOP = {
    "uniform": {},
    "popularity": {"negatives": "popularity"},
    "popularity, uncorrected": {"negatives": "popularity", "alpha": 1.0, "correction": False},
    "in-batch": {"negatives": "in-batch"},
    "in-batch, uncorrected": {"negatives": "in-batch", "correction": False},
    "cross-batch": {"negatives": "cross-batch"},
    "hard": {"negatives": "hard"},
    "shown and ignored": {"negatives": "impressions", "n_negatives": 10},
    "weighted": {"exposure_power": 1.0},
}
"""Ways to train in the feedback loop: by name, the settings that differ from uniform negatives."""
TOWERS = {
    "query_inputs": ["history"],
    "item_inputs": ["id"],
    "hidden": [],
    "history_length": 50,
    "id_at_least": 1,
    "negatives": "uniform",
    "temperature": 0.2,
    "epochs": 5,
    "learning_rate": 0.01,
}
"""Settings of `TwoTower` in this study, where they are not its defaults."""
_CHANGES = {
    significance.BETTER: "grows",
    significance.WORSE: "shrinks",
    significance.SAME: "does not change",
    significance.UNDECIDED: "is undecided",
}
_PER_TRAINING = ("exposure_power", "exposure_clip")
_ROWS = 256


def tower_settings(parameters: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that all towers of the study share.

    Args:
        parameters: Of the notebook; those that are settings of `TwoTower` are used, except the
            exposure weights, which only one training has.
        settings: Further settings, which take precedence.
    """
    known = [name for name in TwoTower.setting_names() if name not in _PER_TRAINING]
    told = {name: parameters[name] for name in known if name in parameters}
    return {**TOWERS, **told, **settings}


def item_relevance(dataset: Dataset, oracle: Oracle) -> NDArray[np.float64]:
    """Return each item's true relevance, the mean over users, as of the world's end."""
    total = np.zeros(dataset.n_items)
    for start in range(0, dataset.n_users, _ROWS):
        users = np.arange(start, min(start + _ROWS, dataset.n_users))
        total += oracle.relevance(users).sum(axis=0, dtype=np.float64)
    return total / dataset.n_users


def log_against_truth(dataset: Dataset, oracle: Oracle | None) -> pd.DataFrame:
    """Return one row per item: impressions `shown`, events `taken`, and true `relevance`.

    Without an oracle relevance is NaN.
    """
    return pd.DataFrame(
        {
            "shown": item_exposure(dataset),
            "taken": np.bincount(dataset.train["item"], minlength=dataset.n_items),
            "relevance": np.nan if oracle is None else item_relevance(dataset, oracle),
        }
    )


def rank_correlations(items: pd.DataFrame) -> dict[str, float]:
    """Return rank correlations of clicks with impressions and relevance.

    Args:
        items: From `log_against_truth`.

    Returns:
        `taken`, clicks with impressions; `truth`, clicks with relevance; `share`, clicks per
        impression with relevance; and `top`, the share of all impressions that the most shown tenth
        of the items had.
    """
    ranks = items.assign(share=items["taken"] / items["shown"]).corr(method="spearman")
    top = items["shown"].nlargest(len(items) // 10).sum() / items["shown"].sum()
    return {
        "taken": float(ranks.loc["taken", "shown"]),
        "truth": float(ranks.loc["taken", "relevance"]),
        "share": float(ranks.loc["share", "relevance"]),
        "top": float(top),
    }


def trained(
    settings: Mapping[str, Any],
    trainings: Mapping[str, Mapping[str, Any]],
    dataset: Dataset,
    judging: Mapping[str, Any],
) -> tuple[dict[str, TwoTower], dict[str, Judgement]]:
    """Fit towers once for each training, and judge them.

    Args:
        settings: Of the towers.
        trainings: By name, the settings in which it differs.
        dataset: What is learned.
        judging: Passed to `evaluation.judge`.
    """
    models, judged = {}, {}
    for name, changed in trainings.items():
        models[name] = TwoTower(**{**settings, **changed}).fit(dataset)
        judged[name] = evaluation.judge(models[name], dataset, **judging)
        judged[name].generator = name
    return models, judged


def measured(
    judgement: Judgement, dataset: Dataset, oracle: Oracle, k: int, *, power: float = 1.0
) -> pd.DataFrame:
    """Return one row per judged user, with the columns `MEASURES`.

    Pooled recall weights events; see `evaluation.weighed_recall`.
    """
    exposure = held_out_exposure(dataset)
    recalls = [
        evaluation.weighed_recall(judgement, dataset, k, exposure=exposure, power=p, pooled=bool(p))
        for p in (0.0, power)
    ]
    columns = [
        evaluation.true_relevance(judgement, oracle, k),
        *recalls,
        evaluation.true_recall(judgement, dataset, oracle, k),
    ]
    return pd.DataFrame(dict(zip(MEASURES, columns, strict=True)))


def bias_study(
    settings: Mapping[str, Any],
    trainings: Mapping[str, Mapping[str, Any]],
    *,
    biases: Sequence[float],
    seeds: Sequence[int],
    sizes: Mapping[str, Any],
    k: int,
    folder: Path,
    power: float = 1.0,
) -> pd.DataFrame:
    """Train on small worlds with different exposure bias, and judge by their oracles.

    Args:
        settings: Of the towers.
        trainings: By name, the settings in which it differs.
        biases: The worlds' `exposure_bias`.
        seeds: Of a world and of its towers; one world a bias and seed.
        sizes: Further settings of the worlds.
        k: Places of a list that count.
        folder: Where worlds are kept while they are needed.
        power: Of exposure, in pooled recall.

    Returns:
        One row a bias, seed, training and judged user: these, and the columns `MEASURES`.
    """
    rows = []
    for bias in biases:
        for seed in seeds:
            with tempfile.TemporaryDirectory(dir=folder, prefix="world-") as place:
                world = preparation.prepare(
                    place, source="world", seed=seed, exposure_bias=float(bias), **sizes
                )
                oracle = Oracle.open(world.folder)
                judging = {"k": k, "cutoffs": [k], "seed": seed}
                _, judged = trained({**settings, "seed": seed}, trainings, world, judging)
                for name, judgement in judged.items():
                    found = measured(judgement, world, oracle, k, power=power)
                    users = judgement.per_user[USER].to_numpy()
                    about = {"bias": float(bias), "seed": seed, "training": name, USER: users}
                    rows.append(pd.concat([pd.DataFrame(about), found], axis=1))
    return pd.concat(rows, ignore_index=True)


def bias_table(found: pd.DataFrame, measure: str, *, seed: int = 0) -> pd.DataFrame:
    """Average a `bias_study` over users and seeds, and compare with the first training.

    Returns:
        One row a bias and training: `bias`, `training`, `mean`, `low`, `high`, then `difference`,
        `difference_low` and `difference_high` from the first training, user by user, and `users`.
        Every world weighs the same. 95 % intervals are over worlds, each with its seed, and over
        the users of each world; see `evaluation.significance.seed_weights`.
    """
    rows = []
    for bias, of_bias in found.groupby("bias", sort=True):
        worlds = [
            frame.pivot(index=USER, columns="training", values=measure)
            for _, frame in of_bias.groupby("seed", sort=True)
        ]
        names = list(of_bias["training"].unique())
        values = [world[names].to_numpy() for world in worlds]  # (n_users, n_trainings) each
        seeds = [derive_seed(seed, f"bootstrap of world {n}") for n in range(len(values))]
        drawn = [bootstrap_means(v, seed=s) for v, s in zip(values, seeds, strict=True)]
        means = over_seeds(np.stack(drawn, axis=1), seed=derive_seed(seed, "worlds"))
        low, high = ends_of(means, level=LEVEL)
        less_low, less_high = ends_of(means - means[:, [0]], level=LEVEL)
        mean = np.mean([v.mean(axis=0) for v in values], axis=0)
        rows.append(
            pd.DataFrame(
                {
                    "training": names,
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "difference": mean - mean[0],
                    "difference_low": less_low,
                    "difference_high": less_high,
                    "users": sum(map(len, values)),
                    "bias": bias,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def preferred(estimates: pd.DataFrame) -> dict[str, str]:
    """Return the generator that each estimate of `recall_estimates` puts first."""
    best = estimates.loc[estimates.groupby("estimate")["mean"].idxmax()]
    return dict(zip(best["estimate"], best["generator"], strict=True))


def difference(
    one: NDArray[np.floating], other: NDArray[np.floating], *, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean difference of two trainings over the same users, with its 95 % interval."""
    less = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    low, high = bootstrap_intervals(less[:, None], seed=derive_seed(seed, "bootstrap"))
    return float(less.mean()), float(low[0]), float(high[0])


def small_world(folder: Path, seed: int, sizes: Mapping[str, Any]) -> tuple[Dataset, Oracle]:
    """Prepare a world in a folder, and open its oracle."""
    world = preparation.prepare(folder, source="world", seed=seed, **sizes)
    return world, Oracle.open(world.folder)


def watched_groups(dataset: Dataset) -> dict[str, Groups]:
    """Return the groups of items to compare: by popularity, and by provider if there is one.

    Providers of the invented world are random, so none merits more than its items do.
    """
    found = {"popularity": evaluation.groups_by_popularity(dataset)}
    if PROVIDER in dataset.items:
        found[PROVIDER] = evaluation.groups_by(dataset, PROVIDER)
    return found


def loop_policies(
    settings: Mapping[str, Any], names: Sequence[str], oracle: Oracle
) -> dict[str, feedback_loop.Policy]:
    """Return policies of the feedback loop: towers trained in several ways, and two controls.

    Every round has its own random start.

    Args:
        settings: Of the towers.
        names: Keys of `IN_THE_LOOP`.
        oracle: Of the loop's world.

    Raises:
        SettingError: If a name is not a key of `IN_THE_LOOP`.
    """
    chosen = {
        name: IN_THE_LOOP[checked("loop", name, Literal[tuple(IN_THE_LOOP)])] for name in names
    }

    def policy_of(told: dict[str, Any]) -> feedback_loop.Policy:
        return feedback_loop.by_generator(
            lambda turn: TwoTower(**{**told, "seed": settings["seed"] + turn})
        )

    found = {name: policy_of({**settings, **changed}) for name, changed in chosen.items()}
    found["at random"] = feedback_loop.by_generator(lambda turn: Random(seed=turn))
    found["the oracle's best"] = feedback_loop.by_relevance(oracle)
    return found


def group_gaps(
    lists: Mapping[str, NDArray[np.integer]],
    users: NDArray[np.integer],
    dataset: Dataset,
    oracle: Oracle,
    k: int,
    *,
    seed: int = 0,
) -> tuple[dict[str, dict[str, pd.DataFrame]], pd.DataFrame]:
    """Compare exposure with merit, for each of `watched_groups` and each set of lists.

    Args:
        lists: By name, candidates of the same users, shape `(n_users, at least k)`.
        users: Dense ids.
        dataset: Says what users have.
        oracle: Of its world.
        k: Places that count.
        seed: Of the bootstrap.

    Returns:
        By groups and lists the tables of `evaluation.gap_table`; and one row a grouping and lists:
        `groups`, `lists`, and the `gap` with `low` and `high`.
    """
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    rows = []
    for by, groups in watched_groups(dataset).items():
        merited = evaluation.merit_shares(users, dataset, oracle, groups)
        tables[by] = {}
        for name, items in lists.items():
            exposed = evaluation.exposure_shares(items, groups, k)
            tables[by][name] = evaluation.gap_table(exposed, merited, groups.names, seed=seed)
            rows.append((by, name, *evaluation.gap_of(exposed, merited, seed=seed)))
    return tables, pd.DataFrame(rows, columns=["groups", "lists", "gap", "low", "high"])


def verdicts(
    changed: pd.DataFrame, measure: str, *, margin: float = MARGIN
) -> dict[str, list[str]]:
    """Group policies by the change of a measure, corrected for the number of policies.

    Args:
        changed: From `feedback_loop.changes`.
        measure: Whose rows are read.
        margin: A change up to this is none in practice.

    Returns:
        Policies by "grows", "shrinks", "does not change" (by more than the margin) and "is
        undecided".
    """
    rows = changed[changed["measure"] == measure]
    ends = (rows[name].to_numpy() for name in ("change", "low", "high"))
    found: dict[str, list[str]] = {}
    for policy, word in zip(
        rows["policy"], significance.verdicts(*ends, margin=margin).words, strict=True
    ):
        found.setdefault(_CHANGES[word], []).append(policy)
    return found


def said_of_verdicts(changed: pd.DataFrame, measure: str) -> str:
    """Return `verdicts` as text, such as "grows with uniform; is undecided with hard"."""
    said = verdicts(changed, measure).items()
    return "; ".join(f"{verdict} with {', '.join(names)}" for verdict, names in said)


def said_of_biases(table: pd.DataFrame, training: str) -> str:
    """Return the differences of one training by exposure bias as text, with intervals.

    Args:
        table: From `bias_table`.
        training: Its name there.
    """
    return ", ".join(
        f"{r.difference:+.3f} ({r.difference_low:+.3f} to {r.difference_high:+.3f}) at a bias of "
        f"{r.bias:g}"
        for r in table[table["training"] == training].itertuples()
    )


def keep(run: Run, name: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables into one Parquet file of a run; the column `table` has their names."""
    whole = pd.concat([t.assign(table=name) for name, t in tables.items()], ignore_index=True)
    with run.appearing(name) as passing:
        whole.to_parquet(passing, index=False)
