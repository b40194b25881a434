"""Chi-square tests of drawn negatives against the stated distributions."""

import numpy as np
import pytest
from scipy import stats

from candgen.errors import DataError, SettingError
from candgen.negatives import KINDS, make_sampler
from tolerance import rounding

COUNTS = np.array([40, 20, 20, 10, 5, 5, 0])
BATCH = 50
SHARED = ("uniform", "popularity", "in-batch", "cross-batch", "mixed", "hard")


def batches(shop, sampler, n, seed=0):
    """Epochs of shuffled events, cut into batches, and what is drawn for each."""
    rng = np.random.default_rng(seed)
    items, users = shop.train["item"].to_numpy(), shop.train["user"].to_numpy()
    for _ in range(n):
        order = rng.permutation(len(items))[:BATCH]
        yield items[order].astype(np.int32), sampler.draw(items[order], users[order], rng)


def drawn_counts(shop, sampler, n=200):
    drawn = [d.shared for _, d in batches(shop, sampler, n)]
    return np.bincount(np.concatenate(drawn), minlength=7)


def p_value(observed, probabilities):
    possible = probabilities > 0
    assert observed[~possible].sum() == 0
    return stats.chisquare(observed[possible], observed.sum() * probabilities[possible]).pvalue


@pytest.mark.parametrize("kind", ["uniform", "hard"])
def test_uniform_draws_every_item_with_an_event_alike(shop, kind):
    sampler = make_sampler(kind, shop, n=300, batch_size=BATCH)
    assert p_value(drawn_counts(shop, sampler), (COUNTS > 0) / 6) > 0.001
    np.testing.assert_allclose(sampler.probabilities(), (COUNTS > 0) / 6)


def test_cold_items_are_drawn_only_for_generators_that_answer_them(shop):
    sampler = make_sampler("uniform", shop, n=300, batch_size=BATCH, cold_items=True)
    assert p_value(drawn_counts(shop, sampler), np.full(7, 1 / 7)) > 0.001


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_popularity_draws_by_the_power_of_the_counts(shop, alpha):
    sampler = make_sampler("popularity", shop, n=300, batch_size=BATCH, alpha=alpha)
    expected = np.array([c**alpha if c else 0 for c in COUNTS.tolist()])
    expected /= expected.sum()
    assert p_value(drawn_counts(shop, sampler), expected) > 0.001
    np.testing.assert_allclose(sampler.probabilities(), expected)


def test_in_batch_negatives_are_the_positives_and_as_frequent_as_the_events(shop):
    sampler = make_sampler("in-batch", shop, batch_size=BATCH)
    for positives, drawn in batches(shop, sampler, 3):
        np.testing.assert_array_equal(drawn.shared, positives)
    share = drawn_counts(shop, sampler) / (200 * BATCH)
    np.testing.assert_allclose(share, COUNTS / 100, atol=0.01)
    np.testing.assert_allclose(sampler.probabilities(), COUNTS / 100)


def test_mixed_is_the_batch_and_then_uniform_items(shop):
    sampler = make_sampler("mixed", shop, n=150, batch_size=BATCH)
    later = []
    for positives, drawn in batches(shop, sampler, 200):
        np.testing.assert_array_equal(drawn.shared[:BATCH], positives)
        later.append(drawn.shared[BATCH:])
    observed = np.bincount(np.concatenate(later), minlength=7)
    assert p_value(observed, (COUNTS > 0) / 6) > 0.001
    expected = (49 * COUNTS / 100 + 150 * (COUNTS > 0) / 6) / 199
    np.testing.assert_allclose(sampler.probabilities(), expected)


# --- positives of other examples, drawn independently so that chi-square holds


def independent_batches(shop, sampler, n, seed=0):
    """Batches of events drawn with replacement, and what is drawn for each."""
    rng = np.random.default_rng(seed)
    items, users = shop.train["item"].to_numpy(np.int32), shop.train["user"].to_numpy()
    for _ in range(n):
        drawn = rng.integers(len(items), size=BATCH)
        yield items[drawn], sampler.draw(items[drawn], users[drawn], rng)


