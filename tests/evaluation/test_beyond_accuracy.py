"""Coverage, novelty, popularity, concentration, variety, groups and overlap, worked by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from candgen import evaluation
from candgen.errors import DataError
from candgen.evaluation import Candidates, beyond_accuracy, groups


def lists(users, items):
    items = np.array(items)
    return Candidates(np.array(users), items, np.zeros(items.shape))


def test_coverage_is_the_share_of_the_catalogue_that_somebody_sees(small):
    found = beyond_accuracy.beyond_accuracy(
        np.array([[2, 3], [2, -1]]), np.array([0, 1]), small, [1, 2]
    )
    assert found["coverage@1"] == 1 / 6
    assert found["coverage@2"] == 2 / 6


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([3, 3, 3], 0), ([0, 0, 0], 0), ([0, 0, 9], 2 / 3), ([1, 3], 1 / 4)],
)
def test_gini_of_exposure(counts, expected):
    assert beyond_accuracy.gini(np.array(counts)) == pytest.approx(expected)


def test_gini_is_half_the_mean_difference_over_the_mean():
    counts = np.random.default_rng(0).integers(0, 50, 40)
    differences = np.abs(counts[:, None] - counts[None, :]).mean()
    assert beyond_accuracy.gini(counts) == pytest.approx(differences / (2 * counts.mean()))


def test_novelty_is_the_mean_self_information_of_what_is_shown():
    # Of 8 users, 4 have item 0 (1 bit), 1 has item 1 (3 bits), nobody has item 2 (as if 1 had).
    popularity = np.array([4, 1, 0])
    assert beyond_accuracy.novelty(np.array([[0, 1]]), popularity, 8) == 2
    assert beyond_accuracy.novelty(np.array([[0, -1], [2, 1], [-1, -1]]), popularity, 8) == 2


def test_novelty_counts_the_users_that_were_trained_on(small):
    # Three of the four users have training events, one of them has item 2.
    found = beyond_accuracy.beyond_accuracy(np.array([[2]]), np.array([0]), small, [1])
    assert found["novelty@1"] == pytest.approx(np.log2(3))


def test_popularity_bias_compares_with_what_people_choose_themselves():
    popularity = np.array([1, 2, 6])
    history = csr_array(np.array([[1, 1, 0], [0, 1, 0]]))  # averages 1.5 and 2
    shown = np.array([[2, -1], [1, 0]])  # averages 6 and 1.5
    expected = ((6 + 1.5) / 2) / ((1.5 + 2) / 2)
    own = beyond_accuracy.popularity_of_histories(history, popularity)
    assert beyond_accuracy.popularity_bias(shown, own, popularity) == pytest.approx(expected)


def test_showing_people_their_own_history_has_no_popularity_bias():
    popularity = np.array([5, 3, 1])
    history = csr_array(np.array([[1, 0, 1], [0, 1, 0]]))
    own = beyond_accuracy.popularity_of_histories(history, popularity)
    assert beyond_accuracy.popularity_bias(np.array([[0, 2], [1, -1]]), own, popularity) == 1


def test_diversity_is_the_mean_distance_between_genres():
    genres = pd.Series([["Drama"], ["Drama", "War"], ["War"], [], None])
    marks = beyond_accuracy.genre_marks(genres)
    # Drama to Drama|War 1/2, Drama to War 1, Drama|War to War 1/2; no genres, no comparison.
    found = beyond_accuracy.diversity(np.array([[0, 1, 3, 2, 4]]), marks, [1, 2, 3, 5])
    assert found == {2: 1 / 2, 3: 1 / 2, 5: pytest.approx(2 / 3)}


def test_diversity_agrees_with_sets_on_many_genres():
    rng = np.random.default_rng(1)
    sets = [set(rng.choice(150, size=rng.integers(1, 9), replace=False)) for _ in range(40)]
    marks = beyond_accuracy.genre_marks(pd.Series([[f"g{g}" for g in sorted(s)] for s in sets]))
    items = np.array([rng.permutation(40)[:12] for _ in range(5)])
    expected = np.mean(
        [
            np.mean(
                [
                    1 - len(sets[a] & sets[b]) / len(sets[a] | sets[b])
                    for a, b in itertools.combinations(row[:7], 2)
                ]
            )
            for row in items
        ]
    )
    assert beyond_accuracy.diversity(items, marks, [7])[7] == pytest.approx(expected)


def test_diversity_is_left_out_when_items_have_no_genres(make, events):
    data = make(events((0, 0)), events((0, 1)), n_users=1, n_items=3)
    found = beyond_accuracy.beyond_accuracy(np.array([[1, 2]]), np.array([0]), data, [2])
    assert set(found) == {"coverage@2", "gini@2", "novelty@2", "popularity_bias@2"}


# --- groups


def test_thirds_of_activity_keep_equal_lengths_together():
    assert groups.activity_groups(np.array([1, 2, 3, 4, 5, 6])).tolist() == [0, 0, 1, 1, 2, 2]
    assert groups.activity_groups(np.array([1, 1, 1, 1, 2, 9])).tolist() == [0, 0, 0, 0, 2, 2]
    assert groups.activity_groups(np.array([4, 4, 4])).tolist() == [0, 0, 0]


def test_head_and_tail_are_thirds_of_the_events_not_of_the_items():
    # 60 events: the first item alone has 20 of them.
    popularity = np.array([20, 10, 10, 5, 5, 5, 5, 0])
    assert groups.popularity_groups(popularity).tolist() == [0, 1, 1, 2, 2, 2, 2, 2]


def test_results_by_group_are_worked_out_within_the_group(make, events):
    # Items 0, 1 and 4 have two or three of the seven events; 2 and 3 have none. User 0 is not
    # judged; users 1, 2 and 3 have 1, 2 and 3 events.
    train = events((0, 4), (1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 4))
    test = events((1, 1), (1, 2), (2, 2), (3, 3), (3, 2))
    data = make(train, test, n_users=4, n_items=5)
    found = lists([1, 2, 3], [[1, 4, 2], [4, 3, 2], [2, 3, 1]])
    judgement = evaluation.judge_candidates(found, data, [2], "x")
    table = evaluation.by_group([judgement], data, "recall@2")
    by_activity = table[table["by"] == "user activity"].set_index("group")
    assert by_activity["value"].tolist() == [1 / 2, 0, 1]
    assert by_activity["range"].tolist() == ["1", "2", "3"]
    assert by_activity["low"].notna().all()
    by_popularity = table[table["by"] == "item popularity"].set_index("group")
    assert by_popularity["value"].to_dict() == {"middle": 1, "tail": 2 / 4}
    assert by_popularity["count"].to_dict() == {"middle": 1, "tail": 4}


def test_intervals_of_a_group_carry_the_spread_of_seeds_and_follow_users_in_any_order(make, events):
    train = events(*((user, item) for user in range(6) for item in range(user + 1)))
    data = make(train, events(*((user, 7) for user in range(6))), n_users=6, n_items=8)

    def frame(more):  # the value of a user with n events is n / 10, in falling order of users
        users = np.arange(6)[::-1]
        return pd.DataFrame({"user": users, "recall@2": (users + 1) / 10 + more})

    repeats = {1: frame(-0.05), 2: frame(0.05)}
    judgement = evaluation.Judgement("x", frame(0.0), repeats=repeats)
    table = evaluation.by_group([judgement], data, "recall@2").set_index("group")
    assert table["value"].tolist() == pytest.approx([0.15, 0.35, 0.55])
    alone = evaluation.Judgement("x", frame(0.0))
    alone = evaluation.by_group([alone], data, "recall@2").set_index("group")
    assert ((table["high"] - table["low"]) > (alone["high"] - alone["low"]) + 0.04).all()


def test_groups_of_items_add_up_to_all_that_was_found(small):
    judgement = evaluation.judge_candidates(lists([0, 1], [[2, 4, 5], [4, 2, 1]]), small, [3])
    table = evaluation.by_group([judgement], small, "recall@3").query("by == 'item popularity'")
    assert (table["value"] * table["count"]).sum() == pytest.approx(2)
    assert table["count"].sum() == judgement.counts["held_out_events"]


# --- overlap


def test_overlap_is_the_mean_jaccard_index_of_the_candidates(small):
    one = evaluation.judge_candidates(lists([0, 1], [[2, 4], [4, 5]]), small, [2], "one")
    other = evaluation.judge_candidates(lists([1, 0], [[4, 5], [2, 3]]), small, [2], "other")
    table = evaluation.overlap([one, other], 2)
    assert table.loc["one", "other"] == pytest.approx((1 / 3 + 1) / 2)
    assert np.diag(table).tolist() == [1, 1]
    assert evaluation.overlap([one, other], 1).loc["other", "one"] == 1


def test_overlap_without_candidates_is_refused_by_name(small):
    one = evaluation.judge_candidates(lists([0, 1], [[2], [4]]), small, [1], "one")
    read_back = evaluation.Judgement("bare", one.per_user)
    with pytest.raises(DataError, match="bare"):
        evaluation.overlap([one, read_back], 1)
