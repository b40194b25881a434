import numba
import numpy as np
import pytest

from candgen import evaluation, models
from candgen.datasets.crowd import CrowdSettings, make_crowd
from candgen.datasets.preparation import check_settings, prepare
from candgen.errors import SettingError

SIZES = {"n_users": 400, "n_items": 300, "events_per_user": 25.0, "days": 300}


@pytest.fixture(scope="module")
def crowd():
    return make_crowd(CrowdSettings(**SIZES), 3)


def test_it_is_as_large_as_asked(crowd):
    events = crowd.interactions
    assert events["user"].nunique() == 400
    assert 0.85 < len(events) / (400 * 25) < 1.15
    assert events["item"].between(1, 300).all()
    assert len(crowd.items) == 300


def test_nobody_rates_a_film_twice_or_before_its_release(crowd):
    events = crowd.interactions
    assert not events.duplicated(["user", "item"]).any()
    first = events.groupby("item")["timestamp"].min().reindex(crowd.items["item_id"])
    year = 1970 + first.to_numpy() / (365.25 * 86_400)
    new = crowd.items["year"].to_numpy() >= 2024
    assert np.nanmax(crowd.items["year"].to_numpy() - year) < 1
    assert 0.2 < new.mean() < 0.6


def test_users_rate_in_the_order_of_time_within_the_period(crowd):
    events = crowd.interactions
    assert events.groupby("user")["timestamp"].is_monotonic_increasing.all()
    start = CrowdSettings(**SIZES).start_time
    assert events["timestamp"].between(start, start + 300 * 86_400).all()


def test_ratings_are_stars_of_halves(crowd):
    ratings = crowd.interactions["rating"]
    assert set(ratings.unique()) <= set(np.arange(1, 11) / 2)
    assert 2.8 < ratings.mean() < 3.8 and ratings.std() > 0.6


def test_a_few_films_have_most_of_the_ratings_and_a_few_users_rate_most(crowd):
    for column, share in (("item", 0.25), ("user", 0.2)):
        counts = np.sort(crowd.interactions[column].value_counts())[::-1]
        assert counts[: len(counts) // 10].sum() > share * counts.sum()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_number_of_threads_changes_nothing(crowd, n_threads):
    held = numba.get_num_threads()
    numba.set_num_threads(min(n_threads, held))
    try:
        again = make_crowd(CrowdSettings(**SIZES), 3)
    finally:
        numba.set_num_threads(held)
    assert again.interactions.equals(crowd.interactions)
    assert again.items.equals(crowd.items)


def test_another_seed_gives_other_ratings(crowd):
    other = make_crowd(CrowdSettings(**SIZES), 4)
    assert not other.interactions["item"].head(50).equals(crowd.interactions["item"].head(50))


def test_there_is_taste_to_learn(tmp_path):
    sizes = {"n_users": 1500, "n_items": 400, "events_per_user": 35.0}
    data = prepare(tmp_path / "d", source="crowd", split="leave_last_out", **sizes)
    fitted = {
        "popularity": models.Popularity().fit(data),
        "WALS": models.WALS(dim=8, regularization=0.03).fit(data),
    }
    recall = {n: evaluation.judge(m, data, k=20).mean("recall@20") for n, m in fitted.items()}
    assert recall["WALS"] > 1.15 * recall["popularity"] > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"events_per_user": 31.0, "n_items": 300},
            "events_per_user must be at most 30 in a crowd",
        ),
        ({"start": "soon"}, "start must be a day"),
        ({"drift": 0.9}, "drift is 0.9, but it belongs to source world"),
    ],
)
def test_what_it_cannot_be_is_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        check_settings({"source": "crowd"} | settings)


def test_settings_of_a_world_are_accepted_at_their_defaults():
    own, crowd = check_settings({"source": "crowd", "exposure_bias": 0.6, "n_users": 50})
    assert (own.source, crowd.n_users) == ("crowd", 50)
