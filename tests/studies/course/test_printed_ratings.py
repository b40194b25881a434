"""Numbers that the course prints of its rating model, beside ours."""

import numpy as np
import pytest

from candgen.datasets import rated_films
from candgen.studies.course import printed_ratings


@pytest.fixture(scope="module")
def rated(real_data):
    return rated_films.read(str(real_data / "ml-latest-small"))


@pytest.fixture
def rows(rated):
    costs = np.full(200, 3000.0)
    costs[0] = 2321138.58
    predicted = np.full(rated.n_films, 4.55)
    return {row["name"]: row for row in printed_ratings.reproduced(rated, costs, predicted)}


def test_the_course_is_known_by_its_ratings(rated):
    assert printed_ratings.is_of_the_course(rated)
    assert not printed_ratings.is_of_the_course(rated.with_user_in_front({}))


def test_every_printed_number_has_a_row_with_its_film(rows):
    assert len(rows) == 10 + 11 + 11 + 3 * 16
    assert "Rating model: best not rated, Laggies (2014)" in rows
    assert rows["Rating model: often rated, ratings, Shrek (2001)"]["printed"] == 170.0


def test_a_number_that_prints_the_same_needs_no_reason(rows):
    assert rows["Rating model: cost at step 0"]["why"] == ""
    assert rows["Rating model: cost at step 20"]["why"] != ""
    assert rows["Rating model: best not rated, Laggies (2014)"]["why"] != ""
    best = next(row for name, row in rows.items() if "My Sassy Girl" in name)
    assert (best["printed"], best["ours"], best["why"]) == (4.55, 4.55, "")


def test_the_table_of_often_rated_films_is_met_to_the_last_digit(rows):
    facts = [row for name, row in rows.items() if "mean rating," in name or "ratings," in name]
    assert len(facts) == 32
    assert all(row["why"] == "" for row in facts)
    assert all(row["ours"] == pytest.approx(row["printed"], abs=5e-7) for row in facts)
