"""Judged users, the items ranked for them, and the counts that are reported."""

import json

import numpy as np
import pytest

from candgen import evaluation, models, retrieval
from candgen.datasets.preparation import prepare
from candgen.errors import ColdStartError, DataError, SettingError
from candgen.evaluation import Candidates


def lists(users, items, scores=None):
    items = np.array(items)
    return Candidates(np.array(users), items, np.zeros(items.shape) if scores is None else scores)


def test_only_users_with_something_held_out_and_a_history_are_judged(small):
    judgement = evaluation.judge_candidates(lists([0, 1, 2, 3], [[2], [2], [4], [0]]), small, [1])
    assert judgement.per_user["user"].tolist() == [0, 1]
    assert judgement.counts["judged_users"] == 2
    assert judgement.counts["nothing_held_out"] == 1
    assert judgement.counts["cold_users_left_out"] == 1
    assert judgement.counts["lists_not_judged"] == 2


def test_held_out_items_that_nobody_trained_on_are_counted_and_cap_recall(small):
    judgement = evaluation.judge_candidates(lists([0, 1], [[2, 3], [0, 1]]), small, [2])
    assert judgement.counts["unreachable_share"] == pytest.approx(1 / 3)
    assert judgement.mean("recall@2") == 0.5


def test_a_judged_user_without_a_list_has_found_nothing(small):
    judgement = evaluation.judge_candidates(lists([0], [[2]]), small, [1])
    assert judgement.per_user["hit_rate@1"].tolist() == [1, 0]
    assert judgement.counts["users_without_candidates"] == 1


def test_lists_may_come_in_any_order_of_users(small):
    judgement = evaluation.judge_candidates(lists([1, 0], [[4, 0], [5, 3]]), small, [2])
    assert judgement.per_user["recall@2"].tolist() == [0.5, 1.0]


def test_candidates_the_user_already_had_are_counted(small):
    judgement = evaluation.judge_candidates(lists([0, 1], [[0, 1], [0, 4]]), small, [2])
    assert judgement.counts["candidates_already_in_history"] == 3


def test_short_lists_are_counted_against_the_largest_cutoff(small):
    judgement = evaluation.judge_candidates(lists([0, 1], [[2, 3], [4, -1]]), small, [1, 2])
    assert judgement.counts["short_lists"] == 1


def test_ids_outside_the_dataset_are_refused(small):
    with pytest.raises(DataError, match=r"item ids from 0 to 6.*has 0 \.\. 5"):
        evaluation.judge_candidates(lists([0], [[6]]), small, [1])


def test_a_dataset_that_holds_nothing_out_is_refused(make, events):
    data = make(events((0, 0)), events(), n_users=1, n_items=2)
    with pytest.raises(DataError, match="holds nothing out in 'test'"):
        evaluation.judge_candidates(lists([0], [[1]]), data, [1])


def test_graded_judging_takes_held_out_ratings_as_gains(small):
    found = evaluation.judge_candidates(lists([0], [[3, 2]]), small, [1], graded=True)
    assert found.per_user["ndcg@1"].tolist() == pytest.approx([3 / 5, 0])


def test_a_generator_is_ranked_over_everything_but_the_history(small):
    model = models.Popularity().fit(small)
    judgement = evaluation.judge(model, small, k=3, cutoffs=[1, 3])
    # Popularity knows 0, 1, 2, 3 in this order; user 0 has 0 and 1, user 1 has 0.
    assert judgement.candidates.items.tolist() == [[2, 3, -1], [1, 2, 3]]
    assert judgement.generator == "popularity"
    assert judgement.cost["rank_seconds"] > 0 and judgement.cost["fit_seconds"] >= 0
    assert judgement.ranking == "full"


def test_the_same_lists_are_judged_alike_wherever_they_come_from(small, tmp_path):
    judgement = evaluation.judge(models.Popularity().fit(small), small, k=3, cutoffs=[1, 3])
    judgement.candidates.save(tmp_path / "c.parquet", small)
    again = evaluation.judge_file(tmp_path / "c.parquet", small, cutoffs=[1, 3])
    assert again.per_user.equals(judgement.per_user)
    assert again.overall == judgement.overall
    assert again.generator == "c"


