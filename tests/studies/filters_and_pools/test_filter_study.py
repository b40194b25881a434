"""Tests of the filter study, on a small world and a small invented catalogue."""

import numpy as np
import pandas as pd
import pytest

from candgen import evaluation, models
from candgen.datasets import preparation
from candgen.retrieval import filtered_search, indexes, invented_vectors
from candgen.studies.filters_and_pools import filter_study as filtering


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"n_users": 100, "n_items": 80, "events_per_user": 12}
    folder = tmp_path_factory.mktemp("world")
    return preparation.prepare(folder, source="world", seed=2, split="timeline", **sizes)


@pytest.fixture(scope="module")
def fitted(data):
    model = models.WALS(dim=6, epochs=4).fit(data)
    judged = evaluation.judge(model, data, k=10, cutoffs=[10])
    return model, np.sort(judged.per_user["user"].to_numpy()), judged


def test_masks_leave_the_shares_that_are_asked_for():
    made = invented_vectors.clustered(4_000, 2, 8)
    for share, masks in filtering.near_masks(made, [0.01, 0.4], 3).items():
        assert len(masks) == 3
        assert [mask.mean() for mask in masks] == pytest.approx([share] * 3, abs=0.002)
    (mask,) = filtering.random_masks(40_000, [0.1])[0.1]
    assert mask.mean() == pytest.approx(0.1, abs=0.01)


def test_every_way_is_measured_at_every_share():
    made = invented_vectors.clustered(6_000, 40, 12, seed=1)
    index = indexes.build("faiss-ivf", made.items, "dot", probes=1)
    rule = filtered_search.measure(index, made.queries[:20], 10, repeats=1)
    masks = filtering.near_masks(made, [0.02, 1.0], 4)
    table = filtering.by_selectivity(index, made.queries[20:], 10, masks, rule=rule)
    found = table.pivot(index="share", columns="way", values="recall")
    assert list(found.index) == [0.02, 1.0] and set(found) == {"before", "after", "by the rule"}
    assert (found["before"] == 1).all() and (found["by the rule"] >= 0.93).all()
    assert found.loc[1.0, "after"] < found.loc[1.0, "by the rule"]
    assert (table["low"] <= table["recall"]).all() and (table["ms"] > 0).all()
    assert set(table["chosen"]) <= {"before", "after"}


def test_the_worst_is_told():
    table = pd.DataFrame(
        {
            "share": [0.01, 0.5] * 2,
            "way": ["by the rule"] * 2 + ["after"] * 2,
            "recall": [1.0, 0.96, 0.7, 0.9],
            "low": [1.0, 0.95, 0.6, 0.8],
            "high": [1.0, 0.97, 0.8, 0.95],
            "chosen": ["before", "after"] * 2,
        }
    )
    told = filtering.said_of(table)
    assert told["how"] == "before the search up to 1.0% left, after it from 50.0% left"
    assert (told["recall"], told["low"], told["high"]) == (0.96, 0.95, 0.97)
    assert (told["less"], told["strict"]) == (0.7, "; where at most 1% is left, 1.000")
    loose = filtering.said_of(table[table["share"] > 0.01])
    assert loose["strict"] == "" and loose["less"] == 0.9


def test_filters_come_from_columns_and_the_place_of_each_user(data, fitted):
    _, users, _ = fitted
    asked = {"wanted": {"provider": data.items["provider"].iloc[0]}, "denied": [1, 2]}
    named = filtering.filters_of(data, users, place="place", since="upload_time", **asked)
    assert [name.split(":")[0] for name in named] == [
        "no filter", "without 2 items", "provider", "available by the median upload time",
        "near the user",
    ]  # fmt: skip
    groups, masks = named["near the user"]
    assert groups.tolist() == data.users["place"].iloc[users].tolist()
    for place, mask in masks.items():
        assert mask.tolist() == [place in held for held in data.items["places"]]
    assert named["available by the median upload time"][1][0].mean() == pytest.approx(0.5, abs=0.02)
    assert not named["without 2 items"][1][0][[1, 2]].any()
    absent = {"place": "planet", "since": "arrival", "wanted": {"colour": "red"}, "denied": []}
    assert list(filtering.filters_of(data, users, **absent)) == ["no filter"]


