"""The films of the course, and a person in front of everybody else."""

import numpy as np
import pytest

from candgen.datasets import rated_films
from candgen.errors import DataError

MOVIES = """\
movieId,title,genres
1,Old (1999),Drama
2,"New, The (2000)",Drama
9,Nobody Rated (2010),Drama
3,No Year,Drama
7,Newest (2018),(no genres listed)
"""
RATINGS = """\
userId,movieId,rating,timestamp
5,7,4.0,10
5,1,1.0,10
2,2,3.0,10
5,2,2.5,10
8,1,5.0,10
8,3,5.0,10
"""


@pytest.fixture
def rated(tmp_path):
    (tmp_path / "movies.csv").write_text(MOVIES)
    (tmp_path / "ratings.csv").write_text(RATINGS)
    return rated_films.read(str(tmp_path))


def test_films_need_a_late_year_and_a_rating_and_users_one_of_these(rated):
    assert rated.titles.tolist() == ["New, The (2000)", "Newest (2018)"]
    assert rated.item_ids.tolist() == [2, 7]
    assert rated.n_users == 2
    cells = list(zip(rated.film.tolist(), rated.user.tolist(), rated.rating, strict=True))
    assert cells == [(0, 0, 3.0), (0, 1, 2.5), (1, 1, 4.0)]


def test_means_and_counts_are_those_of_the_films(rated):
    assert rated.means.tolist() == [2.75, 4.0]
    assert rated.counts.tolist() == [2, 1]


def test_a_person_in_front_moves_the_others_up(rated):
    joined = rated.with_user_in_front({1: 5.0})
    y, r = joined.dense()
    assert y.tolist() == [[0, 3.0, 2.5], [5.0, 0, 4.0]]
    assert r.tolist() == [[0, 1, 1], [1, 0, 1]]
    assert (np.diff(joined.film) >= 0).all()
    assert rated.with_user_in_front({}).dense()[0][:, 0].tolist() == [0, 0]


def test_rows_are_found_by_id_or_the_id_is_named(rated):
    assert rated.rows({7: 1.0}) == {1: 1.0}
    with pytest.raises(DataError, match=r"1 of 2 rated films .* such as item_id 8"):
        rated.rows({7: 1.0, 8: 2.0})


def test_no_film_left_is_said(tmp_path, rated):
    with pytest.raises(DataError, match="no rated film has a year of 2030 or later"):
        rated_films.read(str(tmp_path), first_year=2030)


def test_a_dataset_keeps_all_its_items_and_the_latest_rating():
    from types import SimpleNamespace

    import pandas as pd

    train = pd.DataFrame({"user": [1, 0, 1], "item": [2, 0, 2], "rating": [1.0, 3.0, 4.0]})
    items = pd.DataFrame({"item_id": list("abc")})
    data = SimpleNamespace(
        name="d",
        train=train,
        items=items,
        n_users=2,
        titles=np.array(["A", "B", "C"], dtype=object),
    )
    rated = rated_films.of_dataset(data)
    assert rated.dense()[0].tolist() == [[3.0, 0], [0, 0], [0, 4.0]]
    data.train = train[["user", "item"]]
    with pytest.raises(DataError, match="'d' has no ratings"):
        rated_films.of_dataset(data)
