"""Every reader of impressions and searches, held to its period for both values of `evaluate_on`.

A dataset is judged on validation or on test. For each reader the rows of one part after the other
are taken away: what it finds must change with the parts that it should read, and with no other.
"""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from candgen import evaluation, models
from candgen.datasets import feedback
from candgen.datasets.cold_users import fold_in_cold_users, make_cold, make_users_cold
from candgen.datasets.periods import FURTHER, PERIODS, stored
from candgen.datasets.preparation import prepare
from candgen.datasets.world import WorldSettings, make_world
from candgen.evaluation import calibration
from candgen.evaluation.unbiased import held_out_exposure
from candgen.features import EventLog
from candgen.models.factorization.logistic import labelled_pairs
from candgen.models.towers.building import Shape, query_inputs
from candgen.negatives import item_exposure, shown_in_vain
from candgen.seeds import derive_seed
from candgen.studies.exposure import feedback_loop
from candgen.studies.filters_and_pools import filter_study
from candgen.studies.towers import study as towers_study

PARTS = ("train", "validation", "test")
SIZES = {"n_users": 80, "n_items": 60, "events_per_user": 12.0}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("world"), source="world", seed=3, **SIZES)


@pytest.fixture(scope="module")
def raw():
    """Users, items and times of the world's tables as invented, none of them split."""
    source = make_world(WorldSettings(**SIZES), derive_seed(3, "world"))
    return {"interactions": source.interactions, **source.extras}


# --- what lies in which period


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("table", ["interactions", "impressions", "searches"])
def test_a_table_is_known_before_the_cut_and_judges_from_it_to_the_next(world, raw, table, part):
    data = replace(world, evaluate_on=part)
    starts = world.info["split"]["train_ends"], world.info["split"]["test_starts"]
    cut, end = (*starts, np.inf)[PARTS.index(part) - 1 :][:2]
    times = raw[table]["timestamp"]
    assert cut == data.known_until and ((times >= cut) & (times < end)).any()
    expected = np.sort(times[times < cut]), np.sort(times[(times >= cut) & (times < end)])
    for frame, wanted in zip((data.known(table), data.judging(table)), expected, strict=True):
        assert np.array_equal(np.sort(frame["timestamp"]), wanted)


def test_pairs_that_are_taken_later_were_shown_in_vain_before(world):
    vain = shown_in_vain(world)
    held = world.held_out[["user", "item"]].to_numpy()
    before = [i in vain.items[vain.starts[u] : vain.starts[u + 1]] for u, i in held]
    shown = world.known("impressions")
    assert 0.2 < np.mean(before) < 1
    assert not shown[shown["engaged"]].merge(world.held_out, on=["user", "item"]).size


# --- datasets made from it


def rows_of(frame):
    return sorted(map(tuple, frame.drop(columns=["rating", "watched"], errors="ignore").to_numpy()))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_users_made_cold_take_their_rows_out_of_what_is_known(world, part):
    data = replace(world, evaluate_on=part)
    made = make_users_cold(data, 0.3, seed=1)
    cold = np.unique(made.held_out["user"])
    for name in ("interactions", *filter(world.has, FURTHER)):
        known, judging = data.known(name), data.judging(name)
        assert rows_of(made.known(name)) == rows_of(known[~known["user"].isin(cold)])
        assert rows_of(made.judging(name)) == rows_of(judging[judging["user"].isin(cold)])


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_fold_in_changes_nothing_that_a_model_knows(world, part):
    data = make_users_cold(replace(world, evaluate_on=part), 0.3, seed=1)
    made = fold_in_cold_users(data, 0)
    for name in ("interactions", *filter(world.has, FURTHER)):
        assert rows_of(made.known(name)) == rows_of(data.known(name))
        assert name == "interactions" or rows_of(made.judging(name)) == rows_of(data.judging(name))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_cold_split_of_all_events_splits_all_rows(world, raw, part):
    made = make_cold(replace(world, evaluate_on=part), 0.2, 0.2, seed=2)
    later = make_cold(world, 0.2, 0.2, seed=2)  # of test: left out where validation is judged
    gone = {"user": made.users, "item": made.items}
    if part == "validation":
        for column, of_test in (("user", later.users), ("item", later.items)):
            gone[column] = np.append(gone[column], of_test)
    for name in filter(world.has, FURTHER):
        whole = world.everything(name)
        assert len(whole) == len(raw[name])
        stays = np.ones(len(whole), bool)
        for column in set(gone) & set(whole):
            stays &= ~whole[column].isin(gone[column])
        assert rows_of(made.data.known(name)) == rows_of(whole[stays])
        cold = whole["user"].isin(made.users)
        if "item" in whole:
            cold &= ~whole["item"].isin(gone["item"])
        assert rows_of(made.data.judging(name)) == rows_of(whole[cold])
    assert made.data.judges_whole_log and made.data.known_until > world.known_until


# --- who reads what


class Told(models.base.Generator):
    """Gives scores that follow from ids alone, so that only what is read differs."""

    name = "told"

    def _fit(self, dataset):
        pass

    def _score(self, users, items):
        table = np.random.default_rng(0).normal(size=(80, 60)).astype(np.float32)
        return table[users] if items is None else table[users][:, items]


def freshness(data):
    told = {"k": 10, "metric": "recall@10", "since": "", "days": 400.0, "half_life": 1.0}
    users = np.unique(data.held_out["user"])
    return filter_study.freshness(models.Popularity().fit(data), data, users, weight=0.0, **told)


