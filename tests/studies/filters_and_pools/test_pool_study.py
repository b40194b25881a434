"""Tests of the pool study, on a small world."""

import numpy as np
import pytest

from candgen import evaluation, models, retrieval
from candgen.datasets import preparation
from candgen.errors import SettingError
from candgen.retrieval import pools
from candgen.studies.filters_and_pools import pool_study as pooling

NAMES = ["WALS", "ItemKNN", "popularity"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"n_users": 150, "n_items": 90, "events_per_user": 14}
    folder = tmp_path_factory.mktemp("world")
    return preparation.prepare(folder, source="world", seed=3, split="timeline", **sizes)


@pytest.fixture(scope="module")
def fitted(data):
    settings = {"WALS": {"epochs": 3}}
    return pooling.fitted(NAMES, settings, data, parameters={"dim": 5, "seed": 4, "k": 9})


@pytest.fixture(scope="module")
def users(fitted, data):
    return evaluation.judge(fitted["WALS"], data, k=10, cutoffs=[10]).per_user["user"].to_numpy()


def test_each_generator_gets_its_settings_and_what_the_page_has(fitted, data):
    assert (fitted["WALS"].dim, fitted["WALS"].epochs, fitted["WALS"].seed) == (5, 3, 4)
    with pytest.raises(SettingError, match="no setting 'epoch'"):
        pooling.fitted(["WALS"], {"WALS": {"epoch": 3}}, data, parameters={})


def test_shares_and_chances_are_learned_on_validation(fitted, data):
    learned = pooling.Learned(fitted, data, 20, most_users=40)
    assert learned.users == 40 and sum(learned.shares.values()) == pytest.approx(1)
    before = data.for_validation()
    again = {name: type(m)(**m.settings).fit(before) for name, m in fitted.items()}
    everyone = pooling.Learned(fitted, data, 20, most_users=10**6)
    asked = np.sort(evaluation.judge(again["WALS"], before, k=20, cutoffs=[20]).per_user["user"])
    lists = {name: retrieval.top_items(m, asked, 20) for name, m in again.items()}
    assert everyone.shares == pools.learn_shares(lists, before.held_out_matrix[asked], 20)


def test_pools_are_full_and_judged_like_anything_else(fitted, users, data):
    lists = pooling.lists_of(fitted, users, 10)
    learned = pooling.Learned(fitted, data, 10)
    shares = {"WALS": 1.0}
    merged = pooling.pooled(lists, 10, shares=shares, learned=learned)
    assert list(merged) == ["fixed shares", "by turns", "calibrated", "learned shares"]
    assert all((items >= 0).all() for items in merged.values())
    judged = pooling.judged(merged, users, data, [5, 10])
    alone = evaluation.judge(fitted["WALS"], data, k=10, cutoffs=[5, 10])
    assert judged["fixed shares"].mean("recall@10") == pytest.approx(alone.mean("recall@10"))
    assert list(pooling.pooled(lists, 10, shares=shares, learned=None)) == list(merged)[:2]
    said = pooling.in_order(judged, "recall@10")
    means = [float(part.split(" (")[0].split()[-1]) for part in said.split("), ")]
    assert len(means) == 4 and means == sorted(means, reverse=True)


def test_what_a_generator_adds_has_an_interval_over_users(fitted, users, data):
    lists = pooling.lists_of(fitted, users, 10)
    table = pooling.worth(lists, users, data, 10).set_index("generator")
    held_out = data.held_out_matrix[users]
    plain = pools.contributions(lists, held_out, 10).set_index("generator")
    for name in NAMES:
        for column in ("alone", "adds"):
            mean, low, high = (
                float(n)
                for n in table.loc[name, column].strip(")").replace(" (", " to ").split(" to ")
            )
            assert mean == pytest.approx(plain.loc[name, column], abs=1e-4)
            assert low <= mean <= high
    assert table["only here"].between(0, 1).all()


def test_recall_of_each_user_is_counted_and_users_without_anything_are_left_out():
    from scipy.sparse import csr_array

    held_out = csr_array(np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]))
    items = np.array([[0, 3], [0, 1], [2, -1]], np.int32)
    assert pools.recalls_of(items, held_out).tolist() == [0.5, 1.0]
    assert pools.recall_of(items, held_out) == 0.75


def test_models_module_takes_more_settings_than_the_page_has():
    made = models.from_parameters("WALS", {"dim": 3, "epochs": 9, "k": 5}, {"epochs": 2})
    assert (made.dim, made.epochs) == (3, 2)
    with pytest.raises(SettingError, match="Did you mean 'epochs'"):
        models.from_parameters("WALS", {}, {"epoch": 2})


def test_the_first_generator_gets_half_of_the_pool():
    assert pooling.first_half(["a", "b", "c"]) == {"a": 0.5, "b": 0.25, "c": 0.25}
    assert pooling.first_half(["a"]) == {"a": 0.5}