def test_a_generator_is_searched_under_all_filters_that_its_dataset_allows(data, fitted):
    model, users, _ = fitted
    columns = {"place": "place", "wanted": {}, "since": "arrival", "denied": 3}
    table = filtering.of_users(model, data, users, 10, columns, "exact", {}, target=0.9)
    assert table["filter"].tolist() == ["no filter", "without 3 items", "near the user"]
    assert (table["of exact"] == 1).all()
    assert table["left"].iloc[1] == pytest.approx(1 - 3 / data.n_items)


def test_under_real_filters_the_rule_finds_what_exact_search_finds(data, fitted):
    model, users, judged = fitted
    index = indexes.build("faiss-ivf", model.item_vectors(), "dot", probes=1)
    none = np.zeros(len(users), int)
    half = np.arange(data.n_items) % 2 == 0
    named = {"all": (none, {0: np.ones(data.n_items, bool)}), "half": (none, {0: half})}
    held_out = data.held_out_matrix[users]
    told = {"exclude": data.history_matrix[users], "held_out": held_out}
    table = filtering.under_filters(index, model.user_vectors(users), 10, named, **told)
    everything, some = table.to_dict("records")
    assert everything["kept"] == everything["left"] == 1
    assert everything["recall"] == pytest.approx(judged.mean("recall@10"), abs=0.02)
    assert some["kept"] == pytest.approx(half[held_out.indices].mean())
    assert (table["of exact"] >= 0.93).all()


def test_ages_are_days_before_candidates_are_asked_for(data):
    ages = filtering.days_old(data, "upload_time")
    item = int(np.argmin(data.items["upload_time"]))
    assert ages[item] == (data.known_until - data.items["upload_time"].min()) / 86_400
    assert ages.min() >= 0
    years = filtering.days_old(data, "year")
    assert years[int(np.argmax(data.items["year"]))] == 0
    assert filtering.days_old(data, "") is filtering.days_old(data, "born") is None


def test_recent_is_what_was_shown_before_candidates_are_asked_for(data, fitted, monkeypatch):
    model, users, _ = fitted
    asked, told = [], {"k": 10, "metric": "recall@10", "half_life": 100.0, "weight": 9.0}
    own = filtering.filters.shown_recently
    monkeypatch.setattr(
        filtering.filters, "shown_recently", lambda *a, **k: asked.append(k) or own(*a, **k)
    )
    for judged in (data.for_validation(), data):
        filtering.freshness(model, judged, users, since="", days=2.0, **told)
    cuts = [data.info["split"][name] for name in ("train_ends", "test_starts")]
    assert [(k["moment"], k["seconds"]) for k in asked] == [(cut, 172_800.0) for cut in cuts]


def test_what_was_shown_recently_does_not_come_again_and_candidates_get_younger(data, fitted):
    model, users, _ = fitted
    asked = {"k": 10, "metric": "recall@10", "days": 9999.0, "half_life": 100.0, "weight": 9.0}
    table = filtering.freshness(model, data, users, since="upload_time", **asked).set_index("way")
    assert list(table.index) == ["as found", "not shown again", "new preferred", "both"]
    assert table.loc["as found", "shown before"] > 0
    assert (table.loc[["not shown again", "both"], "shown before"] == 0).all()
    shown = data.known("impressions")
    asked_for = data.held_out[data.held_out["user"].isin(users)]
    recent = shown[shown["timestamp"] >= data.known_until - 86_400 * asked["days"]]
    again = asked_for.merge(recent[["user", "item"]].drop_duplicates())
    expected = pytest.approx(len(again) / len(asked_for))
    assert 0 < table.loc["not shown again", "withheld"] == expected
    assert table.loc["as found", "withheld"] == 0
    assert table.loc["new preferred", "age"] < table.loc["as found", "age"]
    without = filtering.freshness(model, data, users, since="", **asked)
    assert without["way"].tolist() == ["as found", "not shown again"]
    assert without["age"].isna().all()
