from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from contract import GeneratorContract

from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError, SettingError
from candgen.features import EventLog
from candgen.models import CoVisitation, MarkovChain
from candgen.models.sessions.counting import Window, counted_pairs


class TestCoVisitation(GeneratorContract):
    def make(self, **settings):
        return CoVisitation(**{"fading": 1.0, "backward": 1.0, **settings})


# Two histories: 0 1 2 0 and 3 1 2; the pause of the first is before its last event.
ITEMS, TIMES = [0, 1, 2, 0, 3, 1, 2], [0, 10, 30, 900, 5, 6, 7]
LOG = EventLog(np.array([0, 4, 7]), np.array(ITEMS, np.int32), np.array(TIMES, np.int64))


def pairs(log=LOG, n_items=4, neighbours=None, scale=None, **window):
    counted = counted_pairs(
        log, n_items, Window(**{"reach": 1, **window}), neighbours=neighbours, scale=scale
    )
    return counted.toarray()


def expected(**cells):
    """A matrix from names such as `c12`, the count of 2 near 1."""
    made = np.zeros((4, 4))
    for name, count in cells.items():
        made[int(name[1]), int(name[2])] = count
    return made


def test_what_comes_next_is_counted_within_a_user():
    np.testing.assert_array_equal(pairs(), expected(c01=1, c12=2, c20=1, c31=1))


def test_what_comes_later_counts_by_a_power_of_the_places():
    wide = expected(c01=1, c12=2, c20=1, c31=1, c02=0.25, c10=0.25, c32=0.25)
    np.testing.assert_allclose(pairs(reach=2, distance_power=2.0), wide)


def test_what_came_before_counts_as_much_as_it_is_told():
    both = pairs() + 0.5 * pairs().T
    np.testing.assert_allclose(pairs(backward=0.5), both)


def test_events_far_apart_in_time_are_not_close():
    near = expected(c01=1, c12=1, c31=1)  # 1 and 2 are 20 seconds apart in the first history
    np.testing.assert_array_equal(pairs(within=10), near)


def test_no_pair_spans_a_pause():
    np.testing.assert_array_equal(pairs(reach=3, pause=100)[2], 0)  # 0 comes 870 seconds later
    assert pairs(reach=3)[2, 0] == 1


def test_a_count_halves_with_each_half_life():
    decayed = expected(c01=0.5, c12=0.25 + 2**-0.1, c20=2**-87.0, c31=2**-0.1)
    np.testing.assert_allclose(pairs(half_life=10.0), decayed, rtol=1e-6)


def test_the_later_event_of_a_pair_brings_its_weight():
    amounts = np.array([9, 2, 0, 1, 9, 3, 5], np.float32)
    weighed = pairs(replace(LOG, amounts=amounts))
    np.testing.assert_array_equal(weighed, expected(c01=2, c12=5, c20=1, c31=3))


def drawn_log(seed=0):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 60, 80))])
    times = np.concatenate([np.sort(rng.integers(0, 5000, n)) for n in np.diff(offsets)])
    items = (rng.zipf(1.4, offsets[-1]) % 40).astype(np.int32)
    amounts = rng.integers(0, 3, len(items)).astype(np.float32)
    return EventLog(offsets, items, times, amounts)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_all_settings_together_count_what_a_loop_over_pairs_counts(n_threads):
    import numba

    log, slow = drawn_log(), np.zeros((40, 40))
    for start, stop in zip(log.offsets, log.offsets[1:], strict=False):
        for a in range(start, stop):
            for b in range(start, stop):
                places, seconds = abs(b - a), abs(log.times[b] - log.times[a])
                low, high = min(a, b), max(a, b)
                paused = (np.diff(log.times[low : high + 1]) > 150).any()
                if a == b or places > 7 or seconds > 400 or paused:
                    continue
                weight = (1.0 if b > a else 0.3) * places**-0.5 * 0.5 ** (seconds / 200)
                slow[log.items[a], log.items[b]] += weight * log.amounts[b]
    held = numba.get_num_threads()
    numba.set_num_threads(min(n_threads, held))
    try:
        asked = {"within": 400.0, "pause": 150.0, "half_life": 200.0, "backward": 0.3}
        found = pairs(log, 40, reach=7, distance_power=0.5, **asked)
    finally:
        numba.set_num_threads(held)
    np.testing.assert_allclose(found, slow, rtol=1e-5)


def test_the_items_counted_most_are_kept_and_ties_go_to_the_smaller_index():
    whole, kept = pairs(drawn_log(), 40, reach=3), pairs(drawn_log(), 40, 5, reach=3)
    best = np.argsort(-whole, axis=1, kind="stable")[:, :5]
    there = np.zeros_like(whole)
    np.put_along_axis(there, best, np.take_along_axis(whole, best, axis=1), axis=1)
    np.testing.assert_array_equal(kept, there)


