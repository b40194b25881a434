import numpy as np
import pandas as pd
import pytest

from candgen.datasets.cold_users import as_strangers, newcomers, set_apart
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


def test_newcomers_are_judged_by_what_follows_their_first_events(data):
    found = newcomers(data, 1)
    assert pairs(found.table("fold_in")) == [[2, 0]]
    assert pairs(found.held_out) == [[2, 1], [2, 3]]
    assert found.history_matrix[[2]].indices.tolist() == [0]
    assert pairs(found.train) == pairs(data.train)


def test_of_newcomers_nothing_may_be_known(data):
    found = newcomers(data, 0)
    assert pairs(found.held_out) == [[2, 0], [2, 1], [2, 3], [3, 3]]
    assert not found.has("fold_in") and found.history_matrix[[2, 3]].nnz == 0


def test_having_no_newcomers_is_named(data):
    with pytest.raises(DataError, match="without training events and has more than 3"):
        newcomers(data, 3)


def test_strangers_lose_everything_that_tells_of_them(data):
    found = as_strangers(data, 0.5, seed=1)
    strangers = np.unique(found.held_out["user"])
    assert len(strangers) == 2
    for frame in (found.train, found.table("searches")):
        assert not frame["user"].isin(strangers).any()
    untouched = data.train[~data.train["user"].isin(strangers)]
    assert pairs(found.train) == pairs(untouched)
    of_them = data.held_out[data.held_out["user"].isin(strangers)]
    assert pairs(found.held_out) == pairs(of_them)


def test_the_prepared_dataset_stays_as_it_was(data):
    before = {name: data.table(name).copy() for name in data.info["tables"]}
    as_strangers(data, 0.5), newcomers(data, 1)
    for name, frame in before.items():
        pd.testing.assert_frame_equal(data.table(name), frame)


def test_a_share_of_everybody_is_refused(data):
    with pytest.raises(SettingError, match="share must lie between 0 and 1"):
        as_strangers(data, 1.0)


def test_one_question_can_be_asked_of_the_same_users_whatever_is_known(data):
    for n in (0, 1, 2):
        found = newcomers(data, n, found_after=2)
        assert pairs(found.held_out) == [[2, 3]]
        assert (found.history_matrix[[2]].nnz, found.history_matrix[[3]].nnz) == (n, 0)


def test_what_is_known_is_never_to_be_found(data):
    with pytest.raises(SettingError, match="found_after must be n_known = 2 or more"):
        newcomers(data, 2, found_after=1)


@pytest.fixture
def busy(tmp_path):
    """Forty users who each took eight of thirty items, and a trace of it in every table."""
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
def test_no_table_tells_of_users_and_items_that_were_set_apart(busy, part):
    found = set_apart(busy.for_test() if part == "test" else busy.for_validation(), 0.25, 0.2)
    assert len(found.users) and len(found.items)
    for name in ("train", "interactions", "impressions", "searches"):
        frame = found.data.table(name)
        assert len(frame) and not frame["user"].isin(found.users).any()
        assert "item" not in frame or not frame["item"].isin(found.items).any()
    assert not found.data.has("validation") and not found.data.has("fold_in")
    assert not found.data.history_matrix[found.users].nnz


def test_of_everything_that_happened_each_event_is_in_one_place(busy):
    found = set_apart(busy, 0.25, 0.2, seed=3)
    whole = busy.table("interactions")
    both = whole["user"].isin(found.users) & whole["item"].isin(found.items)
    parts = [found.data.train, found.data.held_out, found.of_items, whole[both]]
    together = pd.concat(parts)[["user", "item"]].sort_values(["user", "item"]).to_numpy()
    np.testing.assert_array_equal(together, whole.sort_values(["user", "item"])[["user", "item"]])
    assert set(found.data.held_out["user"]) == set(found.users)
    assert set(found.of_items["item"]) == set(found.items)
    assert (np.diff(found.of_items["timestamp"]) >= 0).all()


def test_settings_are_never_chosen_on_those_who_are_new_for_test(busy):
    chosen = set_apart(busy.for_validation(), 0.25, 0.2, seed=1)
    judged = set_apart(busy.for_test(), 0.25, 0.2, seed=1)
    assert not set(chosen.users) & set(judged.users)
    assert not set(chosen.items) & set(judged.items)
    for frame in (chosen.data.train, chosen.data.held_out, chosen.of_items):
        assert not frame["user"].isin(judged.users).any()
        assert not frame["item"].isin(judged.items).any()
    assert not chosen.data.table("impressions")["user"].isin(judged.users).any()


def test_only_users_and_items_with_enough_events_are_set_apart(busy):
    found = set_apart(busy, 0.5, 0.5, more_than=3)
    assert found.data.held_out["user"].value_counts().min() > 3
    assert (busy.table("interactions")["item"].value_counts()[found.items] > 3).all()
    with pytest.raises(DataError, match="more than 8 events"):
        set_apart(busy, 0.5, more_than=8)


def test_shares_out_of_range_are_named(busy):
    with pytest.raises(SettingError, match="share of new users"):
        set_apart(busy, 0.0)
    with pytest.raises(SettingError, match="share of new items"):
        set_apart(busy, 0.1, 1.0)


def test_setting_apart_needs_times(busy):
    tables = {n: busy.table(n).drop(columns="timestamp") for n in ("train", "test", "interactions")}
    tables |= {name: busy.table(name) for name in ("users", "items")}
    without = write_dataset(busy.folder / "bare", tables, {"name": "bare"})
    with pytest.raises(DataError, match="need times"):
        set_apart(without, 0.2)
