import numpy as np
import pytest
from scipy.sparse import csr_array

from candgen.errors import DataError, SettingError
from candgen.retrieval import NO_ITEM, TopK, pools


def lists(**rows):
    """One user's lists, scored 1, 1/2, 1/3, ..."""
    return {
        name: TopK(
            np.array([items], np.int32),
            np.array([[1 / n if i >= 0 else -np.inf for n, i in enumerate(items, 1)]], np.float32),
        )
        for name, items in rows.items()
    }


def test_equal_shares_take_turns_and_an_item_comes_once():
    made = pools.round_robin(lists(a=[1, 2, 3, 4], b=[2, 5, 6, 7]), 6)
    assert made.tolist() == [[1, 2, 5, 3, 6, 4]]


def test_shares_hold_in_every_beginning_of_the_pool():
    made = pools.by_shares(lists(a=range(50), b=range(100, 150)), 40, {"a": 3, "b": 1})
    from_b = (made[0] >= 100).cumsum()
    assert from_b[[7, 19, 39]].tolist() == [2, 5, 10]


def test_a_list_that_ends_is_made_up_for_by_the_others():
    made = pools.round_robin(lists(a=[1, NO_ITEM, NO_ITEM], b=[5, 6, 7]), 6)
    assert made.tolist() == [[1, 5, 6, 7, NO_ITEM, NO_ITEM]]


def test_a_generator_without_a_share_gives_nothing():
    made = pools.by_shares(lists(a=[1, 2], b=[3, 4]), 3, {"a": 0, "b": 1})
    assert made.tolist() == [[3, 4, NO_ITEM]]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"bb": 1}, "Did you mean 'b'|Known names: a, b"),
        ({"a": -1}, "0 or greater"),
        ({"a": 0}, "At least one"),
    ],
)
def test_shares_that_make_no_pool_are_refused(shares, message):
    with pytest.raises(SettingError, match=message):
        pools.by_shares(lists(a=[1], b=[2]), 2, shares)


def many(rng, n_users=400):
    """`good` names 4 of the held-out items among its first 10, `poor` one among 10."""
    held = np.stack([rng.choice(200, 8, replace=False) for _ in range(n_users)])
    good = np.concatenate([held[:, :4], 200 + rng.integers(100, size=(n_users, 6))], axis=1)
    poor = np.concatenate([held[:, 4:5], 300 + rng.integers(100, size=(n_users, 9))], axis=1)
    held_out = np.zeros((n_users, 400), np.float32)
    np.put_along_axis(held_out, held, 1, axis=1)
    return good.astype(np.int32), poor.astype(np.int32), csr_array(held_out)


def test_calibrated_scores_put_the_likelier_first_whatever_their_scale():
    rng = np.random.default_rng(0)
    good, poor, held_out = many(rng)
    # Scores of `good` are small numbers: 0.02 for hits, 0.01 for the rest; of `poor` large ones.
    given = {
        "good": TopK(good, np.float32([[0.02] * 4 + [0.01] * 6] * 400)),
        "poor": TopK(poor, np.float32([[90.0] * 10] * 400)),
    }
    calibrated = pools.Calibrated(given, held_out)
    assert calibrated.chances("good", np.float32([0.02])) == pytest.approx(1.0)
    assert calibrated.chances("poor", np.float32([90.0])) == pytest.approx(0.1, abs=0.01)
    made = calibrated.merge(given, 5)
    np.testing.assert_array_equal(np.sort(made[:, :4]), np.sort(good[:, :4]))
    np.testing.assert_array_equal(made[:, 4], poor[:, 0])


def test_learned_shares_go_where_they_add_hits():
    rng = np.random.default_rng(1)
    good, poor, held_out = many(rng)
    ranked = np.broadcast_to(np.linspace(1, 0, 10, dtype=np.float32), good.shape)
    given = {"good": TopK(good, ranked), "copy": TopK(good, ranked), "poor": TopK(poor, ranked)}
    shares = pools.learn_shares(given, held_out, 5)
    assert shares == pytest.approx({"good": 0.8, "copy": 0.0, "poor": 0.2})


def test_what_each_adds_is_counted_alone_and_at_the_margin():
    rng = np.random.default_rng(2)
    good, poor, held_out = many(rng)
    ranked = np.broadcast_to(np.linspace(1, 0, 10, dtype=np.float32), good.shape)
    given = {"good": TopK(good, ranked), "copy": TopK(good, ranked), "poor": TopK(poor, ranked)}
    table = pools.contributions(given, held_out, 20).set_index("generator")
    assert table["alone"].to_dict() == pytest.approx({"good": 4 / 8, "copy": 4 / 8, "poor": 1 / 8})
    assert table["adds"].to_dict() == pytest.approx({"good": 0, "copy": 0, "poor": 1 / 8})
    assert table["unique"].to_dict() == pytest.approx({"good": 0, "copy": 0, "poor": 1})


def test_lists_of_different_users_are_refused():
    one, two = np.zeros((1, 2), np.int32), np.zeros((2, 2), np.int32)
    with pytest.raises(DataError, match="same users"):
        pools.round_robin({"a": TopK(one, one), "b": TopK(two, two)}, 2)
    with pytest.raises(DataError, match="the same expected"):
        pools.recall_of(two, csr_array((3, 9)))
