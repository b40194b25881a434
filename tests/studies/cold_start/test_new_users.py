"""Tests of the study of new users, on a small world and a made-up history."""

import numpy as np
import pandas as pd
import pytest

from candgen import models
from candgen.columns import ITEM, USER
from candgen.datasets import preparation
from candgen.datasets.cold_users import make_cold
from candgen.datasets.world import oracle_of
from candgen.errors import DataError, SettingError
from candgen.models import WALS, cold_start_questions
from candgen.studies.cold_start import new_users
from candgen.studies.cold_start.new_users import NewUsers

KNOWN = [0, 1, 4]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"n_users": 120, "n_items": 80, "events_per_user": 12}
    return preparation.prepare(tmp_path_factory.mktemp("world"), source="world", seed=2, **sizes)


@pytest.fixture(scope="module")
def oracle(data):
    return oracle_of(data)


@pytest.fixture(scope="module")
def apart(data):
    return make_cold(data, 0.3, 0.1, more_than=4, seed=1)


@pytest.fixture(scope="module")
def wals(apart):
    return WALS(dim=6).fit(apart.data)


@pytest.fixture(scope="module")
def asked(wals):
    return {
        s: cold_start_questions.questions(wals, s, 4, pool=20) for s in ("popular", "informative")
    }


@pytest.fixture(scope="module")
def new(apart, asked, oracle):
    sizes = {"headline": "recall@5", "k": 10, "cutoffs": [5, 10]}
    return NewUsers(apart, KNOWN, asked=asked, oracle=oracle, **sizes)


@pytest.fixture(scope="module")
def by_log(apart, asked):
    sizes = {"headline": "recall@5", "k": 10, "cutoffs": [5, 10]}
    return NewUsers(apart, KNOWN, asked=asked, **sizes)


def first_events(apart, user, n):
    events = apart.data.held_out
    return events[events[USER] == user].sort_values("timestamp", kind="stable")[ITEM].to_numpy()[:n]


def test_what_is_to_be_found_is_the_same_whatever_is_known(new):
    pairs = [new.data(n).held_out[[USER, ITEM]].to_numpy().tolist() for n in KNOWN]
    assert pairs[0] == pairs[1] == pairs[2] and pairs[0]


def test_known_are_the_first_events_and_nothing_later(new, apart):
    for n in KNOWN:
        history = new.data(n).history_matrix
        for user in new.users[:10]:
            row = history.indices[history.indptr[user] : history.indptr[user + 1]]
            assert set(row) == set(first_events(apart, user, n))


def test_neither_first_events_nor_items_of_questions_are_offered_or_to_be_found(new, apart, wals):
    questions = np.concatenate(list(new.asked.values()))
    wanted = new.data(0).held_out
    assert not wanted[ITEM].isin(questions).any()
    for n in KNOWN:
        for user, items in zip(new.users, new.lists(wals, n).items, strict=True):
            first = first_events(apart, user, 4)
            assert not np.isin(items, [*questions, *first, *apart.items]).any()
            assert not np.isin(wanted.loc[wanted[USER] == user, ITEM], first).any()


def test_where_nothing_is_known_popularity_answers(new, wals):
    np.testing.assert_array_equal(new.lists(wals, 0).items, new.popular.items)
    assert (new.lists(wals, 4).items != new.popular.items).any()


def test_a_factorization_is_told_first_events_by_folding_them_in(new, wals):
    vectors = wals.fold_in(new.data(4).history_matrix[new.users])
    scores = vectors @ wals.item_vectors().T
    scores[:, ~new.offered] = -np.inf
    scores[new.withheld.nonzero()] = -np.inf
    np.testing.assert_array_equal(new.lists(wals, 4).items[:, 0], scores.argmax(axis=1))


def test_without_an_oracle_a_yes_is_what_the_user_took_at_any_time(by_log, apart):
    yes = {(by_log.users[r], i) for r, i in zip(*by_log.answers.nonzero(), strict=True)}
    events = apart.data.held_out[apart.data.held_out[USER].isin(by_log.users)]
    assert yes == set(events[[USER, ITEM]].itertuples(index=False, name=None))


def test_with_an_oracle_a_yes_comes_as_often_as_it_is_likely(new, oracle):
    questions = np.unique(np.concatenate(list(new.asked.values())))
    likely = oracle.relevance(new.users, questions)
    yes = new.answers[:, questions]
    assert abs(yes.mean() - likely.mean()) < 3 * np.sqrt((likely * (1 - likely)).sum()) / yes.size
    assert not yes[likely == 0].any()
    assert not np.delete(new.answers, questions, axis=1).any()


def test_a_yes_is_folded_in_as_an_event_and_a_no_as_a_zero(by_log, wals):
    items = by_log.asked["popular"]
    v = wals.item_vectors().astype(float)
    row = int(np.flatnonzero(by_log.answers[:, items].any(axis=1))[0])
    weights = np.where(by_log.answers[row, items], 1.0, 0.3)
    r = wals.regularization * (4 + wals.unobserved_weight * len(v))
    a = (v[items].T * weights) @ v[items] + wals.unobserved_weight * v.T @ v + r * np.eye(6)
    scores = v @ np.linalg.solve(a, v[items][by_log.answers[row, items]].sum(axis=0))
    scores[~by_log.offered] = -np.inf
    scores[by_log.withheld[[row]].indices] = -np.inf
    found = by_log.answered(wals, "popular", 4, no_weight=0.3)
    assert found.items[row, 0] == scores.argmax()
    np.testing.assert_allclose(found.scores[row, 0], scores.max(), rtol=1e-4)


