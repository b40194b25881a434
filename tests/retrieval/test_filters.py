import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from candgen.errors import DataError
from candgen.retrieval import NO_ITEM, TopK, filtered, filters, indexes

FILMS = pd.DataFrame(
    {
        "language": ["en", "fr", None, "en"],
        "places": [["north", "south"], ["south"], [], ["west"]],
        "year": [1999, 2004, 2004, 2011],
    }
)


def test_lists_allow_and_deny():
    assert filters.only(4, [2, 0]).tolist() == [True, False, True, False]
    assert filters.without(4, [2, 0]).tolist() == [False, True, False, True]
    assert filters.only(3, []).tolist() == [False] * 3
    with pytest.raises(DataError, match=r"0 \.\. 3, got 1 \.\. 4"):
        filters.only(4, [1, 4])


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({"language": "en"}, [0, 3]),
        ({"language": ["en", "fr"]}, [0, 1, 3]),
        ({"places": "south"}, [0, 1]),
        ({"places": {"west", "north"}}, [0, 3]),
        ({"places": "south", "language": "fr"}, [1]),
        ({"year": 2004}, [1, 2]),
        ({"year": range(2000, 2005)}, [1, 2]),
        ({}, [0, 1, 2, 3]),
    ],
)
def test_items_are_chosen_by_what_their_columns_hold(wanted, kept):
    assert np.flatnonzero(filters.matching(FILMS, **wanted)).tolist() == kept


def test_columns_of_arrays_as_parquet_gives_them_are_lists():
    items = pd.DataFrame({"places": [np.array(["a", "b"]), np.array([], dtype=object)]})
    assert filters.matching(items, places="b").tolist() == [True, False]


def test_a_misspelt_column_is_refused():
    with pytest.raises(DataError, match=r"no column 'place'.*Did you mean 'places'"):
        filters.matching(FILMS, place="south")


def test_an_item_is_available_from_its_first_second_until_before_its_last():
    since, until = [10, 20, np.nan, 5], [30, np.nan, 20, 20]
    kept = filters.available(20, since=since, until=until)
    assert kept.tolist() == [True, True, False, False]
    assert filters.available(19, since=since).tolist() == [True, False, True, True]


def test_what_was_shown_recently_is_withheld_from_whom_it_was_shown_to():
    shown = pd.DataFrame(
        {"user": [0, 0, 2, 2, 0], "item": [1, 3, 0, 1, 2], "timestamp": [50, 89, 90, 99, 100]}
    )
    kept_away = filters.shown_recently(shown, [2, 0, 1], 4, moment=100, seconds=11)
    assert kept_away.toarray().tolist() == [[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_matrices_withhold_together_what_each_does():
    one, other = csr_array([[1, 0, 0], [0, 0, 0]]), csr_array([[0, 0, 1], [0, 0, 1]])
    assert (filters.together(one, None, other).toarray() > 0).tolist() == [
        [True, False, True],
        [False, False, True],
    ]
    assert filters.together(None, None) is None
    with pytest.raises(DataError, match=r"one shape, got \(2, 3\), \(1, 3\)"):
        filters.together(one, csr_array((1, 3)))


def test_new_items_rise_by_as_much_as_their_age_lets_them():
    found = TopK(
        np.array([[3, 0, 1], [2, NO_ITEM, NO_ITEM]], np.int32),
        np.array([[3, 2, 1], [5, -np.inf, -np.inf]], np.float32),
    )
    ages = np.array([0.0, 7.0, 7.0, 7.0])
    spread = np.std([3, 2, 1])
    ranked = filters.prefer_recent(found, ages, 2, half_life=7.0, weight=4.0)
    assert ranked.items.tolist() == [[0, 3], [2, NO_ITEM]]
    np.testing.assert_allclose(ranked.scores[0], [2 + 4 * spread, 3 + 2 * spread])
    assert ranked.scores[1].tolist() == [5, -np.inf]
    same = filters.prefer_recent(found, ages, 3, half_life=7.0, weight=0.0)
    assert same.items.tolist() == found.items.tolist()


# --- before and after the search, against a plain sort


@pytest.fixture(scope="module")
def index():
    items = np.random.default_rng(0).normal(size=(900, 8))
    return indexes.build("faiss-ivf", items, "dot", lists=20, probes=8)


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("how", ["before", "after"])
def test_random_filters_leave_what_a_plain_sort_leaves(index, how, case):
    rng = np.random.default_rng(case)
    queries, k = rng.normal(size=(11, 8)).astype(np.float32), int(rng.integers(1, 40))
    eligible = rng.random(900) < rng.choice([0.005, 0.05, 0.5, 1.0])
    seen = (rng.random((11, 900)) < rng.random((11, 1)) ** 3) if case % 3 else None
    may = np.broadcast_to(eligible, (11, 900)) & (True if seen is None else ~seen)
    withheld = None if seen is None else csr_array(seen)
    found = filtered.search(index, queries, k, eligible=eligible, exclude=withheld, how=how).items
    scores = np.where(may, queries @ np.asarray(index.vectors).T, -np.inf)
    best = np.argsort(-scores, axis=1)[:, :k]
    there = np.minimum(may.sum(axis=1), k)
    shared = 0
    for row in range(11):
        mine = found[row][found[row] >= 0]
        assert len(mine) == len(set(mine)) == there[row]
        assert may[row, mine].all()
        shared += len(set(mine) & set(best[row, : there[row]]))
    if how == "before":
        assert shared == there.sum()
    else:
        assert shared >= 0.85 * there.sum()


def test_the_rule_takes_the_quicker_way():
    costs = filtered.Costs(k=100, n_items=1_000_000, before=(1e-4, 1e-8), after=(2e-4, 1e-7))
    # At 1 %: 1e-4 + 1e4 * 1e-8 = 2.0e-4 before, 2e-4 + 1e4 * 1e-7 = 1.2e-3 after.
    assert costs.seconds(0.01) == pytest.approx({"before": 2e-4, "after": 1.2e-3})
    assert costs.choose(0.01) == "before"
    # At 50 %: 5.1e-3 before, 2.2e-4 after.
    assert costs.choose(0.5) == "after"


def test_the_line_goes_through_what_was_measured():
    assert filtered._line([300.0, 30.0], [4.0, 1.3]) == pytest.approx((1.0, 0.01))
    assert filtered._line([300.0, 30.0], [1.0, 2.0]) == (1.0, 0.0)  # noise: no negative slope


def test_measured_costs_decide_for_auto(index, monkeypatch):
    asked = []
    monkeypatch.setattr(type(index), "query_exactly", lambda self, *a, **k: asked.append("before"))
    monkeypatch.setattr(type(index), "query", lambda self, *a, **k: asked.append("after"))
    costs = filtered.Costs(k=10, n_items=900, before=(0, 1e-6), after=(1e-5, 1e-8))
    for share in (0.001, 1.0):
        eligible = np.arange(900) < 900 * share
        filtered.search(index, np.ones((1, 8)), 10, eligible=eligible, costs=costs)
    assert asked == ["before", "after"]


def test_costs_are_measured_on_both_ways(index):
    costs = filtered.measure(index, np.random.default_rng(0).normal(size=(8, 8)), 10, repeats=1)
    assert costs.before[1] >= 0 and costs.after[1] >= 0
    assert set(costs.seconds(0.1)) == {"before", "after"}