@pytest.mark.parametrize(
    ("kind", "part"), [("in-batch", slice(0, BATCH)), ("cross-batch", slice(BATCH, 2 * BATCH))]
)
def test_positives_of_others_come_by_as_promised(shop, kind, part):
    sampler = make_sampler(kind, shop, batch_size=BATCH, memory=2)
    met = np.concatenate([d.shared[part] for _, d in independent_batches(shop, sampler, 202)])
    promised = sampler.probabilities()
    np.testing.assert_allclose(promised, COUNTS / 100)
    assert p_value(np.bincount(met[met >= 0], minlength=7), promised) > 0.001


def test_the_memory_holds_the_batches_before_first_in_first_out(shop):
    sampler = make_sampler("cross-batch", shop, batch_size=BATCH, memory=2)
    nothing = np.full(BATCH, -1)
    (one, first), (two, second), (three, third), (four, fourth) = batches(shop, sampler, 4)
    np.testing.assert_array_equal(first.shared, [*one, *nothing, *nothing])
    np.testing.assert_array_equal(second.shared, [*two, *nothing, *one])
    np.testing.assert_array_equal(third.shared, [*three, *one, *two])
    np.testing.assert_array_equal(fourth.shared, [*four, *two, *three])


def test_while_the_memory_fills_the_correction_follows_what_is_held(shop):
    sampler = make_sampler("cross-batch", shop, batch_size=BATCH, memory=2, correction=True)
    found = list(batches(shop, sampler, 4))
    for (_, drawn), others in zip(found, [49, 99, 149, 149], strict=True):
        there = drawn.shared >= 0
        expected = np.log(others * COUNTS[drawn.shared[there]] / 99)
        atol = rounding(np.float32, 3, expected)  # a logarithm of a product of three
        np.testing.assert_allclose(drawn.log_expected[there], expected, rtol=0, atol=atol)
        assert not drawn.log_expected[~there].any()


@pytest.mark.parametrize("kind", ["in-batch", "cross-batch", "mixed"])
def test_a_sampler_goes_on_where_another_one_stopped(shop, kind):
    """Both the stream's estimate and the remembered items count."""
    settings = {"n": 9, "batch_size": BATCH, "correction": True, "count_ahead": False}
    whole = make_sampler(kind, shop, **settings)
    list(batches(shop, whole, 3))
    kept = {name: held.copy() for name, held in whole.state().items()}
    [(_, expected)] = batches(shop, whole, 1, seed=1)
    resumed = make_sampler(kind, shop, **settings)
    [(_, forgetful)] = batches(shop, make_sampler(kind, shop, **settings), 1, seed=1)
    resumed.load_state(kept)
    [(_, found)] = batches(shop, resumed, 1, seed=1)
    for one, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, same)
    assert np.any(forgetful.log_expected != expected.log_expected)


@pytest.mark.parametrize("kind", SHARED)
def test_each_item_is_met_as_often_as_the_correction_says(shop, kind):
    # For an example of item 0: how often the other items are among its negatives, by counting.
    sampler = make_sampler(kind, shop, n=40, batch_size=BATCH, alpha=0.5, correction=True)
    met, said, n = np.zeros(7), np.full(7, np.nan), 0
    for positives, drawn in batches(shop, sampler, 800):
        n += positives[0] == 0
        there = drawn.shared >= 0
        met += (positives[0] == 0) * np.bincount(drawn.shared[there], minlength=7)
        said[drawn.shared[there]] = np.exp(drawn.log_expected[there])
    others = slice(1, 6)
    error = 4 * np.sqrt(said[others] / n)  # counts spread no wider than a Poisson's
    assert np.all(np.abs(met[others] / n - said[others]) < error)


@pytest.mark.parametrize("kind", SHARED)
def test_without_correction_nothing_is_taken_off(shop, kind):
    sampler = make_sampler(kind, shop, n=40, batch_size=BATCH)
    [(_, drawn)] = batches(shop, sampler, 1)
    assert not drawn.log_expected.any()


def test_all_brings_every_item_with_an_event_once(shop):
    [(_, drawn)] = batches(shop, make_sampler("all", shop, batch_size=BATCH, correction=True), 1)
    assert drawn.shared.tolist() == [0, 1, 2, 3, 4, 5]
    assert not drawn.log_expected.any()


def test_none_brings_nothing(shop):
    sampler = make_sampler("none", shop, batch_size=BATCH)
    [(_, drawn)] = batches(shop, sampler, 1)
    assert drawn.shared.shape == (0,)
    assert drawn.own.shape == (BATCH, 0)
    assert sampler.probabilities().sum() == 0


