import numpy as np
import pandas as pd
import pytest

from candgen.datasets.cold_users import (
    fold_in_cold_users,
    hold_out_users,
    make_cold,
    make_users_cold,
)
from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError, SettingError


def events(rows):
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"])


@pytest.fixture
def data(tmp_path):
    """Users 0 and 1 are trained on; user 2 joins with three events, user 3 with one."""
    train = events([(0, 0, 1), (0, 1, 2), (1, 2, 3)])
    test = events([(0, 2, 11), (2, 1, 13), (2, 0, 12), (2, 3, 14), (3, 3, 15), (1, 0, 16)])
    tables = {
        "interactions": pd.concat([train, test], ignore_index=True),
        "train": train,
        "test": test,
        "users": pd.DataFrame({"user": range(4), "user_id": range(4)}),
        "items": pd.DataFrame({"item": range(4), "item_id": range(4)}),
        "searches": pd.DataFrame({"user": [0, 1], "timestamp": [1, 2], "query": ["a", "b"]}),
    }
    return write_dataset(tmp_path, tables, {"name": "joined"})


def pairs(frame):
    return frame[["user", "item"]].to_numpy().tolist()


def test_cold_users_are_judged_on_the_events_after_their_first_ones(data):
    found = fold_in_cold_users(data, 1)
    assert pairs(found.table("fold_in")) == [[2, 0]]
    assert pairs(found.held_out) == [[2, 1], [2, 3]]
    assert found.history_matrix[[2]].indices.tolist() == [0]
    assert pairs(found.train) == pairs(data.train)


def test_cold_users_may_have_no_known_event(data):
    found = fold_in_cold_users(data, 0)
    assert pairs(found.held_out) == [[2, 0], [2, 1], [2, 3], [3, 3]]
    assert not found.has("fold_in") and found.history_matrix[[2, 3]].nnz == 0


def test_a_dataset_without_cold_users_is_refused_by_name(data):
    with pytest.raises(DataError, match="without training events and has more than 3"):
        fold_in_cold_users(data, 3)


def test_users_made_cold_lose_all_known_events(data):
    found = make_users_cold(data, 0.5, seed=1)
    cold = np.unique(found.held_out["user"])
    assert len(cold) == 2
    for frame in (found.train, found.table("searches")):
        assert not frame["user"].isin(cold).any()
    untouched = data.train[~data.train["user"].isin(cold)]
    assert pairs(found.train) == pairs(untouched)
    of_them = data.held_out[data.held_out["user"].isin(cold)]
    assert pairs(found.held_out) == pairs(of_them)


def test_the_prepared_dataset_stays_as_it_was(data):
    before = {name: data.table(name).copy() for name in data.info["tables"]}
    make_users_cold(data, 0.5), fold_in_cold_users(data, 1)
    for name, frame in before.items():
        pd.testing.assert_frame_equal(data.table(name), frame)


def test_a_share_of_all_users_is_refused(data):
    with pytest.raises(SettingError, match="share must lie between 0 and 1"):
        make_users_cold(data, 1.0)


def test_held_out_events_can_stay_the_same_for_any_number_of_known_events(data):
    for n in (0, 1, 2):
        found = fold_in_cold_users(data, n, found_after=2)
        assert pairs(found.held_out) == [[2, 3]]
        assert (found.history_matrix[[2]].nnz, found.history_matrix[[3]].nnz) == (n, 0)


def test_fold_in_events_are_never_held_out(data):
    with pytest.raises(SettingError, match="found_after must be n_known = 2 or more"):
        fold_in_cold_users(data, 2, found_after=1)


@pytest.fixture
def busy(tmp_path):
    """Forty users with eight of thirty items each, and their events in every table."""
    rng = np.random.default_rng(0)
    rows = [(u, i, 100 * u + t) for u in range(40) for t, i in enumerate(rng.permutation(30)[:8])]
    whole = events(rows)
    late = whole["timestamp"] % 100 >= 6
    middle = whole["timestamp"] % 100 == 5
    tables = {
        "interactions": whole,
        "train": whole[~late & ~middle],
        "validation": whole[middle],
        "test": whole[late],
        "users": pd.DataFrame({"user": range(40), "user_id": range(40)}),
        "items": pd.DataFrame({"item": range(30), "item_id": range(30)}),
        "impressions": whole.assign(engaged=True),
        "searches": pd.DataFrame({"user": range(40), "timestamp": 1, "query": "a"}),
    }
    return write_dataset(tmp_path, tables, {"name": "busy"})


