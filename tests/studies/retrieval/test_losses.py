"""The losses of approximate search, on a small world."""

import pandas as pd
import pytest

from candgen import evaluation, models
from candgen.datasets import preparation
from candgen.studies.retrieval import losses, tradeoff


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"n_users": 120, "n_items": 80, "events_per_user": 14}
    folder = tmp_path_factory.mktemp("world")
    return preparation.prepare(folder, source="world", seed=2, split="random_per_user", **sizes)


@pytest.fixture(scope="module")
def wals(data):
    return models.WALS(dim=6, epochs=4).fit(data)


@pytest.mark.usefixtures("quickly_measured")
def test_what_is_lost_is_paired_with_exact_search(wals, data):
    users = evaluation.judge(wals, data, k=10, cutoffs=[5]).per_user["user"].to_numpy()
    builds = {"faiss-ivf": [{"lists": 30}]}
    table = tradeoff.tradeoff(
        wals.item_vectors(), "dot", wals.user_vectors(users), 10, {"faiss-ivf": [1]}, builds=builds
    )
    asked = {"metric": "recall@5", "margin": 0.01, "k": 10, "cutoffs": [5]}
    lost = losses.lost_to_approximation(wals, data, table, **asked)
    assert lost["generator"].tolist() == ["faiss-ivf"] and lost["users"].iloc[0] == len(users)
    exact = evaluation.judge(wals, data, k=10, cutoffs=[5]).mean("recall@5")
    assert lost["baseline_mean"].iloc[0] == pytest.approx(exact)


@pytest.mark.usefixtures("quickly_measured")
def test_two_settings_of_a_kind_are_told_apart(wals, data):
    users = evaluation.judge(wals, data, k=10, cutoffs=[5]).per_user["user"].to_numpy()
    table = tradeoff.tradeoff(
        wals.item_vectors(), "dot", wals.user_vectors(users), 10, {"faiss-ivf": [1, 30]},
        builds={"faiss-ivf": [{"lists": 30}]},
    )  # fmt: skip
    asked = {"metric": "recall@5", "margin": 0.01, "k": 10, "cutoffs": [5]}
    lost = losses.lost_to_approximation(wals, data, table, **asked).set_index("generator")
    named = [f"faiss-ivf, lists 30, probes {probes}" for probes in (1, 30)]
    assert sorted(lost.index) == named
    assert lost["difference"][named[1]] == 0, "all lists are looked at"


def test_what_is_lost_is_told_as_a_loss():
    lost = pd.DataFrame(
        {"generator": ["a", "b"], "difference": [-0.02, 0.0], "low": [-0.03, 0], "high": [0.01, 0]}
    )
    assert losses.said_of(lost) == "a 0.0200 (-0.0100 to 0.0300); b 0.0000 (0.0000 to 0.0000)"
