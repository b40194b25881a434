"""Tests of `splits.likeness`: a validation that hangs together, or favours the popular."""

import numpy as np
import pytest

from candgen.datasets.splits import TRAIN, VALIDATION, Events, SplitSettings, validation_from_train
from candgen.datasets.splits.likeness import order_of_holding_out
from candgen.errors import SettingError


def towns(n_users: int = 400, *, seed: int = 0) -> Events:
    """Invent people who go to ten of the twenty places of one town and ten of another one's."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), 20).astype(np.int32)
    items = []
    for _ in range(n_users):
        for town in rng.choice(4, 2, replace=False):
            items.extend(20 * town + rng.choice(20, 10, replace=False))
    rows = rng.permutation(len(users))
    return Events(users[rows], np.array(items, np.int32)[rows], None, n_users, 80)


def held_out(events: Events, **settings) -> np.ndarray:
    chosen = SplitSettings(policy="given", validation_fraction=0.2, **settings)
    return validation_from_train(events, chosen) == VALIDATION


def share_in_the_main_town(events: Events, out: np.ndarray) -> float:
    counts = np.zeros((events.n_users, 4))
    np.add.at(counts, (events.users[out], events.items[out] // 20), 1)
    return float((counts.max(axis=1) / counts.sum(axis=1)).mean())


def test_what_is_held_out_comes_from_one_town_when_it_hangs_together():
    events = towns()
    loose = share_in_the_main_town(events, held_out(events, validation_popularity=1e-9))
    tight = share_in_the_main_town(events, held_out(events, validation_clustering=5.0))
    assert loose == pytest.approx(0.67, abs=0.03), "4 of 20 events, at random among two towns"
    assert tight > 0.95


def test_every_user_gives_the_same_share_and_keeps_the_rest():
    events = towns()
    out = held_out(events, validation_clustering=0.8, validation_popularity=0.1)
    assert (np.bincount(events.users[out], minlength=events.n_users) == 4).all()


def test_an_event_is_held_out_in_proportion_to_the_power_of_its_items_events():
    # Each of many users has one rare and one popular item, and gives one of them.
    n = 4000
    users = np.repeat(np.arange(n + 300), 2)[: 2 * n + 300].astype(np.int32)
    rare, popular = np.arange(n) % 40 + 1, np.zeros(n, np.int64)
    items = np.column_stack([rare, popular]).ravel()
    users, items = users[: 2 * n], items.astype(np.int32)
    events = Events(users, items, None, n, 41)  # the popular one has 40 times the events
    order = order_of_holding_out(events, clustering=0.0, popularity=0.5, seed=1)
    last = items[order].reshape(n, 2)[:, 1]
    assert (last == 0).mean() == pytest.approx(40**0.5 / (40**0.5 + 1), abs=0.02)


def test_likeness_leaves_the_user_itself_out():
    # User 0 has items 0, 1 and 2; 0 and 1 share many other users, 2 is nobody else's.
    others = np.repeat(np.arange(1, 60), 2)
    users = np.concatenate([[0, 0, 0], others]).astype(np.int32)
    items = np.concatenate([[0, 1, 2], np.tile([0, 1], 59)]).astype(np.int32)
    events = Events(users, items, None, 60, 3)
    kept = []
    for seed in range(40):
        order = order_of_holding_out(events, clustering=3.0, popularity=0.0, seed=seed)
        kept.append(items[order[:3]][0])  # of user 0: what is held out last
    pivots_elsewhere = [item for item in kept if item != 2]
    assert 0.15 < len(pivots_elsewhere) / len(kept) < 0.5, "2 goes first only as the pivot itself"


def test_a_sample_of_a_popular_items_users_stands_for_all_of_them(monkeypatch):
    from candgen.datasets.splits import likeness

    events = towns(1500)
    whole = share_in_the_main_town(events, held_out(events, validation_clustering=2.0))
    monkeypatch.setattr(likeness, "_MOST", 150)
    some = share_in_the_main_town(events, held_out(events, validation_clustering=2.0))
    assert some == pytest.approx(whole, abs=0.02) and some > 0.8


def test_the_same_seed_holds_the_same_events_out():
    events = towns()
    settings = {"validation_clustering": 0.8, "validation_popularity": 0.1}
    same = [held_out(events, **settings, seed=seed) for seed in (1, 1, 2)]
    assert (same[0] == same[1]).all() and (same[0] != same[2]).any()
    assert TRAIN == 0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"validation_clustering": -1.0}, "_clustering must be 0 or greater, got -1.0"),
        ({"validation_popularity": float("nan")}, "_popularity must be a finite number, got nan"),
        ({"policy": "random_rows", "validation_clustering": 1.0}, "applies to split 'given'"),
    ],
)
def test_a_likeness_that_cannot_be_is_refused(settings, expected):
    with pytest.raises(SettingError, match=expected):
        SplitSettings(**{"policy": "given", **settings})
