import numpy as np
import pandas as pd
import pytest

from candgen.errors import DataError
from candgen.studies.course.films import course_films, film_rows

FILMS = pd.DataFrame(
    {
        "item_id": [10, 20, 30, 40],
        "title": list("abcd"),
        "genres": [["Comedy", "Drama"], ["Drama"], ["War"], []],
        "year": [2001, 2005, 1990, 2010],
    }
)
RATINGS = pd.DataFrame(
    {
        "user": [7, 7, 9, 9, 9],
        "item": [10, 20, 10, 30, 40],
        "rating": [5.0, 2.0, 3.0, 1.0, 4.0],
    }
)


def test_a_rating_makes_a_row_for_each_genre_of_the_film():
    made = film_rows(RATINGS, FILMS)
    places = made.places.iloc[made.rows["place"]]
    found = list(zip(made.users["user_id"].to_numpy()[made.rows["user"]], places["genre"],
                     made.rows["rating"], strict=True))  # fmt: skip
    assert found == [
        (7, "Comedy", 5),
        (7, "Drama", 5),
        (7, "Drama", 2),
        (9, "Comedy", 3),
        (9, "Drama", 3),
        (9, "War", 1),
    ]


def test_a_user_is_the_mean_rating_of_each_genre_and_zero_where_there_is_none():
    made = film_rows(RATINGS, FILMS)
    assert made.genres == ("Comedy", "Drama", "War")
    np.testing.assert_allclose(made.user_inputs(), [[5, 3.5, 0], [3, 3, 1]])


def test_a_film_is_its_year_its_mean_and_one_genre():
    made = film_rows(RATINGS, FILMS, min_ratings=2)
    np.testing.assert_allclose(made.item_inputs(), [[2001, 4, 1, 0, 0], [2001, 4, 0, 1, 0]])


def test_films_of_other_genres_or_earlier_years_are_left_out():
    assert film_rows(RATINGS, FILMS, genres=["Comedy", "Drama"]).films["title"].tolist() == [
        "a",
        "b",
    ]
    assert film_rows(RATINGS, FILMS, after=2001).films["title"].tolist() == ["b"]


def test_a_profile_names_genres_and_refuses_others():
    made = film_rows(RATINGS, FILMS)
    np.testing.assert_array_equal(made.profile({"War": 5}, 1.0), [[1, 1, 5]])
    with pytest.raises(DataError, match="no genre 'Opera'"):
        made.profile({"Opera": 5})


def test_nothing_left_says_what_to_lower():
    with pytest.raises(DataError, match="Lower min_ratings"):
        film_rows(RATINGS, FILMS, min_ratings=9)


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="'year'"):
        film_rows(RATINGS, FILMS.drop(columns="year"))


@pytest.mark.data
def test_the_printed_example_has_its_printed_counts(real_data):
    made = course_films(str(real_data / "ml-latest-small"))
    assert (len(made.films), len(made.users), len(made.rows)) == (694, 395, 58_187)
    assert made.users["count"].sum() == 20_202
    printed = [3.9, 5.0, 0, 0, 4.0, 4.2, 4.0, 4.0, 0, 3.0, 4.0, 0, 4.2, 3.9]
    (second,) = np.flatnonzero(made.users["user_id"] == 2)
    np.testing.assert_allclose(made.user_inputs()[second], printed, atol=0.0501)
    assert made.users.loc[second, "count"] == 16
    assert (made.user_inputs().shape[1], made.item_inputs().shape[1]) == (14, 16)