def test_who_says_yes_to_nothing_is_offered_what_is_popular(by_log, wals):
    silent = ~by_log.answers[:, by_log.asked["informative"][:1]].any(axis=1)
    found = by_log.answered(wals, "informative", 1, no_weight=1.0).items
    assert silent.any() and not silent.all()
    np.testing.assert_array_equal(found[silent], by_log.popular.items[silent])
    assert (found[~silent] != by_log.popular.items[~silent]).any()


def test_without_answers_all_strategies_are_popularity(new, wals):
    table = new.by_questions(wals, no_weight=1.0).table
    at_first = table[table["known"] == 0]
    assert (at_first["difference"] == 0).all()
    assert set(table["generator"]) == {"popularity", "popular", "informative"}
    assert set(table["measure"]) == {"recall@5", "true relevance@5"}


def test_no_generator_exceeds_the_best_possible_lists(new, wals, apart):
    groups = models.GroupPopularity().fit(apart.data)
    found = new.by_events({"WALS": wals, "GroupPopularity": groups})
    for measure, best in new.best_possible().items():
        assert (found.table.loc[found.table["measure"] == measure, "mean"] <= best).all()
    judged = found.judgements["WALS", 4]
    assert judged.settings["known"] == 4 and len(judged.per_user) == len(new.users)


def test_towers_are_served_first_events_without_learning(new, apart):
    asked = {"query_inputs": ["history"], "item_inputs": ["id"]}
    small = {"epochs": 1, "dim": 8, "batch_size": 128, "hidden": [], "id_at_least": 1}
    tower = models.TwoTower(**small, **asked).fit(apart.data)
    before = tower.item_vectors().copy()
    np.testing.assert_array_equal(new.lists(tower, 0).items, new.popular.items)
    one, four = new.lists(tower, 1).items, new.lists(tower, 4).items
    assert (one != four).any()
    np.testing.assert_array_equal(before, tower.item_vectors())


def test_normal_equations_agree_with_folding_in(new, wals):
    history = new.data(4).history_matrix[new.users]
    np.testing.assert_allclose(
        new_users.solved_again(wals, history), wals.fold_in(history), atol=1e-4
    )


def test_fold_in_is_checked_and_timed(new, wals):
    history = new.data(4).history_matrix[new.users]
    told = new_users.fold_in_check(wals, history)
    apart_from = np.abs(wals.fold_in(history) - new_users.solved_again(wals, history)).max()
    assert told["furthest"] == pytest.approx(apart_from) and told["furthest"] < 1e-4
    assert told["numbers"] == len(new.users) * wals.dim and 0 < told["median"] <= told["slow"]


def test_questions_are_told_with_how_often_they_get_a_yes(by_log):
    told = by_log.told(["popular", "informative"], titles=2).set_index("questions")
    items = by_log.asked["popular"]
    assert told.loc["popular", "yes to 4"] == by_log.answers[:, items].sum() / len(by_log.users)
    assert told.loc["popular", "asked first"].count(";") == 1


def made_up(**differences):
    """A table of one measure: the baseline reaches .2, each other what it gains, known to .01."""
    rows = {"baseline": 0.0, **differences}
    more = np.array(list(rows.values()))
    held = {"measure": "recall@5", "generator": list(rows), "mean": 0.2 + more}
    ends = {"difference": more, "difference_low": more - 0.01, "difference_high": more + 0.01}
    return pd.DataFrame({**held, **ends})


def test_the_best_is_named_only_where_it_is_clearly_above_the_baseline():
    said = new_users.said_of(made_up(a=-0.3, b=0.05, c=0.02), "baseline")
    assert said == "by recall@5 b is best, 0.250 (+0.040 to +0.060) against 0.200 of baseline"
    for gain in (0.005, 0.014):  # the interval of the second excludes 0, but not the margin
        said = new_users.said_of(made_up(a=-0.3, b=gain), "baseline")
        assert said == "by recall@5 no generator is clearly above baseline, 0.200"
    assert "b is best" in new_users.said_of(made_up(a=-0.3, b=0.014), "baseline", margin=0.0)


def test_what_is_said_has_a_part_for_each_measure(new, wals):
    said = new_users.said_of(new.by_events({"WALS": wals}).table.query("known == 4"), "popularity")
    first, second = said.split("; ")
    assert first.startswith("by recall@5 ") and second.startswith("by true relevance@5 ")


def test_gains_put_the_baseline_first_in_each_section():
    other = made_up(a=0.1).iloc[::-1]
    found = new_users.gains(
        {"one": (made_up(a=0.1, b=-0.1), "baseline"), "two": (other, "baseline")}
    )
    assert found.index.tolist() == [
        ("one", "baseline"), ("one", "a"), ("one", "b"), ("two", "baseline"), ("two", "a"),
    ]  # fmt: skip
    assert found["recall@5", "mean"].round(3).tolist() == [0.2, 0.3, 0.1, 0.2, 0.3]
    assert found["recall@5", "difference"].tolist()[:3] == [
        "", "+0.090 to +0.110", "-0.110 to -0.090",
    ]  # fmt: skip


def test_numbers_known_are_checked(apart):
    for wrong in ([], [-1], [0.5], [True]):
        with pytest.raises(SettingError, match="known must be a list of whole numbers"):
            NewUsers(apart, wrong)


def test_users_without_anything_to_find_are_named(apart):
    everything = {"all": np.arange(apart.data.n_items)}
    with pytest.raises(DataError, match=r"None of the .* outside the questions"):
        NewUsers(apart, [0], asked=everything)
