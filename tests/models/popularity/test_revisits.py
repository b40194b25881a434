"""Repeats: orders in which half of the users order again what they had."""

import numpy as np
import pandas as pd
import pytest
from contract import GeneratorContract

from candgen import evaluation
from candgen.datasets import preparation
from candgen.models import Popularity, Revisit

N_USERS, N_ITEMS = 200, 400


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """Ten orders of each user; the last of every other user is the one before once more."""
    rng = np.random.default_rng(2)
    rows = []
    for user in range(N_USERS):
        own = rng.choice(N_ITEMS, 9, replace=False)
        new = rng.choice(np.setdiff1d(np.arange(N_ITEMS), own))
        last = own[-1] if user % 2 else new
        rows += [(user, item, 100 * place + user) for place, item in enumerate([*own, last])]
    folder = tmp_path_factory.mktemp("orders")
    frame = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    frame.to_csv(folder / "orders.csv", index=False)

    def prepare(repeats):
        told = {"source": "table", "path": str(folder / "orders.csv"), "split": "leave_last_out"}
        told |= {"validation_fraction": 0.0, "repeats": repeats, "duplicates": "keep"}
        return preparation.prepare(folder / repeats, name=repeats, **told)

    return {repeats: prepare(repeats) for repeats in ("allow", "withhold")}


def test_with_repeats_allowed_revisits_are_right_half_of_the_time(orders):
    model = Revisit(half_life=2.0).fit(orders["allow"])
    found = evaluation.judge(model, k=10, cutoffs=[1])
    assert found.mean("recall@1") == pytest.approx(0.5, abs=0.01)
    assert found.counts["already_in_history_share"] == pytest.approx(0.5)
    assert found.counts["candidates_already_in_history"] == 0  # as it should be, so no fault
    popular = evaluation.judge(Popularity().fit(orders["allow"]), k=10, cutoffs=[1])
    assert popular.mean("recall@1") < 0.1


def test_with_repeats_withheld_nobody_is_offered_what_was_ordered(orders):
    model = Revisit(half_life=2.0).fit(orders["withhold"])
    found = evaluation.judge(model, k=10, cutoffs=[1])
    assert found.mean("recall@1") < 0.1
    offered = model.recommend(list(range(20)), k=5)
    had = set(map(tuple, orders["withhold"].train[["user", "item"]].itertuples(index=False)))
    data = orders["withhold"]
    raw = data.items["item_id"].to_numpy()
    had = {(data.users["user_id"][u], raw[i]) for u, i in had}
    assert not had & set(zip(offered["user"], offered["item"], strict=True))


def test_recommend_offers_own_items_again_only_if_repeats_are_allowed(orders):
    data = orders["allow"]
    offered = Revisit().fit(data).recommend([7], k=9)
    own = data.train[data.train["user"] == 7]["item"]
    assert set(offered["item"]) == set(data.items["item_id"].to_numpy()[own])


def test_what_was_had_often_and_lately_comes_first(tmp_path):
    rows = [("a", item, n) for n, item in enumerate([1, 2, 2, 3, 4, 1])] + [
        ("b", 5, 9),
        ("b", 6, 9),
    ]
    pd.DataFrame(rows, columns=["user", "item", "timestamp"]).to_csv(
        tmp_path / "t.csv", index=False
    )
    told = {"source": "table", "path": str(tmp_path / "t.csv"), "repeats": "allow"}
    told |= {"split": "leave_last_out", "validation_fraction": 0.0}
    data = preparation.prepare(tmp_path / "made", name="made", **told)
    assert len(data.train) == 6  # repeated pairs are kept
    offered = Revisit(half_life=2.0).fit(data).recommend(["a"], k=4)
    weight = {1: 0.5**2.0, 2: 0.5**1.5 + 0.5**1.0, 3: 0.5**0.5, 4: 1.0}
    assert list(offered["item"]) == sorted(weight, key=weight.get, reverse=True)


class TestRevisit(GeneratorContract):
    beats_popularity = False

    def make(self, seed=0):
        return Revisit()
