"""Tests of the measures of a sampler, on a small world and on numbers worked out by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from candgen import evaluation, models
from candgen.datasets import preparation
from candgen.datasets.world import oracle_of
from candgen.models import TwoTower
from candgen.negatives import Drawn, make_sampler
from candgen.session import Run
from candgen.studies.negatives import measures as study
from candgen.studies.three_posts import study as posts_study

PARAMETERS = {
    "negatives": "uniform",
    "n_negatives": 50,
    "alpha": 0.75,
    "hardness": 0.1,
    "memory": 2,
    "correction": True,
    "loss": "softmax",
    "similarity": "cosine",
    "temperature": 0.1,
    "batch_size": 64,
    "learning_rate": 0.02,
    "seed": 3,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"n_users": 80, "n_items": 60, "events_per_user": 12}
    folder = tmp_path_factory.mktemp("world")
    return preparation.prepare(folder, source="world", seed=2, split="random_per_user", **sizes)


@pytest.fixture(scope="module")
def fitted(data):
    ids = {"query_inputs": ["id"], "item_inputs": ["id"], "id_dropout": 0.0, "hidden": []}
    return TwoTower(**ids, dim=8, epochs=2, batch_size=64, n_negatives=50, seed=3).fit(data)


@pytest.fixture
def judged(data, fitted):
    others = [models.Popularity().fit(data), models.Random(seed=0).fit(data)]
    return [evaluation.judge(m, data, k=20, cutoffs=[10, 20]) for m in (fitted, *others)]


# --- the three posts


def test_every_way_to_teach_ends_where_it_must_and_only_closeness_comes_back_to_2():
    ways = posts_study.ways_to_train(2, weight=0.25, penalty=0.01)
    table, paths = posts_study.landings(ways, start=1.8, rate=0.1, steps=6000)
    assert len(table) == 3 * 2 * 2
    np.testing.assert_allclose(table["descent"], table["exact"], atol=1e-6)
    assert (table.xs("shown posts only", level="taught by")["nearer"] == "0").all()
    helped = table.xs("with sampled 0", level="taught by")["nearer"].unstack("score")
    assert (helped["closeness"] == "2").all() and (helped["product"] == "0").all()
    assert table.loc[("squared", "closeness", "with sampled 0"), "exact"] == pytest.approx(2)
    assert paths["squared", "product", "shown posts only"][0] == 1.8
    drawn, ends = posts_study.descents_by("closeness", paths, table, 60)
    assert len(drawn) == 6 and all(len(path) == 61 for path in drawn.values())
    assert ends["squared, with sampled 0"] == pytest.approx(2)


def test_posts_are_counted_by_where_the_user_ends():
    table, _ = posts_study.landings(posts_study.ways_to_train(2))
    told = posts_study.summary(table)
    assert (told["ways"], told["zero"], told["two"]) == (6, 6, 3)
    assert set(told["which"].split("; ")) == {
        f"{loss} by closeness" for loss in ("squared", "logistic", "softmax")
    }
    assert told["apart"] < 1e-6


def test_one_sampled_zero_is_a_tie_by_closeness():
    table, _ = posts_study.landings(
        posts_study.ways_to_train(1, weight=0.25, penalty=0.01), start=0.0, rate=0.1, steps=2000
    )
    tied = table.xs(("closeness", "with sampled 0"), level=("score", "taught by"))
    assert (tied["nearer"] == "neither").all()


def test_a_penalty_is_given_only_to_what_would_run_away():
    ways = posts_study.ways_to_train(2, weight=0.25, penalty=0.3)
    given = {name for name, way in ways.items() if way.penalty}
    assert given == {("softmax", score, "shown posts only") for score in ("product", "closeness")}


# --- names


@pytest.mark.parametrize(
    "changed, label",
    [
        ({}, "uniform, 50 drawn, logQ"),
        ({"correction": False}, "uniform, 50 drawn, no logQ"),
        ({"loss": "bpr"}, "uniform, 50 drawn"),
        ({"negatives": "popularity", "alpha": 0.5}, "popularity^0.5, 50 drawn, logQ"),
        ({"negatives": "in-batch"}, "in-batch, logQ"),
        ({"negatives": "cross-batch"}, "cross-batch, 2 back, logQ"),
        ({"negatives": "hard", "correction": False}, "hardest 10% of 50, no logQ"),
        ({"negatives": "impressions", "n_negatives": 8}, "impressions, 8 each"),
        ({"negatives": "all"}, "whole catalogue"),
        ({"negatives": "none", "loss": "contrastive"}, "positives only"),
    ],
)
def test_a_sampler_is_named_with_what_matters_of_its_settings(changed, label):
    assert study.sampler_label({**PARAMETERS, **changed}) == label


def test_a_run_is_named_with_its_loss_and_likeness():
    assert study.run_label(PARAMETERS) == "uniform, 50 drawn, logQ · softmax · cosine / 0.1"
    alone = {**PARAMETERS, "loss": "contrastive"}
    assert study.run_label(alone) == "uniform, 50 drawn · contrastive · cosine"


# --- draws


class Lopsided:
    """Promises all items alike and draws the first one too often."""

    kind = "uniform"

    def __init__(self, n_items):
        self.n_items = n_items

    def probabilities(self):
        return np.full(self.n_items, 1 / self.n_items)

    def draw(self, positives, users, rng):
        drawn = rng.integers(self.n_items, size=100)
        drawn[:10] = 0
        nothing = np.zeros((len(users), 0))
        return Drawn(drawn.astype(np.int32), np.zeros(100), nothing.astype(np.int32), nothing)


@pytest.mark.parametrize("kind", ["uniform", "popularity", "in-batch", "mixed", "impressions"])
def test_samplers_draw_what_they_promise(data, kind):
    sampler = make_sampler(kind, data, n=40, batch_size=64)
    draws = study.drawn_and_promised(sampler, data, 64, seed=1)
    assert draws.promised.sum() == pytest.approx(draws.drawn.sum())
    assert draws.p > 0.001


def test_a_sampler_that_breaks_its_promise_is_found_out(data):
    assert study.drawn_and_promised(Lopsided(data.n_items), data, 64, seed=1).p < 1e-6


def test_no_draw_has_no_test(data):
    draws = study.drawn_and_promised(make_sampler("none", data, batch_size=64), data, 64, seed=1)
    assert draws.drawn.sum() == 0 and np.isnan(draws.p)


def test_draws_are_summed_by_popularity_so_that_1_is_uniform(data):
    sampler = make_sampler("uniform", data, n=40, batch_size=64)
    table = study.draws_by_popularity(study.drawn_and_promised(sampler, data, 64, seed=1), data)
    drawable = (data.train_matrix.sum(axis=0) > 0).sum()
    assert table["items"].sum() == drawable
    np.testing.assert_allclose(table["promised"], data.n_items / drawable)
    assert (table["popularity"].diff().dropna() > 0).all()


# --- what was learned


def test_directions_are_counted_by_entropy():
    assert study.effective_directions(np.ones((5, 3))) == pytest.approx(1)
    assert study.effective_directions(np.eye(4)) == pytest.approx(4)


def test_the_cosines_of_a_collapse_are_one(data, fitted):
    class Fallen(TwoTower):
        def user_vectors(self, users):
            return np.tile([2.0, 0.0], (len(users), 1))

        def item_vectors(self):
            return np.tile([0.5, 0.0], (len(self.known_items_), 1))

    fallen = Fallen()
    fallen.known_items_ = fitted.known_items_
    users = np.flatnonzero(np.diff(data.history_matrix.indptr))
    table = study.collapse_table(
        {"fallen": fallen, "fitted": fitted}, users, {"fallen": 0.0, "fitted": 0.5}
    )
    assert table.loc["fallen", ["cosine", "spread", "directions"]].tolist() == pytest.approx(
        [1, 0, 1]
    )
    assert table.loc["fitted", "directions"] > 2 and table.loc["fitted", "recall"] == 0.5


def test_users_get_their_popularity_and_the_truth_as_columns(data, judged):
    oracle = oracle_of(data)
    study.add_what_users_got(judged, data, oracle, 10)
    found = judged[0].per_user
    expected = evaluation.true_relevance(judged[0], oracle, 10)
    np.testing.assert_allclose(found["true_relevance@10"], expected)
    assert not found.isna().any().any()
    biases = study.popularity_biases(judged[0], 10)
    assert biases["own"] == pytest.approx(judged[0].overall["popularity_bias@10"])
    means = found.mean()
    assert biases["true taste"] == pytest.approx(
        means["list_popularity@10"] / means["taste_popularity@10"]
    )


def test_without_an_oracle_there_is_no_truth_to_add(data, judged):
    study.add_what_users_got(judged, data, None, 10)
    assert "true_relevance@10" not in judged[0].per_user
    assert set(study.popularity_biases(judged[0], 10)) == {"own"}


def test_a_record_is_flat_finite_and_read_back(data, judged, fitted, tmp_path):
    oracle = oracle_of(data)
    study.add_what_users_got(judged, data, oracle, 20)
    users = judged[0].per_user["user"].to_numpy()
    scores = study.scores_of(fitted, data, users, oracle, 3)
    draws = study.drawn_and_promised(study.sampler_of(PARAMETERS, data), data, 64, seed=3)
    record = study.study_record(PARAMETERS, judged[0], fitted, data, scores, draws, 20)
    study.write_study(Run(tmp_path, {}), record)
    assert study.read_study(tmp_path) == record == json.loads((tmp_path / "study.json").read_text())
    for value in record.values():
        assert value is None or isinstance(value, (str, int, float))
        assert not isinstance(value, float) or np.isfinite(value)
    assert record["norm_popularity"] is None  # lengths are 1
    assert record["recall"] == pytest.approx(judged[0].mean("recall@20"))
    assert record["n_negatives"] == 50 and record["alpha"] is None
    assert 0 <= record["recall_item_tail"] <= 1 and record["meaning"] == "lift"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": 1'])
def test_what_is_no_record_is_none(tmp_path, text):
    assert study.read_study(tmp_path) is None
    (tmp_path / "study.json").write_text(text)
    assert study.read_study(tmp_path) is None


def test_the_frame_of_users_keeps_its_order(judged, data):
    before = judged[1].per_user["user"].tolist()
    study.add_what_users_got(judged, data, None, 10)
    assert judged[1].per_user["user"].tolist() == before
    assert isinstance(judged[1].per_user, pd.DataFrame)


def test_popularity_is_looked_for_in_lengths_where_they_are_free_and_in_scores_elsewhere(
    data, fitted
):
    users = np.arange(10)
    label, scores = study.popularity_in_vectors(fitted, users)
    known = np.flatnonzero(fitted.known_items_)
    assert label == "mean score" and len(scores) == len(known)
    assert scores[0] == pytest.approx(fitted.score(users)[:, known[0]].mean())
    free = TwoTower(query_inputs=["id"], item_inputs=["id"], dim=4, epochs=1, similarity="dot")
    label, lengths = study.popularity_in_vectors(free.fit(data), users)
    assert label.startswith("length")
    assert lengths[0] ** 2 == pytest.approx((free.item_vectors()[known[0]] ** 2).sum(), rel=1e-5)
