"""A person's own ratings, from a file or picked by title."""

import numpy as np
import pytest

from candgen.datasets.rated_films import COURSE_LEARNED, RatedFilms
from candgen.errors import DataError
from candgen.studies.course import my_ratings

TITLES = ["Shrek (2001)", "Shrek 2 (2004)", "Amélie (2001)", "Up <b> (2009)"]


@pytest.fixture
def rated():
    film, user = np.array([0, 1, 1, 2], "i4"), np.array([0, 0, 1, 1], "i4")
    ids = np.array([11, 22, 33, 44])
    return RatedFilms(film, user, np.full(4, 3.0), np.array(TITLES, dtype=object), ids, 2)


@pytest.fixture
def read(tmp_path, rated):
    def read(text):
        path = tmp_path / "mine.csv"
        path.write_text(text, encoding="utf-8")
        return my_ratings.read_csv(path, rated)

    return read


def test_titles_are_whole_or_the_only_ones_that_fit(read):
    assert read("title,rating\nShrek (2001),5\nAMÉLIE,2\nup,0.5\n") == {0: 5.0, 2: 2.0, 3: 0.5}


def test_ids_are_taken_as_the_data_spells_them(read):
    assert read("\ufeffitem_id,rating,title\n22,4.5,whatever\n") == {1: 4.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("film,stars\nx,3\n", r"expected a header .* got \['film', 'stars'\]"),
        ("title,rating\nshrek,5\n", r"line 2: 2 films fit the title 'shrek'.*= 22.*item_id"),
        ("title,rating\nShrekk (2001),5\n", r"no film fits .*Did you mean 'Shrek \(2001\)'"),
        ("title,rating\n,5\n", r"line 2: no film fits the title ''"),
        ("item_id,rating\n7,5\n", r"line 2: no film has the item_id '7'"),
        ("item_id,rating\n11,5\n11,4\n", r"line 3: 'Shrek \(2001\)' is rated twice"),
        ("item_id,rating\n11,9\n", r"line 2: rating is '9', expected 0.5 to 5"),
        ("item_id,rating\n11,good\n", r"line 2: rating is 'good'"),
        ("item_id,rating\n11\n", r"line 2: rating is None"),
        ("item_id,rating\n11,nan\n", r"line 2: rating is 'nan'"),
        ("title,rating\n", "no rating below its header"),
        ("", r"got \[\]"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_with_its_line(read, text, message):
    with pytest.raises(DataError, match=message):
        read(text)


def test_a_file_that_is_not_there_is_named(tmp_path, rated):
    with pytest.raises(DataError, match=r"mine\.csv cannot be read"):
        my_ratings.read_csv(tmp_path / "mine.csv", rated)


def test_what_is_written_is_read_back(tmp_path, rated):
    my_ratings.write_csv(tmp_path / "mine.csv", rated, {3: 4.5, 0: 1.0})
    assert my_ratings.read_csv(tmp_path / "mine.csv", rated) == {3: 4.5, 0: 1.0}


def test_ids_and_titles_like_formulas_are_written_as_text_and_read_back(tmp_path, rated):
    ids = np.array(["=1+1", "-2", "@x", "d"], dtype=object)
    odd = RatedFilms(rated.film, rated.user, rated.rating, rated.titles, ids, rated.n_users)
    odd.titles[0] = "=cmd|'/C calc'!A0"
    my_ratings.write_csv(tmp_path / "mine.csv", odd, {0: 1.0, 1: 2.0, 2: 3.0})
    lines = (tmp_path / "mine.csv").read_text().splitlines()
    assert lines[1] == "'=1+1,1,'=cmd|'/C calc'!A0"
    assert my_ratings.read_csv(tmp_path / "mine.csv", odd) == {0: 1.0, 1: 2.0, 2: 3.0}


def test_a_search_finds_all_words_and_the_most_rated_first(rated):
    assert my_ratings.search(rated, "SHREK 20") == [1, 0]
    assert my_ratings.search(rated, "shrek 2001") == [0]
    assert my_ratings.search(rated, " ") == []


def test_the_example_is_of_the_courses_where_its_films_are(rated):
    assert set(my_ratings.example(rated)) == {0, 1, 2, 3}
    ids = np.array([*COURSE_LEARNED, 5])
    titles = np.array([str(i) for i in ids], dtype=object)
    films = RatedFilms(rated.film, rated.user, rated.rating, titles, ids, 2)
    assert list(my_ratings.example(films).values()) == list(COURSE_LEARNED.values())


def test_a_film_is_found_rated_kept_and_forgotten(tmp_path, rated):
    path = tmp_path / "kept.csv"
    picker = my_ratings.Picker(rated, {0: 2.0}, save_as=path)
    words, films, stars, buttons, shown = picker.widget.children
    words.value = "up"
    assert films.options == (("Up <b> (2009)", 3),)
    films.value, stars.value = 3, 4.5
    buttons.children[0].click()
    assert picker.ratings == {0: 2.0, 3: 4.5}
    assert "4.5 · Up &lt;b&gt; (2009)" in shown.value
    assert my_ratings.read_csv(path, rated) == picker.ratings
    buttons.children[1].click()
    assert picker.ratings == {0: 2.0}