def test_given_candidate_lists_are_ranked_alone_and_the_judgement_says_so(make, events):
    train, test = events((0, 0), (1, 1), (2, 2), (2, 3)), events((0, 1), (1, 0))
    given = events((0, 1), (0, 3), (1, 0), (1, 2))
    data = make(train, test, n_users=3, n_items=4, candidate_lists=given)
    judgement = evaluation.judge(models.Popularity().fit(data), data, k=4, cutoffs=[1])
    assert [set(row[row >= 0].tolist()) for row in judgement.candidates.items] == [{1, 3}, {0, 2}]
    assert "sampled" in judgement.ranking and "sampled" in judgement.row()["ranking"]


def test_items_ranked_are_counted_where_lists_are_given_less_what_users_had(make, events):
    train, test = events((0, 0), (1, 1), (2, 2), (2, 3)), events((0, 1), (1, 0), (2, 0))
    given = events((0, 0), (0, 1), (0, 3), (1, 0), (2, 0), (2, 1), (2, 4))  # (0, 0) is known
    data = make(train, test, n_users=3, n_items=5, candidate_lists=given)
    counts = evaluation.judge(models.Popularity().fit(data), data, k=4, cutoffs=[1]).counts
    ranked = [counts[f"{which}_items_ranked"] for which in ("fewest", "median", "most")]
    assert ranked == [1, 2, 3]


def test_lists_made_for_test_do_not_empty_a_validation_that_was_taken_from_train(make, events):
    train, test = events((0, 0), (1, 1)), events((0, 2), (1, 3))
    validation = events((0, 1), (1, 2))
    lists_of_test = events((0, 2), (0, 3), (1, 3), (1, 0))
    tables = {"validation": validation, "candidate_lists": lists_of_test}
    data = make(train, test, n_users=2, n_items=4, **tables)
    assert evaluation.judge_candidates(lists([0], [[2]]), data, [1]).ranking != "full"
    on_validation = evaluation.judge_candidates(lists([0], [[1]]), data.for_validation(), [1])
    assert on_validation.ranking == "full"
    assert on_validation.per_user["recall@1"].tolist() == [1, 0]


def test_the_first_generator_of_a_process_does_not_pay_for_starting_threads(small, monkeypatch):
    from candgen.evaluation import judging

    calls = []
    for name in ("top_k", "top_items"):
        found = getattr(retrieval, name)
        told = lambda *a, name=name, found=found, **b: calls.append(name) or found(*a, **b)  # noqa: E731
        monkeypatch.setattr(retrieval, name, told)
    judging._start_threads.cache_clear()
    model = models.Popularity().fit(small)
    for _ in range(2):
        evaluation.judge(model, small, k=3, cutoffs=[1])
    assert calls == ["top_k", "top_items", "top_items"]


def test_micro_recall_counts_each_held_out_item_the_same(make, events):
    # User 0 finds 1 of 3 items, user 1 the one that is held out: 2 of 4, not the mean of 1/3 and 1.
    train, test = events((0, 0), (1, 1)), events((0, 1), (0, 2), (0, 3), (1, 0), (1, 0))
    data = make(train, test, n_users=2, n_items=5)
    found = evaluation.judge_candidates(lists([1, 0], [[0, 4], [4, 2]]), data, [1, 2])
    assert found.mean("recall@2") == pytest.approx(2 / 3)
    assert found.mean("micro_recall@2") == found.overall["micro_recall@2"] == pytest.approx(1 / 2)
    assert found.mean("micro_recall@1") == pytest.approx(1 / 4)
    assert found.row()["micro_recall@2"] == found.mean("micro_recall@2")


def test_validation_ranks_lists_of_its_own_and_test_those_of_test(make, events):
    train, test = events((0, 0), (1, 1), (2, 2), (2, 3)), events((0, 2), (1, 3))
    tables = {
        "validation": events((0, 1), (1, 2)),
        "candidate_lists": events((0, 2), (0, 3), (1, 3), (1, 0)),
        "validation_candidate_lists": events((0, 1), (0, 3), (1, 2), (1, 0)),
    }
    data = make(train, test, n_users=3, n_items=4, **tables)
    ranked = {}
    for part in (data.for_validation(), data):
        found = evaluation.judge(models.Popularity().fit(part), part, k=4, cutoffs=[1])
        assert "sampled" in found.ranking
        rows = found.candidates.items
        ranked[part.evaluate_on] = [set(row[row >= 0].tolist()) for row in rows]
    assert ranked == {"validation": [{1, 3}, {0, 2}], "test": [{2, 3}, {0, 3}]}
    with pytest.raises(DataError, match="item film-2 is not in the list of user 100"):
        evaluation.judge_candidates(lists([0], [[2]]), data.for_validation(), [1])


