import copy

import numpy as np
import pandas as pd
import pytest

from candgen.errors import DataError
from candgen.studies.course.films import course_films, film_rows
from candgen.studies.course.rating_network import RatingNetwork
from candgen.studies.course.rating_network_printed import NEW_USER, reproduced


@pytest.fixture(scope="module")
def fitted():
    """Eighty people; half rate comedies 5 and dramas 1, the others the reverse."""
    rng = np.random.default_rng(0)
    genres = [["Comedy"], ["Drama"], ["Comedy", "Drama"]]
    films = pd.DataFrame(
        {
            "item_id": np.arange(100, 130),
            "title": [f"film {i}" for i in range(30)],
            "genres": [genres[i % 3] for i in range(30)],
            "year": 2001 + np.arange(30) % 7,
        }
    )
    rows = []
    for user in range(80):
        for film in rng.permutation(30)[:12]:
            liked = {0: user % 2, 1: 1 - user % 2, 2: 0.5}[film % 3]
            rows.append((user, 100 + film, 1 + 4 * liked))
    ratings = pd.DataFrame(rows, columns=["user", "item", "rating"])
    return RatingNetwork(epochs=12, seed=0).fit(film_rows(ratings, films))


def test_an_unseen_profile_gets_the_films_of_its_genre(fitted):
    top = fitted.top_films(fitted.data.profile({"Comedy": 5.0, "Drama": 1.0}), 8)
    assert (top["genres"] == "Comedy").all()
    assert top["predicted"].is_monotonic_decreasing and top["title"].is_unique
    assert 4 < top["predicted"].iloc[0] <= 5


def test_predictions_of_an_existing_user_stand_beside_the_ratings(fitted):
    table = fitted.rated_by(1)
    single = table[~table["title"].duplicated(keep=False)]
    assert (single["predicted"] - single["rated"]).abs().max() < 1
    own = fitted.data.rows[fitted.data.rows["user"] == 1]
    assert len(table) == len(own)
    assert table["tested on"].sum() == np.isin(own.index, fitted.test_rows_).sum()


def test_films_of_the_same_genres_end_up_side_by_side(fitted):
    near = fitted.similar_films([0, 1, 2], 3)
    for film, row in zip([0, 1, 2], near.to_numpy(), strict=True):
        assert {int(title.split()[1]) % 3 for title in row} == {film % 3}
        assert f"film {film}" not in row


def test_four_fifths_of_the_rows_are_learned_from(fitted):
    n = len(fitted.data.rows)
    assert len(fitted.train_rows_) == int(0.8 * n)
    together = np.concatenate([fitted.train_rows_, fitted.test_rows_])
    assert np.array_equal(np.sort(together), np.arange(n))


def test_the_split_stays_when_the_seed_changes(fitted):
    other = RatingNetwork(epochs=1, seed=5).fit(fitted.data)
    np.testing.assert_array_equal(other.test_rows_, fitted.test_rows_)
    assert other.losses_[0] != fitted.losses_[0]


def test_scales_are_learned_from_the_training_rows_alone(fitted):
    users, items = fitted.scaled_inputs()
    learned = fitted.data.rows.iloc[fitted.train_rows_]
    np.testing.assert_allclose(users[learned["user"]].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(items[learned["place"]].std(axis=0), 1, atol=1e-4)
    targets = fitted.pairs(fitted.train_rows_).targets
    assert targets.min() == -1 and targets.max() == 1


def test_a_user_who_is_not_there_is_named(fitted):
    with pytest.raises(DataError, match="No user 900 among the 80"):
        fitted.rated_by(900)


@pytest.mark.data
def test_the_printed_rows_and_tables_are_met(real_data):
    rows = course_films(str(real_data / "ml-latest-small"))
    model = RatingNetwork(epochs=2).fit(rows)
    found = {row["name"].split(", ", 1)[1]: row for row in reproduced(model)}
    branches = [f"parameters of the {side} branch" for side in ("user", "item")]
    for name in ("rows", "training rows", "test rows", "parameters", *branches,
                 "film 64969: mean rating"):  # fmt: skip
        assert found[name]["why"] == ""
        assert found[name]["ours"] == pytest.approx(found[name]["printed"], abs=6e-6)
    assert abs(found["training loss, epoch 1"]["ours"] / 0.1254 - 1) < 0.02
    of_36 = [row for name, row in found.items() if name.startswith("user 36")]
    assert len(of_36) == 36
    exact = [row for row in of_36 if not row["name"].endswith("predicted")]
    assert all(abs(row["ours"] - row["printed"]) <= 0.005 for row in exact)
    of_2 = [row for name, row in found.items() if name.startswith("user 2:")]
    assert all(abs(row["ours"] - row["printed"]) <= 0.0501 for row in of_2)
    counts, losses = 6, 2
    assert len(found) == counts + losses + len(of_2) + 20 + 36
    assert len(of_2) == 2 + len(rows.genres)
    assert set(NEW_USER) <= set(rows.genres)
    assert not [row for row in found.values() if set(row) != {"name", "printed", "ours", "why"}]
    other = copy.copy(model)
    other.losses_ = [loss + 1 for loss in model.losses_]
    started = {row["name"].split(", ", 1)[1]: row for row in reproduced(model, other)}
    ours = found["training loss, epoch 1"]["ours"]
    assert started["training loss, epoch 1"]["starts"] == pytest.approx([ours, ours + 1])
    with_range = {name for name, row in started.items() if "starts" in row}
    assert len(with_range) == losses + 10 + 9  # losses, films of the new user, rows of user 36
    assert "rows" not in with_range and "user 2: mean rating" not in with_range
