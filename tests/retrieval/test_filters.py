import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from candgen.errors import DataError, SettingError
from candgen.retrieval import NO_ITEM, TopK, filters

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


CITIES = [[52.52, 13.405], [48.8566, 2.3522], [np.nan, np.nan], [52.52, 13.405]]


def test_distances_are_those_of_an_atlas():
    # Berlin to Paris: 878 km along the ground; a quarter of the way round: 10,008 km.
    assert filters.distances(CITIES, CITIES[0]) == pytest.approx(
        [0, 878, np.nan, 0], abs=2, nan_ok=True
    )
    assert filters.distances([[90.0, 0.0]], [0.0, 77.0]) == pytest.approx([10_007.6], abs=1)
    across = filters.distances([[10.0, 179.5]], [10.0, -179.5])  # over the date line
    assert across == pytest.approx(np.radians(1) * 6371 * np.cos(np.radians(10)), rel=1e-3)


def test_items_near_a_place_are_allowed_and_those_without_one_are_not():
    assert filters.near(CITIES, CITIES[1], 900).tolist() == [True, True, False, True]
    assert filters.near(CITIES, CITIES[1], 800).tolist() == [False, True, False, False]
    assert filters.near(CITIES, CITIES[1], 0).tolist() == [False, True, False, False]


def test_places_that_are_none_are_refused():
    with pytest.raises(SettingError, match="0 or more, got -1"):
        filters.near(CITIES, CITIES[0], -1)
    with pytest.raises(DataError, match=r"got \(4, 2\) and \(3,\)"):
        filters.distances(CITIES, [1.0, 2.0, 3.0])
