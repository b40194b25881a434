import numpy as np
import pytest

from candgen.datasets import preparation
from candgen.datasets.world import Oracle
from candgen.errors import DataError, SettingError
from candgen.evaluation import best_candidates
from candgen.evaluation.exposure_by_group import (
    Groups,
    exposure_shares,
    gap_change,
    gap_of,
    gap_table,
    groups_by,
    groups_by_popularity,
    merit_shares,
)

# Items 0 and 1 are of group a, item 2 of b, item 3 half of each.
GROUPS = Groups(["a", "b"], np.array([[1, 0], [1, 0], [0, 1], [0.5, 0.5]]))


class TellingOracle:
    """Says what it was told."""

    def __init__(self, relevance):
        self.told = np.asarray(relevance, np.float32)

    def relevance(self, users):
        return self.told[users].copy()


def test_items_of_several_groups_are_split_between_them(small):
    found = groups_by(small, "genres")
    assert found.names == ["Comedy", "Drama", "War", "unknown"]
    np.testing.assert_allclose(
        found.shares,
        [
            [0, 1, 0, 0],
            [0, 0.5, 0.5, 0],
            [0, 0, 1, 0],
            [1, 0, 0, 0],
            [0, 0, 0, 1],
            [0, 0.5, 0.5, 0],
        ],
    )


def test_a_column_of_words_groups_by_its_words(small):
    items = small.items.assign(provider=["x", "y", "x", None, "y", "y"])
    small._tables["items"] = items
    found = groups_by(small, "provider")
    assert found.names == ["unknown", "x", "y"]
    assert found.shares.argmax(axis=1).tolist() == [1, 2, 1, 0, 2, 2]


def test_an_unknown_column_is_named(small):
    with pytest.raises(SettingError, match=r"no column 'genre'.*Did you mean 'genres'"):
        groups_by(small, "genre")


def test_popularity_groups_are_those_of_the_judgements(small):
    found = groups_by_popularity(small)  # item 0 has three users of seven, item 1 two
    assert found.names == ["head", "middle", "tail"]
    assert found.shares.argmax(axis=1).tolist() == [0, 1, 2, 2, 2, 2]


def test_exposure_is_the_share_of_places_and_an_empty_one_is_nobodys():
    found = exposure_shares(np.array([[0, 2, 3], [2, -1, -1]]), GROUPS, 2)
    np.testing.assert_allclose(found, [[0.5, 0.5], [0, 0.5]])
    found = exposure_shares(np.array([[0, 1, 3]]), GROUPS, 3)
    np.testing.assert_allclose(found, [[2.5 / 3, 0.5 / 3]])


def test_merit_is_the_share_of_relevance_of_what_the_user_does_not_have(make, events):
    data = make(events((0, 0), (1, 3)), events((0, 1)), n_users=2, n_items=4)
    oracle = TellingOracle([[0.9, 0.1, 0.2, 0.2], [0.3, 0.0, 0.1, 0.9]])
    found = merit_shares(np.arange(2), data, oracle, GROUPS)
    np.testing.assert_allclose(found, [[0.2 / 0.5, 0.3 / 0.5], [0.75, 0.25]], rtol=1e-6)


def test_the_table_sets_exposure_beside_merit():
    exposed = np.array([[1.0, 0.0], [0.5, 0.5]])
    merited = np.array([[0.5, 0.5], [0.4, 0.6]])
    table = gap_table(exposed, merited, ["a", "b"])
    np.testing.assert_allclose(table["exposure"], [0.75, 0.25])
    np.testing.assert_allclose(table["merit"], [0.45, 0.55])
    np.testing.assert_allclose(table["gap"], [0.3, -0.3])
    np.testing.assert_allclose(table["ratio"], [0.75 / 0.45, 0.25 / 0.55])
    np.testing.assert_allclose(table[["low", "high"]].iloc[0], [0.1, 0.5])  # of two users


def test_the_gap_is_the_share_of_places_that_would_have_to_move():
    exposed = np.array([[0.6, 0.4, 0.0]] * 3)
    merited = np.array([[0.3, 0.3, 0.4]] * 3)
    assert gap_of(exposed, merited) == pytest.approx((0.4, 0.4, 0.4))
    assert gap_of(merited, merited).value == 0


def test_users_make_up_for_each_other():
    # Each list is one-sided, yet all together the groups get what they merit.
    exposed, merited = np.array([[1.0, 0.0], [0.0, 1.0]]), np.full((2, 2), 0.5)
    assert gap_of(exposed, merited).value == 0


def test_a_change_of_the_gap_is_paired_over_users():
    rng = np.random.default_rng(0)
    first = rng.random((500, 1))
    before = np.hstack([first, 1 - first])
    after = before + np.array([0.02, -0.02])
    found = gap_change(before, after, np.full((500, 2), [0.3, 0.7]))
    assert found == pytest.approx((0.02, 0.02, 0.02))  # whoever is drawn
    assert gap_change(after, before, np.full((500, 2), [0.3, 0.7])).value == pytest.approx(-0.02)


def test_other_users_are_refused():
    with pytest.raises(DataError, match=r"\(2, 2\) and \(3, 2\)"):
        gap_of(np.ones((2, 2)), np.ones((3, 2)))


def test_lists_drawn_in_proportion_to_relevance_have_next_to_no_gap(tmp_path):
    sizes = {"n_users": 300, "n_items": 200, "events_per_user": 10.0}
    world = preparation.prepare(tmp_path, source="world", seed=3, **sizes)
    oracle, users, rng = Oracle.open(world.folder), np.arange(300), np.random.default_rng(0)
    groups = groups_by(world, "provider")
    merited = merit_shares(users, world, oracle, groups)
    np.testing.assert_allclose(merited.sum(axis=1), 1)
    relevance = oracle.relevance(users).astype(float)
    relevance[world.history_matrix.nonzero()] = 0
    drawn = np.array([rng.choice(world.n_items, 20, p=row / row.sum()) for row in relevance])
    fair = gap_of(exposure_shares(drawn, groups, 20), merited)
    best = best_candidates(users, world, oracle, 20).items
    assert fair.value < 0.02 < gap_of(exposure_shares(best, groups, 20), merited).value
