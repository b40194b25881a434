"""Three numbers, worked out on paper."""

import numpy as np
import pytest

from candgen.errors import SettingError
from candgen.studies.three_posts import posts


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
    with pytest.raises(SettingError, match="has no minimum: the negatives"):
        posts.closeness_slope([1], [2, 0], weight=0.5)


# --- logistic and softmax losses


def softplus(x):
    return np.logaddexp(0, x)


def logistic_loss(u, engaged, negatives, score, weight, penalty):
    taken = sum(softplus(-score(u, post)) for post in engaged)
    left = sum(softplus(score(u, post)) for post in negatives)
    return taken + weight * left + penalty * u**2


def softmax_loss(u, engaged, negatives, score, weight, penalty):
    negative_scores = [score(u, post) for post in negatives]
    shares = [np.logaddexp.reduce([score(u, e), *negative_scores]) - score(u, e) for e in engaged]
    return sum(shares) + penalty * u**2


SCORES = {"product": lambda u, post: u * post, "closeness": lambda u, post: -((u - post) ** 2)}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("penalty", [0.0, 0.3])
@pytest.mark.parametrize("engaged, negatives", [([1], [2]), ([1], [2, 0, 0]), ([1, 3], [2, 0])])
def test_the_slopes_of_logistic_and_softmax_are_derivatives_of_their_losses(
    name, penalty, engaged, negatives
):
    made = {
        logistic_loss: posts.logistic_slope(
            engaged, negatives, score=name, weight=0.4, penalty=penalty
        ),
        softmax_loss: posts.softmax_slope(engaged, negatives, score=name, penalty=penalty),
    }
    for loss, slope in made.items():
        told = (engaged, negatives, SCORES[name], 0.4, penalty)
        for u in (-1.3, 0.2, 1.0, 2.6):
            numeric = (loss(u + 1e-6, *told) - loss(u - 1e-6, *told)) / 2e-6
            assert slope.derivative(u) == pytest.approx(numeric, abs=1e-6)


@pytest.mark.parametrize("name", SCORES)
def test_no_second_derivative_exceeds_what_the_rate_is_bounded_by(name):
    u = np.linspace(-6, 6, 4001)
    for slope in (
        posts.logistic_slope([1], [2, 0, 0], score=name, weight=0.5, penalty=0.1),
        posts.softmax_slope([1], [2, 0, 0], score=name, penalty=0.1),
    ):
        values = np.array([slope.derivative(x) for x in u])
        assert np.abs(np.diff(values) / np.diff(u)).max() <= slope.steepness


def test_by_the_logistic_product_the_user_lands_at_the_root_of_a_cubic():
    # sigmoid(-u) = 2 sigmoid(2 u); with x = exp(u): 2 x^3 + x^2 - 1 = 0
    (x,) = [root.real for root in np.roots([2, 1, 0, -1]) if abs(root.imag) < 1e-9]
    assert posts.logistic_slope([1], [2]).landing == pytest.approx(np.log(x), abs=1e-9)


@pytest.mark.parametrize("times", [1, 2, 9])
def test_by_softmax_the_landing_has_a_closed_form_once_post_0_is_sampled(times):
    # product: times * exp(0) over exp(u) and exp(2 u): times = exp(2 u)
    # closeness: times * exp(1 - 2 u) = exp(2 u - 3)
    negatives = [2] + [0] * times
    product = posts.softmax_slope([1], negatives).landing
    closeness = posts.softmax_slope([1], negatives, score="closeness").landing
    assert product == pytest.approx(np.log(times) / 2, abs=1e-9)
    assert closeness == pytest.approx(1 + np.log(times) / 4, abs=1e-9)


SLOPES = {
    "logistic product": lambda n, penalty: posts.logistic_slope([1], n, penalty=penalty),
    "logistic closeness": lambda n, penalty: posts.logistic_slope(
        [1], n, score="closeness", weight=0.25, penalty=penalty
    ),
    "softmax product": lambda n, penalty: posts.softmax_slope([1], n, penalty=penalty),
    "softmax closeness": lambda n, penalty: posts.softmax_slope(
        [1], n, score="closeness", penalty=penalty
    ),
}


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("negatives", [(2,), (2, 0), (2, 0, 0)])
def test_gradient_descent_ends_where_root_finding_says(name, negatives):
    slope = SLOPES[name](negatives, 0.05)
    path = slope.descend(start=1.8, rate=0.1, steps=3000)
    assert path[-1] == pytest.approx(slope.landing, abs=1e-6)
    assert slope.how == "root finding"


@pytest.mark.parametrize("name", SLOPES)
def test_by_every_loss_the_shown_posts_leave_the_user_nearer_to_0_than_to_2(name):
    landing = SLOPES[name]((2,), 0.05).landing
    assert abs(landing - 0) < abs(landing - 2)


@pytest.mark.parametrize("name", ["logistic closeness", "softmax closeness"])
def test_by_closeness_one_sampled_negative_at_0_is_a_tie_and_two_bring_the_user_nearer_to_2(name):
    assert SLOPES[name]((2, 0), 0.0).landing == pytest.approx(1.0, abs=1e-9)
    beyond = SLOPES[name]((2, 0, 0), 0.0).landing
    assert abs(beyond - 2) < abs(beyond - 0)


def test_the_logistic_product_cannot_feel_a_post_at_0_either():
    one, other = (posts.logistic_slope([1], negatives).landing for negatives in ([2], [2, 0, 0]))
    assert one == pytest.approx(other, abs=1e-12)


@pytest.mark.parametrize("slope", [posts.logistic_slope, posts.softmax_slope])
def test_a_loss_that_falls_for_ever_asks_for_a_penalty(slope):
    told = (
        {"engaged": [1.0]} if slope is posts.logistic_slope else {"engaged": [1], "negatives": [2]}
    )
    with pytest.raises(SettingError, match="penalty above 0"):
        _ = slope(**told).landing
    near, far = (abs(slope(**told, penalty=p).landing) for p in (0.5, 0.005))
    assert 0 < near < far


def test_a_loss_with_two_valleys_is_refused():
    with pytest.raises(SettingError, match="more than one valley"):
        _ = posts.logistic_slope([1], [1, 1, 1, 1, 1], score="closeness").landing
