"""The toys tell the story that the pages tell with them."""

import numpy as np

from candgen.datasets import feedback
from candgen.studies.toys import films as toy_films


def matrix(new_people=False):
    shown = toy_films.impressions(new_people=new_people)
    return feedback.label_matrix(
        shown, n_users=len(toy_films.users(new_people=new_people)), n_items=len(toy_films.films())
    )


def test_places_lie_on_both_axes_between_minus_1_and_1():
    for table in (toy_films.films(), toy_films.users()):
        places = table[["audience", "reach"]].to_numpy()
        assert (np.abs(places) <= 1).all() and (np.abs(places) > 0).all()


def test_the_third_watched_every_film_for_children_and_the_fourth_every_film_for_adults():
    children = (toy_films.films()["audience"] < 0).to_numpy()
    watched = matrix() == 1
    assert watched[2].tolist() == children.tolist()
    assert watched[3].tolist() == (~children).tolist()


def test_the_first_watched_every_blockbuster_and_the_second_only_art_house():
    blockbuster = (toy_films.films()["reach"] > 0).to_numpy()
    watched = matrix() == 1
    assert watched[0].tolist() == blockbuster.tolist()
    assert not watched[1][blockbuster].any()


def test_everybody_has_all_three_meanings():
    for row in matrix(new_people=True):
        assert {1.0, 0.0} == set(row[~np.isnan(row)]) and np.isnan(row).any()


def test_new_people_come_last_and_change_nothing_for_the_others():
    np.testing.assert_array_equal(matrix(new_people=True)[:4], matrix())
    assert toy_films.users(new_people=True)["reach"].isna().tolist() == [False] * 4 + [True] * 2


def test_stars_are_given_to_films_that_were_watched_and_not_all_of_them_are_high():
    stars = toy_films.ratings()
    assert (matrix()[stars["user"], stars["item"]] == 1).all()
    assert stars["rating"].min() < 2.5 < stars["rating"].max() <= 5
