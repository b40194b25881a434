"""Intervals, tests and verdicts."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from candgen.errors import DataError, SettingError
from candgen.evaluation import Judgement, compare
from candgen.evaluation.significance import (
    bootstrap_intervals,
    holm,
    pairs_of_candidates,
    seed_weights,
    sign_flip_test,
    verdict,
    verdicts,
)


def test_intervals_agree_with_the_normal_approximation_on_many_users():
    values = np.random.default_rng(0).exponential(size=(4_000, 2)) * [1, 5]
    low, high = bootstrap_intervals(values, n_resamples=4_000)
    half = 1.96 * values.std(axis=0) / np.sqrt(len(values))
    np.testing.assert_allclose(low, values.mean(axis=0) - half, atol=0.08 * half.max())
    np.testing.assert_allclose(high, values.mean(axis=0) + half, atol=0.08 * half.max())


def test_intervals_of_two_users_follow_the_binomial():
    # Means of two draws from 0 and 1 are 0, 1/2 and 1 with probabilities 1/4, 1/2 and 1/4.
    low, high = bootstrap_intervals(np.array([[0.0], [1.0]]), level=0.4)
    assert (low[0], high[0]) == (0.5, 0.5)
    low, high = bootstrap_intervals(np.array([[0.0], [1.0]]), level=0.6)
    assert (low[0], high[0]) == (0, 1)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    values = rng.binomial(1, 0.3, size=(200, 300)).astype(float)  # 300 surveys of 200 users
    low, high = bootstrap_intervals(values)
    assert np.mean((low <= 0.3) & (high >= 0.3)) == pytest.approx(0.95, abs=0.035)


def test_intervals_do_not_depend_on_the_size_of_blocks_or_on_other_columns(monkeypatch):
    values = np.random.default_rng(2).random((50, 3))
    whole = bootstrap_intervals(values, seed=5)
    assert bootstrap_intervals(values[:, 1:2], seed=5).low[0] == pytest.approx(whole.low[1])
    monkeypatch.setattr("candgen.evaluation.significance._DRAWS_PER_BLOCK", 50 * 7)
    np.testing.assert_allclose(bootstrap_intervals(values, seed=5), whole)
    assert not np.allclose(bootstrap_intervals(values, seed=6), whole)


@pytest.mark.parametrize("values", [np.zeros((0, 1)), np.array([[1.0], [np.nan]])])
def test_intervals_of_nobody_or_of_nan_are_refused(values):
    with pytest.raises(DataError):
        bootstrap_intervals(values)


def test_sign_flips_are_exact_for_few_users():
    # All five differ the same way: 2 of the 32 ways to swap are as extreme.
    assert sign_flip_test([1, 2, 3, 4, 5]) == 2 / 32
    assert sign_flip_test([-1, -2, -3, -4, -5, 0, 0]) == 2 / 32


def test_sign_flips_count_every_way_to_swap():
    differences = np.array([0.3, -0.1, 0.25, 0.05, 0.4, -0.2, 0.15])
    signs = itertools.product([1, -1], repeat=7)
    sums = [abs(np.dot(sign, differences)) for sign in signs]
    expected = np.mean([total >= abs(differences.sum()) - 1e-12 for total in sums])
    assert sign_flip_test(differences) == pytest.approx(expected)


def test_sign_flips_agree_with_the_paired_t_test_on_many_users():
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.03, 0.06):
        differences = rng.normal(shift, 1, 2_000)
        expected = stats.ttest_1samp(differences, 0).pvalue
        assert sign_flip_test(differences) == pytest.approx(expected, abs=0.02)


def test_sign_flips_find_nothing_where_nothing_differs():
    assert sign_flip_test(np.zeros(100)) == 1


def test_random_sign_flips_never_give_a_p_value_of_zero():
    assert sign_flip_test(np.ones(1_000)) == 1 / 10_000


def test_holm_multiplies_by_how_many_tests_are_left_and_never_falls():
    # Sorted .01 .03 .04 .2, times 4 3 2 1: .04 .09 .08 .2, and .08 is lifted to .09.
    np.testing.assert_allclose(holm([0.04, 0.01, 0.2, 0.03]), [0.09, 0.04, 0.2, 0.09])


def test_holm_leaves_a_single_test_alone_and_stops_at_one():
    assert holm([0.2]).tolist() == [0.2]
    assert holm([0.7, 0.9]).tolist() == [1, 1]
    assert holm([]).tolist() == []


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [
        (0.01, 0.03, 0.001, "better"),
        (-0.03, -0.01, 0.001, "worse"),
        (-0.01, 0.05, 0.3, "undecided"),
        (0.001, 0.003, 0.001, "no practical difference"),
        (-0.004, 0.004, 0.9, "no practical difference"),
        (0.001, 0.007, 0.01, "undecided"),  # a difference, but perhaps a useless one
        (0.004, 0.04, 0.001, "undecided"),  # a mean of .02 does not help an end in the margin
        (-0.04, -0.004, 0.001, "undecided"),
        (0.005, 0.04, 0.001, "undecided"),  # an end on the margin is not beyond it
        (-0.005, 0.005, 0.9, "no practical difference"),
        (0.01, 0.03, 0.06, "undecided"),  # clear alone, but not among so many comparisons
        (-0.03, -0.01, 0.06, "undecided"),
        (float("nan"), float("nan"), 0.0, "undecided"),
    ],
)
def test_a_verdict_needs_the_whole_interval_beyond_or_within_the_margin(low, high, p, expected):
    assert verdict(low, high, p_adjusted=p, margin=0.005, level=0.95) == expected


def test_several_verdicts_are_corrected_for_their_number():
    # 2.37 and 3.1 standard errors from 0: p of .018 and .002.
    ends = ([0.1, 0.1], [0.1 - 1.96 / 23.7, 0.1 - 1.96 / 31], [0.1 + 1.96 / 23.7, 0.1 + 1.96 / 31])
    few = verdicts(*ends, margin=0.0)
    z = np.array([0.1 * 23.7, 0.1 * 31])
    np.testing.assert_allclose(few.p, 2 * stats.norm.sf(z), rtol=1e-3)
    assert few.words == ["better", "better"]
    many = verdicts(*(list(end) * 4 for end in ends), margin=0.0)  # .018 times 4 is above .05
    assert many.words == ["undecided", "better"] * 4
    np.testing.assert_allclose(many.p_adjusted, holm(many.p))


def test_a_verdict_on_an_unknown_interval_is_undecided():
    nan = float("nan")
    found = verdicts([nan, 0.0, 0.2], [nan, 0.0, 0.2], [nan, 0.0, 0.2], margin=0.1)
    assert found.words == ["undecided", "no practical difference", "better"]
    assert found.p.tolist() == [1.0, 1.0, 0.0]


def test_seed_weights_have_the_variance_of_a_mean_of_so_many_seeds():
    values = np.array([0.1, 0.4, 0.2])
    weights = seed_weights(3, 20_000, seed=0)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights @ values).var() == pytest.approx(values.var(ddof=1) / 3, rel=0.05)
    assert seed_weights(1, 5, seed=0).tolist() == [[1.0]] * 5


# --- comparing judgements


def judged(name, values, users=None, **more):
    users = np.arange(len(values)) if users is None else users
    return Judgement(name, pd.DataFrame({"user": users, "recall@20": values}), **more)


@pytest.fixture
def three():
    rng = np.random.default_rng(4)
    base = rng.random(500) * 0.5
    return [
        judged("better", base + 0.1 + rng.normal(0, 0.2, 500)),
        judged("popularity", base),
        judged("same", base + rng.normal(0, 0.001, 500)),
    ]


def test_a_comparison_says_what_differs_and_by_how_much(three):
    table = compare(three, "recall@20", baseline="popularity", margin=0.005)
    assert table["generator"].tolist() == ["better", "same"]
    assert table["verdict"].tolist() == ["better", "no practical difference"]
    first = table.iloc[0]
    assert first["difference"] == pytest.approx(first["mean"] - first["baseline_mean"])
    assert first["low"] < first["difference"] < first["high"]
    # Random flips cannot go below 1 in 10,000; of two tests the smaller p is doubled.
    assert table["p"].iloc[0] == 1 / 10_000 and table["p_adjusted"].iloc[0] == 2 / 10_000
    assert table["p_adjusted"].iloc[1] == table["p"].iloc[1]
    assert table["users"].tolist() == [500, 500]


def test_pairing_finds_what_the_spread_over_users_would_hide():
    base = np.random.default_rng(5).random(200)
    table = compare([judged("popularity", base), judged("x", base + 0.02)], margin=0.005)
    assert table.at[0, "verdict"] == "better"
    assert table.at[0, "high"] - table.at[0, "low"] < 1e-9


def test_swapping_the_names_turns_the_sign():
    rng = np.random.default_rng(6)
    a, b = judged("a", rng.random(100)), judged("b", rng.random(100) + 1)
    up, down = compare([a, b], baseline="a").iloc[0], compare([a, b], baseline="b").iloc[0]
    assert up["difference"] == pytest.approx(-down["difference"])
    assert (up["verdict"], down["verdict"]) == ("better", "worse")
    assert up["p"] == down["p"]


def test_rows_are_matched_by_user_not_by_place(three):
    shuffled = [judged(j.generator, j.per_user["recall@20"]) for j in three]
    shuffled[0].per_user = shuffled[0].per_user.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(compare(shuffled), compare(three))


def test_different_users_are_refused():
    a, b = judged("a", [0.1, 0.2]), judged("b", [0.1, 0.2], users=[0, 2])
    with pytest.raises(DataError, match="different users: 2 and 2, 1 of them shared"):
        compare([a, b], baseline="a")


def test_a_sampled_ranking_does_not_compare_with_a_full_one():
    a, b = judged("a", [0.1]), judged("b", [0.1], ranking="given lists (sampled ranking)")
    with pytest.raises(DataError, match="do not compare"):
        compare([a, b], baseline="a")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baseline": "popularty"}, "Did you mean 'popularity'"),
        ({"margin": -0.1}, "margin must be 0 or more"),
        ({"level": 95}, "level must lie between 0 and 1"),
        ({"metric": "recal@20"}, "Did you mean 'recall@20'"),
    ],
)
def test_wrong_settings_of_a_comparison_are_refused(three, settings, message):
    with pytest.raises(SettingError, match=message):
        compare(three, **settings)


def test_two_judgements_of_one_name_are_refused():
    with pytest.raises(SettingError, match="Two judgements are called 'a'"):
        compare([judged("a", [0.1]), judged("a", [0.2])], baseline="a")


def test_a_baseline_alone_gives_an_empty_table():
    table = compare([judged("popularity", [0.1])])
    assert len(table) == 0 and "verdict" in table


def test_a_judgement_has_the_same_interval_every_time():
    values = np.random.default_rng(7).random(50)
    one, other = judged("a", values), judged("b", values)
    assert one.interval("recall@20") == other.interval("recall@20")
    assert judged("a", values, seed=1).interval("recall@20") != one.interval("recall@20")


# --- repeats over training seeds


def repeated(name, by_seed, **more):
    """A judgement that is the mean over training seeds: seed -> one value a user."""
    frames = {
        seed: pd.DataFrame({"user": np.arange(len(v)), "recall@20": v})
        for seed, v in by_seed.items()
    }
    return judged(name, np.mean(list(by_seed.values()), axis=0), repeats=frames, **more)


def test_intervals_of_repeats_carry_the_spread_of_seeds():
    # All users are alike, so seeds alone matter: a standard error of .1 / sqrt(4) by hand.
    seeds = np.array([0.1, 0.3, 0.2, 0.2])
    one = repeated("a", {n: np.full(50, value) for n, value in enumerate(seeds)})
    low, high = one.interval("recall@20")
    error = seeds.std(ddof=1) / 2
    assert low == pytest.approx(0.2 - 1.96 * error, abs=0.4 * error)
    assert high == pytest.approx(0.2 + 1.96 * error, abs=0.4 * error)
    assert judged("a", np.full(50, 0.2)).interval("recall@20") == pytest.approx((0.2, 0.2))


def test_luck_of_seeds_can_undo_a_verdict_that_users_alone_would_give():
    base = np.random.default_rng(8).random(300)
    lucky = {1: base + 0.2, 2: base - 0.14}
    sure = {1: base + 0.031, 2: base + 0.029}
    found = compare([judged("popularity", base), repeated("x", lucky), repeated("y", sure)])
    assert found["difference"].tolist() == pytest.approx([0.03, 0.03])
    assert found["verdict"].tolist() == ["undecided", "better"]
    assert found["p"][0] > 0.05 > found["p"][1]


def test_what_a_seed_adds_to_both_sides_cancels_whatever_the_order_of_seeds():
    base = np.random.default_rng(9).random(100)
    luck = {1: -0.2, 2: 0.0, 3: 0.2}
    a = repeated("a", {seed: base + more for seed, more in luck.items()})
    b = repeated("b", {seed: base + luck[seed] + 0.02 for seed in (3, 1, 2)})
    row = compare([a, b], baseline="a").iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((0.02, 0.02))
    other = repeated("b", {seed + 10: base + more + 0.02 for seed, more in luck.items()})
    row = compare([a, other], baseline="a").iloc[0]
    assert row["high"] - row["low"] > 0.2  # other seeds are no pairs


# --- the best, chosen on the same users


def equals(n, users, seed):
    """Generators of the same quality: what tells them apart is chance."""
    values = np.random.default_rng(seed).normal(0.3, 0.1, (n, users))
    return [judged(f"g{place}", row) for place, row in enumerate(values)]


def best_of(judgements):
    return max(judgements, key=lambda one: one.mean("recall@20")).generator


def test_intervals_for_all_pairs_agree_with_the_studentized_range():
    # Of twelve equals with a standard error of 2 each; Tukey's table has no correlations either.
    means = np.random.default_rng(0).normal(0, 2, (20_000, 12))
    pairs = pairs_of_candidates(means)
    expected = stats.studentized_range.ppf(0.95, 12, np.inf) / np.sqrt(2)
    low, high = pairs.interval(1.0, 3, 7)
    assert (low + high) / 2 == pytest.approx(1.0)
    assert (high - low) / 2 == pytest.approx(expected * 2 * np.sqrt(2), rel=0.02)
    at_the_end = expected * 2 * np.sqrt(2)
    assert pairs.p_value(at_the_end, 3, 7) == pytest.approx(0.05, abs=0.01)
    assert pairs.p_value(-at_the_end, 7, 3) == pairs.p_value(at_the_end, 3, 7)


def test_the_best_is_still_called_better_where_it_is():
    some = [*equals(6, 200, 1), judged("top", np.random.default_rng(7).normal(0.4, 0.1, 200))]
    table = compare(some, baseline="top", selected=True, margin=0.005)
    assert set(table["verdict"]) == {"worse"}
    assert (table["high"] < -0.005).all() and (table["p_adjusted"] < 0.05).all()


def test_intervals_for_all_pairs_are_wider_and_those_of_one_pair_are_not():
    some = equals(8, 150, 3)
    told = {"baseline": best_of(some), "margin": 0.0}
    wide, plain = (compare(some, **told, selected=chosen) for chosen in (True, False))
    assert ((wide["high"] - wide["low"]) > 1.3 * (plain["high"] - plain["low"])).all()
    a, b = (compare(some[:2], baseline="g0", selected=chosen).iloc[0] for chosen in (True, False))
    assert a["high"] - a["low"] == pytest.approx(b["high"] - b["low"], rel=0.1)


def test_a_copy_of_the_best_is_no_different_from_it():
    values = np.random.default_rng(2).random(60)
    some = [judged("a", values), judged("b", values), judged("c", values - 0.5)]
    table = compare(some, baseline="a", selected=True).set_index("generator")
    assert table.loc["b", "verdict"] == "no practical difference"
    assert table.loc["b", "p_adjusted"] == 1 and table.loc["c", "verdict"] == "worse"