def test_impressions_are_what_the_user_saw_in_vain(shop):
    sampler = make_sampler("impressions", shop, n=400, batch_size=4)
    users = np.array([0, 1, 2, 3])
    own = sampler.draw(np.zeros(4, np.int32), users, np.random.default_rng(0)).own
    assert own.shape == (4, 400)
    assert p_value(np.bincount(own[0], minlength=7), np.array([0, 0.5, 0, 0, 0, 0, 0.5])) > 0.001
    assert set(own[1]) == {3}  # item 2 was engaged with at the second sight
    assert set(own[2]) == set(own[3]) == {-1}  # took what was shown; was shown nothing


def test_impressions_promise_what_an_example_at_random_gets(shop):
    # Users 0 and 1 have one example each: 0 halves it between 1 and 6, 1 gives all to 3.
    found = make_sampler("impressions", shop, n=2, batch_size=4).probabilities()
    np.testing.assert_allclose(found, [0, 0.25, 0, 0.5, 0, 0, 0.25])


def test_impressions_for_an_example_at_random_are_drawn_as_promised(shop):
    sampler = make_sampler("impressions", shop, n=1, batch_size=4)
    rng = np.random.default_rng(0)
    users = rng.choice(shop.train["user"].to_numpy(), size=20_000)
    drawn = sampler.draw(np.zeros(len(users), np.int32), users, rng).own
    observed = np.bincount(drawn[drawn >= 0], minlength=7)
    assert p_value(observed, sampler.probabilities()) > 0.001


def test_impressions_say_so_when_there_are_none(silent_shop):
    with pytest.raises(DataError, match=r"'shop' has no table 'impressions'.*'uniform'"):
        make_sampler("impressions", silent_shop, n=2, batch_size=4)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_negatives_and_same_shapes(shop, kind):
    def two():
        return batches(shop, make_sampler(kind, shop, n=9, batch_size=BATCH), 2)

    (_, first), (_, second) = two()
    again, _ = two()
    for one, same, other in zip(first, again[1], second, strict=True):
        np.testing.assert_array_equal(one, same)
        assert one.shape == other.shape
        assert one.dtype == other.dtype


def test_items_of_the_users_history_are_marked(shop):
    sampler = make_sampler("mixed", shop, n=60, batch_size=3, skip_known=True)
    users = np.array([5, 0, 5])
    drawn = sampler.draw(np.array([1, 0, 0], np.int32), users, np.random.default_rng(0))
    history = shop.history_matrix.toarray() > 0
    np.testing.assert_array_equal(drawn.known, history[users][:, drawn.shared])
    again = sampler.draw(np.array([2, 0, 0], np.int32), users, np.random.default_rng(1))
    np.testing.assert_array_equal(again.known, history[users][:, again.shared])


def test_examples_may_be_other_than_the_events(shop):
    found = make_sampler("in-batch", shop, batch_size=2, positives=[3, 3, 3, 1], users=[0, 0, 0, 1])
    np.testing.assert_allclose(found.probabilities(), [0, 0.25, 0, 0.75, 0, 0, 0])


@pytest.mark.parametrize(("kind", "others"), [("in-batch", 49), ("cross-batch", 249)])
def test_uncounted_items_are_learned_from_the_stream(shop, kind, others):
    sampler = make_sampler(kind, shop, batch_size=BATCH, correction=True, count_ahead=False)
    for _, drawn in batches(shop, sampler, 400):
        last = drawn
    truth = others * COUNTS[last.shared] / 100
    np.testing.assert_allclose(np.exp(last.log_expected), truth, rtol=0.4)
    np.testing.assert_allclose(sampler.probabilities(), COUNTS / 100, atol=0.08)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "unifrom"}, "Did you mean 'uniform'"),
        ({"n": 0}, "n_negatives must be 1 or greater"),
        ({"alpha": 1.5}, "alpha must be at most 1"),
        ({"hardness": 0}, "hardness must be greater than 0"),
        ({"memory": 0}, "memory must be 1 or greater"),
    ],
)
def test_settings_out_of_range_are_named(shop, settings, message):
    with pytest.raises(SettingError, match=message):
        make_sampler(**{"kind": "uniform", "dataset": shop, "batch_size": 8, **settings})