def test_items_are_kept_by_their_counts_times_the_scale():
    scale = np.array([1.0, 1.0, 0.1, 1.0])
    log = EventLog(np.array([0, 6]), np.array([0, 2, 0, 2, 0, 1], np.int32), None)
    assert pairs(log, neighbours=1)[0].tolist() == [0, 0, 2, 0]
    assert pairs(log, neighbours=1, scale=scale)[0].tolist() == [0, 1, 0, 0]


def dataset_of(folder, histories, types=None, fold_in=False):
    """One history a user, with times unless there are types; rows in the order of events."""
    rows = [(user, item, 60 * at) for user, items in enumerate(histories) for at, item in items]
    events = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    if types:
        events = events.drop(columns="timestamp").assign(type=types)
    users = 1 + events["user"].max()
    tables = {
        "interactions": events, "train": events, "test": events[:1],
        "users": pd.DataFrame({"user": range(users), "user_id": range(users)}),
        "items": pd.DataFrame({"item": range(4), "item_id": range(4)}),
    }  # fmt: skip
    return write_dataset(folder, tables, {"name": "visits"})


def visits(**settings):
    """Return a generator that counts what followed at once more than what followed later."""
    plain = {"distance_power": 1.0, "backward": 0.0, "beta": 0.0, "smoothing": 0.0}
    return CoVisitation(**{**plain, **settings})


def one_after_another(*histories):
    return [list(enumerate(items)) for items in histories]


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    histories = one_after_another([0, 1], [0, 2], [0, 2], [3, 0])
    types = ["click", "order", *["click"] * 6]
    return dataset_of(tmp_path_factory.mktemp("orders"), histories, types)


def test_an_order_can_outweigh_two_clicks(orders):
    asked = {"last": 1, "event_column": "type"}
    plain = visits(last=1).fit(orders).score([3])[0]
    weighed = visits(**asked, event_weights={"order": 6.0}).fit(orders).score([3])[0]
    assert plain.argmax() == 2 and weighed.argmax() == 1


def test_an_event_of_the_history_has_the_say_of_its_type(tmp_path):
    histories = one_after_another([0, 1], [3, 2], [0, 3])
    data = dataset_of(tmp_path, histories, ["order", *["click"] * 5])
    asked = {"fading": 1.0, "event_column": "type"}
    scores = visits(**asked, event_weights={"order": 3.0}).fit(data).score([2])[0]
    np.testing.assert_allclose(scores[[1, 2]], [0.5 * 0.5, 0.5])  # 0 leads to 1 and to 3
    silent = visits(**asked, event_weights={"click": 0.0}).fit(data).score([2])[0]
    np.testing.assert_array_equal(silent, 0)


def test_misspelt_columns_and_types_get_a_suggestion(orders):
    with pytest.raises(SettingError, match=r"no column .*'typ'.*Did you mean 'type'"):
        visits(event_column="typ").fit(orders)
    with pytest.raises(SettingError, match=r"no event has: 'ordr'.*Did you mean 'order'"):
        visits(event_column="type", event_weights={"ordr": 2.0}).fit(orders)
    with pytest.raises(SettingError, match="0 or greater, got order: -1"):
        visits(event_column="type", event_weights={"order": -1.0}).fit(orders)


@pytest.mark.parametrize("needs", ["within_seconds", "pause_seconds", "half_life_seconds"])
def test_seconds_without_times_are_refused_by_name(orders, needs):
    with pytest.raises(DataError, match=needs):
        visits(**{needs: 60.0}).fit(orders)


def test_beta_divides_by_a_power_of_popularity(tmp_path):
    data = dataset_of(tmp_path, one_after_another([0, 1], [2, 1], [3, 1], [0]))
    plain, rare = (visits(beta=beta, smoothing=1.0).fit(data).score([3])[0] for beta in (0.0, 0.5))
    np.testing.assert_allclose(rare, plain * np.array([2, 3, 1, 1]) ** -0.5, rtol=1e-6)
    some = visits(beta=0.5, smoothing=1.0).fit(data).score([3], [1, 2])[0]
    np.testing.assert_allclose(some, rare[[1, 2]])


def test_events_of_the_same_time_keep_the_order_of_their_rows(tmp_path):
    at_once = [[(0, item) for item in (2, 0, 1)]]
    data = dataset_of(tmp_path, at_once)
    made = visits(reach=1).fit(data).transitions_.toarray()
    assert [tuple(pair) for pair in np.argwhere(made)] == [(0, 1), (2, 0)]


def test_the_markov_chain_is_the_special_case_that_keeps_all_counts(taste_world, trained_users):
    same = {"last": 3, "fading": 0.5, "reach": 3, "smoothing": 4.0}
    chain = MarkovChain(**same).fit(taste_world)
    kept = visits(**same, neighbours=taste_world.n_items).fit(taste_world)
    np.testing.assert_array_equal(chain.score(trained_users), kept.score(trained_users))