@pytest.mark.parametrize("part", ["test", "validation"])
def test_no_table_keeps_an_event_of_cold_users_or_items(busy, part):
    found = make_cold(busy.for_test() if part == "test" else busy.for_validation(), 0.25, 0.2)
    assert len(found.users) and len(found.items)
    for name in ("train", "interactions", "impressions", "searches"):
        frame = found.data.table(name)
        assert len(frame) and not frame["user"].isin(found.users).any()
        assert "item" not in frame or not frame["item"].isin(found.items).any()
    assert not found.data.has("validation") and not found.data.has("fold_in")
    assert not found.data.history_matrix[found.users].nnz


def test_each_event_is_in_exactly_one_table(busy):
    found = make_cold(busy, 0.25, 0.2, seed=3)
    whole = busy.table("interactions")
    both = whole["user"].isin(found.users) & whole["item"].isin(found.items)
    parts = [found.data.train, found.data.held_out, found.of_items, whole[both]]
    together = pd.concat(parts)[["user", "item"]].sort_values(["user", "item"]).to_numpy()
    np.testing.assert_array_equal(together, whole.sort_values(["user", "item"])[["user", "item"]])
    assert set(found.data.held_out["user"]) == set(found.users)
    assert set(found.of_items["item"]) == set(found.items)
    assert (np.diff(found.of_items["timestamp"]) >= 0).all()


def test_validation_never_uses_the_cold_users_of_test(busy):
    chosen = make_cold(busy.for_validation(), 0.25, 0.2, seed=1)
    judged = make_cold(busy.for_test(), 0.25, 0.2, seed=1)
    assert not set(chosen.users) & set(judged.users)
    assert not set(chosen.items) & set(judged.items)
    for frame in (chosen.data.train, chosen.data.held_out, chosen.of_items):
        assert not frame["user"].isin(judged.users).any()
        assert not frame["item"].isin(judged.items).any()
    assert not chosen.data.table("impressions")["user"].isin(judged.users).any()


def test_only_users_and_items_with_enough_events_become_cold(busy):
    found = make_cold(busy, 0.5, 0.5, more_than=3)
    assert found.data.held_out["user"].value_counts().min() > 3
    assert (busy.table("interactions")["item"].value_counts()[found.items] > 3).all()
    with pytest.raises(DataError, match="more than 8 events"):
        make_cold(busy, 0.5, more_than=8)


def test_shares_out_of_range_are_named(busy):
    with pytest.raises(SettingError, match="share of cold users"):
        make_cold(busy, 0.0)
    with pytest.raises(SettingError, match="share of cold items"):
        make_cold(busy, 0.1, 1.0)


def test_making_users_cold_needs_timestamps(busy):
    tables = {n: busy.table(n).drop(columns="timestamp") for n in ("train", "test", "interactions")}
    tables |= {name: busy.table(name) for name in ("users", "items")}
    without = write_dataset(busy.folder / "bare", tables, {"name": "bare"})
    with pytest.raises(DataError, match="has no timestamps"):
        make_cold(without, 0.2)


def test_users_held_out_are_absent_from_training_and_a_part_of_their_events_is_known(busy):
    found = hold_out_users(busy, 0.25, known=0.75, seed=2)
    judged = np.unique(found.held_out["user"])
    assert len(judged) == 10 and not found.train["user"].isin(judged).any()
    known = np.diff(found.history_matrix.indptr)[judged]
    hidden = np.diff(found.held_out_matrix.indptr)[judged]
    assert (known == 6).all() and (hidden == 2).all()  # of eight events each
    assert not found.history_matrix.multiply(found.held_out_matrix).nnz
    assert not found.has("searches") and not found.has("impressions")


def test_users_held_out_for_validation_are_others_and_learned_from_for_test(busy):
    found = hold_out_users(busy, 0.25, seed=2)
    chosen = found.for_validation()
    of_test, of_validation = (set(d.held_out["user"]) for d in (found, chosen))
    assert len(of_validation) == 10 and not of_test & of_validation
    assert not set(chosen.train["user"]) & (of_test | of_validation)
    assert set(found.train["user"]) == set(range(40)) - of_test
    assert pairs(hold_out_users(busy.for_validation(), 0.25, seed=2).held_out) == pairs(
        chosen.held_out
    )


def test_another_choice_of_held_out_users_is_another_dataset(busy):
    digests = {hold_out_users(busy, 0.25, seed=seed).digest for seed in (1, 1, 2)}
    assert len(digests) == 2 and busy.digest not in digests


def test_a_share_that_leaves_nobody_to_learn_from_is_refused(busy):
    with pytest.raises(SettingError, match="leave no events to train on"):
        hold_out_users(busy, 0.5)