def searches_of_a_tower(data):
    log = EventLog.of(data.train, data.n_users)
    (found,) = query_inputs(data, ["searches"], Shape(dim=4, seed=0), log=log)
    starts, stops = found.log.before(
        np.arange(data.n_users), np.full(data.n_users, data.known_until), 10_000
    )
    return (stops - starts).sum(), (found.log.times + 0).sum()


def grown(data):
    page = feedback_loop.Page(*(np.zeros(1, int),) * 2, np.ones(1, int), np.ones(1, bool))
    made = feedback_loop.with_page(data, page, 0)
    return [made.known(name) for name in filter(made.has, FURTHER)]


def reliability(data):
    users = np.flatnonzero(np.diff(data.history_matrix.indptr))
    return calibration.calibrate(Told().fit(data), data, users, loss="logistic").logged


READERS_OF_WHAT_IS_KNOWN = {
    "exposure of items": ("impressions", item_exposure),
    "shown in vain": ("impressions", shown_in_vain),
    "logistic labels": ("impressions", lambda d: labelled_pairs(d, d.train, "impressions").data),
    "feedback labels": ("impressions", feedback.impressions_of),
    "rarely shown items": ("impressions", towers_study.rarely_shown),
    "not shown again": ("impressions", freshness),
    "feedback loop": ("impressions", grown),
    "searches of towers": ("searches", searches_of_a_tower),
    "searches of a user": (
        "searches",
        lambda d: [evaluation.known_of(d, u, most=100)["searches"] for u in range(d.n_users)],
    ),
}
READERS_OF_WHAT_JUDGES = {
    "exposure of the judged period": held_out_exposure,
    "calibration": reliability,
}


def without(data, table):
    """Return the dataset with an empty table."""
    tables = {**data._tables, table: data.table(table).iloc[:0]}
    tables = {name: frame for name, frame in tables.items() if "+" not in name}
    return replace(data, _tables=tables)


def parts_read(read, data, table):
    """Return the parts of a table that change what is found when they are empty."""
    whole = pickled(read(data))
    names = {part: stored(table, part) for part in PARTS}
    return {p for p, name in names.items() if pickled(read(without(data, name))) != whole}


def pickled(found):
    """Turn what a reader returns into text that is equal where all values are."""
    if isinstance(found, pd.DataFrame):
        return found.to_csv()
    if isinstance(found, np.ndarray):
        return found.tolist()
    if isinstance(found, (list, tuple)):
        return [pickled(one) for one in found]
    return repr(found)


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("reader", READERS_OF_WHAT_IS_KNOWN)
def test_a_model_reads_all_that_it_knows_and_nothing_later(world, reader, part):
    table, read = READERS_OF_WHAT_IS_KNOWN[reader]
    data = replace(world, evaluate_on=part)
    assert parts_read(read, data, table) == set(PERIODS[part].known)


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("make", [models.TwoTower, models.SoftmaxNetwork])
def test_after_early_stopping_all_searches_before_the_moment_are_read(
    world, make, part, monkeypatch
):
    """Less is known while a tower learns, since validation is watched then."""
    nothing = SimpleNamespace(history=[], best_epoch=0, resumed_after=0)
    monkeypatch.setattr(models.learned, "train", lambda *_, **__: nothing)
    told = {"query_inputs": ["searches"], "item_inputs": ["id"], "hidden": [], "dim": 4}
    data = replace(world, evaluate_on=part)
    model = make(**told, patience=1).fit(data)
    (searches,) = model._learned.queries
    assert np.array_equal(np.sort(searches.log.times), np.sort(data.known("searches")["timestamp"]))
    assert model.moment_ == data.known_until


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("reader", READERS_OF_WHAT_JUDGES)
def test_what_judges_reads_its_own_period_alone(world, reader, part):
    data = replace(world, evaluate_on=part)
    assert parts_read(READERS_OF_WHAT_JUDGES[reader], data, "impressions") == {part}


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shuffled")
    return prepare(folder, source="world", seed=3, split="random_per_user", **SIZES)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_where_engagements_of_all_times_are_held_out_exposure_is_that_of_all_times(shuffled, part):
    """Held-out rows are engagements then, so they do not tell what was ignored."""
    data = replace(shuffled, evaluate_on=part)
    times_shown = sum(
        np.bincount(rows["item"], minlength=data.n_items)
        for rows in (data.known("impressions"), data.judging("impressions"))
    )
    assert np.array_equal(held_out_exposure(data), np.maximum(times_shown, 1))
    assert not data.judges_whole_log and make_cold(data, 0.2, seed=2).data.judges_whole_log
    of_judged = data.judging("impressions")
    assert of_judged["engaged"].mean() > 0.9
    assert len(of_judged) >= len(data.held_out)
    history = data.history_matrix
    users = np.flatnonzero(np.diff(history.indptr))
    offered = len(users) * data.train["item"].nunique() - history[users].nnz
    assert reliability(data).count.sum() == offered


def test_no_module_and_no_page_reads_a_further_table_past_its_period(root):
    """All other readers would have to be in the lists above."""
    named = re.compile(rf"\btable\(\s*\\?[\"']({'|'.join(FURTHER)})")
    files = [*(root / "lib").rglob("*.py"), *(root / "notebooks").glob("*.ipynb")]
    assert len(files) > 100
    assert [str(f) for f in files if named.search(f.read_text(encoding="utf-8"))] == []
