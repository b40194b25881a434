"""Tests of the two-tower study, on a small world."""

import numpy as np
import pandas as pd
import pytest

from candgen import models
from candgen.datasets import preparation
from candgen.datasets.cold_users import make_users_cold
from candgen.datasets.world import oracle_of
from candgen.errors import SettingError
from candgen.models import TwoTower
from candgen.studies.towers import study as towers

SMALL = {"epochs": 1, "dim": 8, "batch_size": 128, "hidden": [8], "id_at_least": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"n_users": 80, "n_items": 60, "events_per_user": 10}
    folder = tmp_path_factory.mktemp("world")
    return preparation.prepare(folder, source="world", seed=2, split="random_per_user", **sizes)


@pytest.fixture(scope="module")
def oracle(data):
    return oracle_of(data)


@pytest.fixture(scope="module")
def fitted(data):
    asked = {"query_inputs": ["history", "features"], "item_inputs": ["id", "features"]}
    return TwoTower(**SMALL, **asked).fit(data)


def test_what_towers_read_is_told_with_what_they_learn(fitted, data):
    told = towers.described_inputs(fitted).set_index(["tower", "reads"])
    assert {"history", "user age", "user gender", "user place"} <= set(told.loc["query"].index)
    of_places = told.loc["query", "user place"]
    n_places = data.users["place"].nunique()
    assert of_places["rows of its table"] == n_places + 2  # one for others, one for missing
    assert (told["numbers learned"] >= told["rows of its table"] * told["width"]).all()


def test_inputs_are_left_out_if_they_are_read_and_put_in_if_not(fitted):
    made = towers.changed_inputs(fitted, ["history", "time", "item features"])
    assert list(made) == ["without history", "with time", "without item features"]
    assert made["without history"].query_inputs == ["features"]
    assert made["with time"].query_inputs == ["history", "features", "time"]
    assert made["without item features"].item_inputs == ["id"]
    assert made["with time"].settings["dim"] == 8


def test_the_last_input_of_a_tower_is_never_left_out(data):
    alone = TwoTower(**SMALL, query_inputs=["history"], item_inputs=["id"])
    alone.query_inputs_, alone.item_inputs_ = ["history"], ["id"]
    assert towers.changed_inputs(alone, ["history", "item id"]) == {}


def test_an_unknown_input_is_named(fitted):
    with pytest.raises(SettingError, match="Did you mean 'history'"):
        towers.changed_inputs(fitted, ["histories"])


def test_no_list_exceeds_the_best_possible_relevance(data, oracle, fitted):
    unknown = make_users_cold(data, 0.2)
    asked = {"popularity": models.Popularity(), "WALS": models.WALS(), "TwoTower": fitted}
    asked = {name: type(m)(**m.settings).fit(unknown) for name, m in asked.items()}
    new = towers.cold_user_truth(asked, unknown, oracle, 5)
    assert {len(values) for values in new.values()} == {len(np.unique(unknown.held_out["user"]))}
    seldom = towers.rarely_shown_truth({"TwoTower": fitted}, data, oracle, 2)
    for truth in (new, seldom):
        best = truth["best possible"]
        assert all((values <= best + 1e-6).all() for values in truth.values())


def test_items_with_five_impressions_are_not_rarely_shown(data):
    rarely = towers.rarely_shown(data)
    shown = data.known("impressions")["item"].value_counts()
    for item in range(data.n_items):
        assert rarely[item] == (shown.get(item, 0) < 5)


def test_only_invented_worlds_have_an_oracle(data):
    import dataclasses

    elsewhere = dataclasses.replace(data, folder=data.folder / "nowhere")
    assert oracle_of(elsewhere) is None


def test_towers_are_compared_with_the_baselines_that_are_there():
    truth = {"TwoTower": np.array([0.5, 0.7]), "popularity": np.array([0.2, 0.2])}
    (row,) = towers.against(truth, "TwoTower", ("WALS", "popularity"), seed=0)
    assert row["baseline"] == "popularity"
    assert (row["mean"], row["less"], row["difference"]) == pytest.approx((0.6, 0.2, 0.4))


def test_users_who_came_after_training_are_counted_by_their_held_out_events(data):
    import dataclasses

    late = data.held_out["user"].to_numpy()[0]
    learned = data.train[data.train["user"] != late]
    n = int((data.held_out["user"] == late).sum())
    later = dataclasses.replace(data, _tables={**data._tables, "train+validation": learned})
    assert towers.later_users(later, more_than=0) == towers.later_users(data, more_than=0) + 1
    assert towers.later_users(later, more_than=n) == towers.later_users(data, more_than=n)


def test_judgements_bear_the_names_that_were_asked_for(data):
    named = {"most popular": models.Popularity()}
    found = towers.judged(named, data, {"k": 5, "cutoffs": [5], "seed": 0})
    assert found["most popular"].generator == "most popular"


def test_items_are_coloured_by_genre_or_a_column_of_few_values_or_popularity(data):
    import dataclasses

    some = np.arange(data.n_items) < 3
    label, groups = towers.item_groups(data, some)
    assert label == "genres" and len(groups) == 3
    bare = data.items[["item", "item_id", "title"]]
    some = np.ones(data.n_items, dtype=bool)

    def grouped(**columns):
        items = bare.assign(**columns)
        return towers.item_groups(
            dataclasses.replace(data, _tables={**data._tables, "items": items}), some
        )

    numbers = np.arange(data.n_items)
    label, groups = grouped(price=numbers / 7, shop=numbers % 3)
    assert label == "shop" and set(groups) == {"0", "1", "2"}
    for columns in ({}, {"price": numbers / 7}, {"country": "DE"}):
        label, groups = grouped(**columns)
        assert label == "popularity" and set(groups) == {"head", "middle", "tail"}
        assert groups[np.bincount(data.train["item"], minlength=data.n_items).argmax()] == "head"


def test_gains_from_features_carry_the_spread_of_starts():
    def start(gain):
        values = {"with features": 0.2 + gain, "without": 0.2}
        return pd.DataFrame(values, index=pd.RangeIndex(40, name="user"))

    row = towers._gain(3, {0: start(0.1), 1: start(0.3)}, seed=0)
    assert (row["known"], row["users"]) == ("3", 40)
    assert row["with features"] == pytest.approx(0.4) and row["without"] == pytest.approx(0.2)
    ends = [row[name] for name in ("difference", "low", "high")]
    assert ends == pytest.approx([0.2, 0.2 - 0.1 * 2**0.5, 0.2 + 0.1 * 2**0.5])
    alone = towers._gain("all", {0: start(0.1)}, seed=0)
    assert (alone["low"], alone["high"]) == pytest.approx((0.1, 0.1))
