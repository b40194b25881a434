from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from contract import GeneratorContract

from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError, SettingError
from candgen.models import Popularity, RecentPopularity
from candgen.models.popularity.recent import likeliest_half_life

DAY = 86_400
# Items 0 to 3: one was popular long ago, two are of late, one has no recent event.
TRAIN = [(u, 0, 0) for u in range(5)] + [
    (0, 1, 95),
    (1, 1, 96),
    (2, 2, 100),
    (3, 3, 50),
    (4, 3, 50),
]


@pytest.fixture(scope="session")
def taste_world(taste_world):
    """The taste world with times, whose users say what they like."""
    train = taste_world.train.assign(timestamp=np.arange(len(taste_world.train)) * 3600)
    users = taste_world.users.assign(likes=[f"taste {u % 6}" for u in range(taste_world.n_users)])
    return replace(taste_world, _tables={**taste_world._tables, "train": train, "users": users})


class TestRecentPopularity(GeneratorContract):
    beats_popularity = False

    def make(self, **settings):
        return RecentPopularity(**settings)


class TestRecentPopularityOfGroups(GeneratorContract):
    def make(self, **settings):
        return RecentPopularity(**{"column": "likes", "trust": 1.0, **settings})


@pytest.fixture
def late(tmp_path):
    """A dataset whose training ends on day 100."""

    def made(train=TRAIN, columns=("user", "item", "timestamp")):
        events = pd.DataFrame(train, columns=["user", "item", "timestamp"])
        events = events.assign(timestamp=events["timestamp"] * DAY)[list(columns)]
        tables = {
            "interactions": events,
            "train": events,
            "test": events[:1],
            "users": pd.DataFrame({"user": range(5), "user_id": range(5)}),
            "items": pd.DataFrame({"item": range(4), "item_id": range(4)}),
        }
        return write_dataset(tmp_path / "late", tables, {"name": "late"})

    return made


@pytest.mark.parametrize(
    ("days", "best_first"), [(7, [1, 2, 0, 3]), (3, [2, 0, 1, 3]), (200, [0, 1, 3, 2])]
)
def test_events_of_the_last_days_count_and_all_events_break_ties(late, days, best_first):
    scores = RecentPopularity(days=days).fit(late()).score([0, 4])
    assert np.argsort(-scores[0], kind="stable").tolist() == best_first
    assert scores[0].tolist() == scores[1].tolist()


def test_the_first_second_of_the_period_does_not_count(late):
    model = RecentPopularity(days=5).fit(late())  # day 95 is five days before day 100
    assert np.floor(model.score([0])[0]).tolist() == [0, 1, 1, 0]


def test_events_without_times_are_refused_by_name(late):
    with pytest.raises(DataError, match=r"'late' lack times. Choose popularity"):
        RecentPopularity().fit(late(columns=("user", "item")))


def test_the_weight_of_an_event_halves_with_each_half_life(late):
    scores = RecentPopularity(half_life=2.0).fit(late()).score([3])[0]
    days, users = {0: [0] * 5, 1: [95, 96], 2: [100], 3: [50, 50]}, np.array([5, 2, 1, 2])
    expected = [sum(0.5 ** ((100 - day) / 2) for day in days[item]) for item in range(4)]
    np.testing.assert_allclose(scores, expected + users / 6, rtol=1e-6)


def test_days_and_half_life_together_forget_what_is_older(late):
    scores = RecentPopularity(days=5.0, half_life=2.0).fit(late()).score([0])[0]
    np.testing.assert_allclose(scores, [5 / 6, 0.25 + 2 / 6, 1 + 1 / 6, 2 / 6], rtol=1e-6)


def test_a_group_is_its_own_events_and_a_few_of_everybody(late):
    data = late()
    data = replace(
        data, _tables={**data._tables, "users": data.users.assign(place=[*"aabb", None])}
    )
    scores = RecentPopularity(days=7.0, column="place", trust=3.0).fit(data).score([0, 2, 4])
    crowd = 3.0 * np.array([0, 2, 1, 0]) / 3 + np.array([5, 2, 1, 2]) / 6
    for found, own in zip(scores, ([0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]), strict=True):
        np.testing.assert_allclose(found, own + crowd, rtol=1e-6)


def test_numbers_make_groups_too(late):
    data = late()
    data = replace(data, _tables={**data._tables, "users": data.users.assign(age=range(5))})
    scores = RecentPopularity(days=7.0, column="age", bins=2, trust=0.0).fit(data).score([1, 2])
    assert np.floor(scores).tolist() == [[0, 2, 0, 0], [0, 0, 1, 0]]  # 0 and 1 are the young


def test_an_unknown_column_is_refused(late):
    with pytest.raises(SettingError, match="no column 'plaice'"):
        RecentPopularity(column="plaice").fit(late())


def fashions(length: float, n=20_000, n_items=40, seed=0):
    """Times and items over 100 days; the ten items in fashion change every `length` days."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, 100 * DAY, n))
    first = (times // (length * DAY)).astype(int) * 10
    return times, (first + rng.integers(0, 10, n)) % n_items


def test_the_half_life_follows_how_long_fashions_last():
    still = likeliest_half_life(*fashions(1000), 40)
    slow, fast = (likeliest_half_life(*fashions(days), 40) for days in (30, 2))
    assert still > slow > fast > 0


def test_the_half_life_is_the_likeliest_of_those_tried():
    times, items = fashions(5, n=400)
    early = times <= np.sort(times)[359]
    assert early.sum() == 360
    span = (times[early].max() - times[early].min()) / DAY

    def likelihood(half_life):
        chances = np.zeros(40)
        for time, item in zip(times[early], items[early], strict=True):
            chances[item] += 0.5 ** ((times[early].max() - time) / DAY / half_life)
        users = np.bincount(items[early], minlength=40) + 0.5
        chances += users / (users.max() + 1)
        return np.log(chances / chances.sum())[items[~early]].sum()

    tried = [np.inf, *(span / 2**n for n in range(13))]
    assert likeliest_half_life(times, items, 40) == max(tried, key=likelihood)


def test_what_comes_after_training_cannot_choose_the_half_life(late):
    data = late()
    other = replace(data, _tables={**data._tables, "test": data.table("train")})
    assert RecentPopularity().fit(data).half_life_ == RecentPopularity().fit(other).half_life_


def test_events_of_one_moment_are_plain_popularity(late):
    data = late([(u, i, 5) for u, i, _ in TRAIN])
    model = RecentPopularity().fit(data)
    assert model.half_life_ == np.inf
    order = np.argsort(-Popularity().fit(data).score([0]), kind="stable")
    assert np.array_equal(np.argsort(-model.score([0]), kind="stable"), order)
