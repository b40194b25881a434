"""The effect of impressions that leak, measured: what models would seem to gain from them.

`leaky` lacks the impressions of all pairs that are held out, whenever they were shown, so that a
pair can be a negative only if it is no answer. A service has no such table. Effects are held here,
not digits; they were seen with each of five seeds.
"""

from dataclasses import replace

import numpy as np
import pytest

from candgen import evaluation, models
from candgen.datasets.preparation import prepare
from candgen.studies.filters_and_pools import filter_study


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    sizes = {"n_users": 300, "n_items": 300, "events_per_user": 20.0}
    return prepare(tmp_path_factory.mktemp("world"), source="world", seed=2, **sizes)


@pytest.fixture(scope="module")
def leaky(world):
    shown = world.known("impressions")
    pairs = (frame["user"] * world.n_items + frame["item"] for frame in (shown, world.held_out))
    of_shown, held_out = pairs
    kept = shown[~of_shown.isin(held_out)].reset_index(drop=True)
    tables = {n: t for n, t in world.info["tables"].items() if not n.startswith("impressions")}
    info = {**world.info, "tables": {**tables, "impressions": {}}}
    return replace(world, info=info, _tables={"impressions": kept})


def recall(model, dataset):
    return evaluation.judge(model.fit(dataset), dataset, k=20, cutoffs=[20]).mean("recall@20")


def logistic(labels):
    return models.LogisticFactorization(labels=labels, dim=16, epochs=15, seed=1)


def towers():
    settings = {
        "query_inputs": ["id"], "item_inputs": ["id"], "hidden": [], "dim": 16, "epochs": 2,
        "batch_size": 512, "learning_rate": 0.05, "temperature": 0.1, "seed": 1,
    }  # fmt: skip
    return models.TwoTower(**settings, negatives="impressions", n_negatives=4, correction=False)


def test_many_pairs_of_test_were_shown_in_vain_before(world, leaky):
    held = world.held_out[["user", "item"]]
    shares = [
        len(held.merge(data.known("impressions")[["user", "item"]].drop_duplicates())) / len(held)
        for data in (world, leaky)
    ]
    assert shares[0] > 0.3 and shares[1] == 0


@pytest.mark.parametrize(
    "make", [lambda: logistic("impressions"), towers], ids=["labels", "towers"]
)
def test_models_of_impressions_would_learn_the_answers_from_a_leak(world, leaky, make):
    assert recall(make(), leaky) > 1.2 * recall(make(), world)


def test_without_impressions_recall_is_the_same_either_way_and_higher(world, leaky):
    found = recall(logistic("events"), world)
    assert found == recall(logistic("events"), leaky)
    assert found > 1.2 * recall(logistic("impressions"), world)


def test_not_showing_again_costs_recall_and_would_seem_to_gain_by_a_leak(world, leaky):
    model = models.WALS(dim=16, epochs=6).fit(world)
    users = np.flatnonzero(
        (np.diff(world.history_matrix.indptr) > 0) & (np.diff(world.held_out_matrix.indptr) > 0)
    )
    told = {"k": 50, "metric": "recall@50", "since": "", "half_life": 1.0, "weight": 0.0}
    gains = {}
    for name, data in (("world", world), ("leaky", leaky)):
        table = filter_study.freshness(model, data, users, days=400.0, **told).set_index("way")
        gains[name] = table.loc["not shown again", "recall"] - table.loc["as found", "recall"]
    assert gains["world"] < -0.1 < 0 < gains["leaky"]
