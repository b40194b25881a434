import numpy as np
import pandas as pd
import pytest

from candgen.errors import DataError
from candgen.features import Bins, SearchLog, Vocabulary, day_of_week, hour_of_day

SEARCHES = pd.DataFrame(
    {
        "user": [2, 0, 0, 2, 0],
        "timestamp": [50, 30, 10, 20, 20],
        "query": ["old dog", "red hen", "red dog", "old", "cat"],
    }
)


def words_before(users, times, n, searches=SEARCHES):
    words = Vocabulary(SEARCHES["query"])
    log = SearchLog.of(searches, words, 4)
    starts, stops = log.before(np.array(users), np.array(times), n)
    return [
        [words.names_[row] for row in log.words[start:stop]]
        for start, stop in zip(starts, stops, strict=True)
    ]


def test_searches_are_those_of_the_user_strictly_before_the_moment_and_the_last_ones():
    asked = [(0, 10), (0, 11), (0, 20), (0, 1000), (1, 1000), (2, 50), (2, 51), (3, 1000), (0, -5)]
    found = words_before(*zip(*asked, strict=True), 2)
    assert found == [
        [], ["red", "dog"], ["red", "dog"], ["cat", "red", "hen"], [], ["old"],
        ["old", "old", "dog"], [], [],
    ]  # fmt: skip


def test_later_searches_change_nothing_that_was_known_before():
    later = pd.DataFrame({"user": [0, 2], "timestamp": [15, 900], "query": ["hen", "hen"]})
    more = pd.concat([SEARCHES, later], ignore_index=True)
    users, times = [0, 0, 2], [12, 15, 60]
    assert words_before(users, times, 5) == words_before(users, times, 5, more)
    assert words_before([0], [16], 5) != words_before([0], [16], 5, more)


def test_nobody_has_searched_where_the_table_is_empty():
    assert words_before([0, 3], [10, 10], 3, SEARCHES[:0]) == [[], []]


def test_a_table_of_searches_without_words_is_named():
    with pytest.raises(DataError, match=r"lacks the columns.*query"):
        SearchLog.of(SEARCHES.drop(columns="query"), Vocabulary([]), 4)


def test_words_that_are_not_kept_share_rows():
    words = Vocabulary(["red dog", "Red hen", "a"], most=1, hashed=2)
    assert words.names_ == ["red", "(other 1)", "(other 2)"]
    assert words.rows("RED dog zebra") == [0, *words.rows("dog"), *words.rows("zebra")]
    assert set(words.rows("dog zebra hen fish bird")) <= {1, 2}


def test_a_value_is_shared_between_the_two_nearest_knots():
    bins = Bins(np.array([0.0, 1.0, 3.0]))
    rows, weights = bins.share([0, 0.25, 2, 3, -9, 99])
    total = np.zeros((6, 3))
    np.add.at(total, (np.arange(6)[:, None], rows), weights)
    expected = [[1, 0, 0], [0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1], [1, 0, 0], [0, 0, 1]]
    np.testing.assert_allclose(total, expected)


def test_midnight_is_as_near_to_the_last_hour_as_to_the_first():
    bins = Bins.circle(8, 24.0)  # knots at 0, 3, ..., 21
    rows, weights = bins.share([22.5, 1.5, 24.0])
    assert rows[0].tolist() == [7, 0] and rows[1].tolist() == [0, 1]
    np.testing.assert_allclose(weights, [[0.5, 0.5], [0.5, 0.5], [1, 0]])


def test_knots_stand_at_quantiles_and_repeated_values_make_fewer():
    assert Bins.of(np.arange(101), 5).knots.tolist() == [0, 25, 50, 75, 100]
    assert len(Bins.of(np.ones(50), 5)) == 1
    assert Bins.of([], 5).share([1.0, 2.0]).weights.tolist() == [[1, 0], [1, 0]]


def test_hours_and_days_are_those_of_the_calendar():
    texts = ["2024-01-01 06:30", "2024-02-29 23:00", "1970-01-04 00:00"]
    moments = pd.Series(pd.to_datetime(texts))
    seconds = (moments - pd.Timestamp(0)).dt.total_seconds().to_numpy().astype(np.int64)
    assert hour_of_day(seconds).tolist() == [6.5, 23, 0]
    assert day_of_week(seconds).tolist() == moments.dt.day_of_week.tolist()