def test_candidates_from_outside_the_given_lists_are_refused(make, events):
    train, test = events((0, 0), (1, 1)), events((0, 1))
    given = events((0, 1), (0, 3))
    data = make(train, test, n_users=2, n_items=4, candidate_lists=given)
    with pytest.raises(DataError, match="item film-2 is not in the list of user 100"):
        evaluation.judge_candidates(lists([0], [[1, 2]]), data, [1])


@pytest.fixture
def cold(make, events):
    train, test = events((0, 0), (0, 1)), events((1, 0), (2, 1))
    return make(train, test, n_users=3, n_items=2)


def test_cold_users_are_all_judged_when_no_held_out_user_has_a_history(cold):
    judgement = evaluation.judge(models.Popularity().fit(cold), cold, k=2, cutoffs=[2])
    assert judgement.counts["judged_users"] == 2
    assert judgement.mean("recall@2") == 1
    assert "popularity_bias@2" not in judgement.overall  # nobody has a history to compare with


def test_a_generator_that_cannot_answer_cold_users_is_refused_by_name(cold):
    class Neighbours(models.Popularity):
        name = "Neighbours"
        answers_cold_users = False

    with pytest.raises(ColdStartError, match=r"Neighbours learns from interactions alone.*101"):
        evaluation.judge(Neighbours().fit(cold), cold, k=2, cutoffs=[2])


def test_a_cutoff_beyond_k_is_refused(small):
    with pytest.raises(SettingError, match="k = 5 candidates cannot be cut at 10"):
        evaluation.judge(models.Popularity().fit(small), small, k=5, cutoffs=[10])


def test_a_row_is_flat_and_made_of_json_types(small):
    row = evaluation.judge(models.Popularity().fit(small), small, k=3, cutoffs=[2, 3]).row()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["recall@2_low"] <= row["recall@2"] <= row["recall@2_high"]
    assert {"coverage@3", "gini@2", "novelty@2", "fit_seconds", "queries_per_second"} <= set(row)


def test_an_unknown_metric_is_refused_with_a_suggestion(small):
    judgement = evaluation.judge_candidates(lists([0], [[2]]), small, [1])
    with pytest.raises(SettingError, match="Did you mean 'recall@1'"):
        judgement.mean("recal@1")
    with pytest.raises(SettingError, match="No metric 'coverage@1' per user"):
        judgement.interval("coverage@1")


def test_validation_and_test_are_judged_apart(make, events):
    data = make(
        events((0, 0), (1, 1)), events((0, 2)), n_users=2, n_items=3,
        validation=events((0, 1)),
    )  # fmt: skip
    found = lists([0], [[1]])
    assert evaluation.judge_candidates(found, data.for_validation(), [1]).mean("recall@1") == 1
    assert evaluation.judge_candidates(found, data.for_test(), [1]).mean("recall@1") == 0


def test_users_known_by_fold_in_alone_are_judged_on_what_is_held_out(make, events):
    train, test = events((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)), events((3, 1))
    data = make(train, test, n_users=4, n_items=3, fold_in=events((3, 2)))
    judgement = evaluation.judge(models.Popularity().fit(data), data, k=3, cutoffs=[1])
    # Item 2 is the most popular, but user 3 already has it.
    assert judgement.candidates.items.tolist() == [[1, 0, -1]]
    assert judgement.mean("recall@1") == 1


@pytest.mark.data
def test_popularity_on_gowalla_scores_what_was_published(real_data, tmp_path):
    files = {part: str(real_data / "gowalla" / f"{part}.txt") for part in ("train", "test")}
    paths = {"train_path": files["train"], "test_path": files["test"]}
    data = prepare(tmp_path / "gowalla", source="given", validation_fraction=0.0, **paths)
    judgement = evaluation.judge(models.Popularity().fit(data), data, k=20, cutoffs=[20])
    assert judgement.mean("recall@20") == pytest.approx(0.0416, abs=0.00006)
    assert judgement.mean("ndcg@20") == pytest.approx(0.0317, abs=0.00006)
