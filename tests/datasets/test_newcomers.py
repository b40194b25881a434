import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import write_dataset
from candgen.datasets.newcomers import as_strangers, newcomers
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
