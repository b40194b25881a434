"""Three numbers, worked out on paper."""

import numpy as np
import pytest

from candgen.errors import SettingError
from candgen.models import three_posts as posts


def test_the_posts_are_their_ids():
    assert posts.POSTS == (0, 1, 2)
    assert (posts.ENGAGED, posts.LEFT, posts.NEVER_SHOWN) == ((1,), (2,), (0,))


def test_by_the_product_the_shown_posts_leave_the_user_at_a_fifth():
    # (u - 1)^2 + (2 u - 0)^2 is lowest at u = 1/5
    assert posts.product_slope([1], [2]).landing == pytest.approx(1 / 5)


def test_by_closeness_the_shown_posts_leave_the_user_at_two_thirds():
    # (u - 1)^2 - (u - 2)^2 / 4 is lowest where 2 (u - 1) = (u - 2) / 2
    assert posts.closeness_slope([1], [2], weight=0.25).landing == pytest.approx(2 / 3)


@pytest.mark.parametrize("slope", [posts.product_slope, posts.closeness_slope])
def test_without_sampled_negatives_the_user_is_nearer_to_0_than_to_2(slope):
    landing = slope(posts.ENGAGED, posts.LEFT).landing
    assert abs(landing - 0) < abs(landing - 2)


def test_one_sampled_negative_at_0_brings_the_user_back_and_two_bring_them_to_2():
    back = posts.closeness_slope([1], [2, 0], weight=0.25)
    assert back.landing == pytest.approx(1.0)
    beyond = posts.closeness_slope([1], [2, 0, 0], weight=0.25)
    assert beyond.landing == pytest.approx(2.0)


def test_the_product_cannot_feel_a_post_at_0():
    assert posts.product_slope([1], [2, 0]) == posts.product_slope([1], [2])


@pytest.mark.parametrize("negatives", [(), (2,), (2, 0)])
@pytest.mark.parametrize("slope", [posts.product_slope, posts.closeness_slope])
def test_gradient_descent_ends_where_the_closed_form_says(slope, negatives):
    made = slope(posts.ENGAGED, negatives)
    path = made.descend(start=1.8, rate=0.05, steps=600)
    assert len(path) == 601 and path[0] == 1.8
    assert path[-1] == pytest.approx(made.landing, abs=1e-6)


def test_the_slope_is_the_derivative_of_the_loss():
    def loss(u):
        return (u - 1) ** 2 - 0.3 * ((u - 2) ** 2 + u**2)

    made = posts.closeness_slope([1], [2, 0], weight=0.3)
    for u in (-1.0, 0.4, 3.0):
        numeric = (loss(u + 1e-6) - loss(u - 1e-6)) / 2e-6
        assert made.steepness * u - made.pull == pytest.approx(numeric, abs=1e-6)


def test_steps_that_would_run_away_are_refused_with_the_longest_that_arrive():
    made = posts.product_slope([1], [2])
    with pytest.raises(SettingError, match=r"rate must be below 0.2"):
        made.descend(start=0.0, rate=0.21, steps=3)
    far = made.descend(start=1.0, rate=0.199, steps=5000)
    assert np.isclose(far[-1], made.landing)


def test_negatives_that_outweigh_the_engaged_post_are_refused():
    with pytest.raises(SettingError, match="Nothing holds the user"):
        posts.closeness_slope([1], [2, 0], weight=0.5)
