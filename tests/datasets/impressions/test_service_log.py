"""The invented log of a service: its chances are true, and what other policies earn is known."""

import numpy as np
import pytest

from candgen.datasets.world.service_log import EXPLORED, make_service_log


@pytest.fixture(scope="module")
def log():
    return make_service_log(n_users=60, n_items=20, visits=400, seed=3)


def test_a_seed_gives_one_log():
    one, other = (make_service_log(n_users=5, n_items=12, visits=3, seed=1) for _ in range(2))
    assert one.impressions.equals(other.impressions)
    assert not one.impressions.equals(
        make_service_log(n_users=5, n_items=12, visits=3, seed=2).impressions
    )


def test_propensities_are_the_shares_in_which_films_are_shown(log):
    shown = log.impressions
    chance = shown.groupby(["user", "item"])["propensity"].agg(["first", "nunique", "size"])
    assert (chance["nunique"] == 1).all()
    share = chance["size"] / 2000  # of the places of a user
    error = (share - chance["first"]) / np.sqrt(chance["first"] / 2000)
    assert abs(error.mean()) < 0.2 and 0.8 < error.std() < 1.2
    assert chance["first"].min() >= EXPLORED / 20
    assert chance["first"].groupby("user").sum().to_numpy() == pytest.approx(1, abs=0.03)


def test_clicks_fall_down_the_page_as_attention_does(log):
    rate = log.impressions.groupby("position")["clicked"].mean()
    assert rate[4] / rate[1] == pytest.approx(0.5, abs=0.05)


def test_the_value_of_a_policy_is_what_its_films_earn_where_they_are_shown(log):
    shown = log.impressions
    users, films = np.sort(shown["user"].unique()), np.sort(shown["item"].unique())[:5]
    offered = shown[shown["item"].isin(films)]
    weights = 1 / 5 / offered["propensity"]
    earned = (weights * offered["clicked"]).sum() / len(shown)
    true = log.value(users, np.tile(films, (len(users), 1))).mean()
    assert earned == pytest.approx(true, rel=0.03)
