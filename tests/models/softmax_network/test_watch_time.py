"""Watch time, time and weights of the history as inputs of the softmax network."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError, SettingError
from candgen.features import Bins, EventLog
from candgen.models import SoftmaxNetwork
from candgen.models.towers.inputs import at_events
from candgen.models.towers.timed import WatchTime
from candgen.training import EmbeddingTable

DAY = 86_400
SMALL = {"dim": 16, "batch_size": 256}


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Everybody watches two items; the next one goes with the item that was watched to its end."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(300):
        first, second = rng.permutation(4)[:2]
        whole = rng.integers(2)
        for place, item in enumerate((first, second)):
            rows.append((user, item, user * DAY + place, 1.0 if place == whole else 0.05))
        rows.append((user, 4 + (first, second)[whole], user * DAY + 5, 1.0))
    events = pd.DataFrame(rows, columns=["user", "item", "timestamp", "share"])
    last = events["item"] >= 4
    held_out = events[last & (events["user"] >= 200)]
    tables = {
        "interactions": events,
        "train": events.drop(held_out.index),
        "test": held_out,
        "users": pd.DataFrame({"user": range(300), "user_id": range(300)}),
        "items": pd.DataFrame({"item": range(8), "item_id": range(8)}),
    }
    return write_dataset(tmp_path_factory.mktemp("halves"), tables, {"name": "halves"})


def vectors_at(model, log, events):
    return model._learned.query_vectors(at_events(log, events, model.history_length))


def of_history(**settings):
    wanted = {"epochs": 30, "query_inputs": ["history"], "id_dropout": 0.0, "learning_rate": 0.05}
    return SoftmaxNetwork(**{**SMALL, **wanted, **settings})


def share_found(model, data):
    users = data.held_out["user"].to_numpy()
    best = 4 + model.score(users)[:, 4:].argmax(axis=1)
    return float((best == data.held_out["item"].to_numpy()).mean())


def test_a_weighted_history_tells_what_was_watched_from_what_was_left(halves):
    weighted = of_history(watch_column="share", weighted_history=True).fit(halves)
    assert share_found(weighted, halves) > 0.95
    named = of_history(watch_column="share").fit(halves)  # which is not read unless asked
    assert share_found(named, halves) < 0.75  # it cannot know which of the two


def test_by_default_neither_time_nor_a_column_that_nobody_names_is_read(halves):
    assert SoftmaxNetwork()._inputs_of(halves)[0] == ["history", "example_age"]
    named = SoftmaxNetwork(watch_column="share")._inputs_of(halves)[0]
    assert named == ["history", "watch_time", "example_age"]


def test_watch_time_is_that_of_the_last_item_and_the_mean_of_the_history():
    offsets, items = np.array([0, 3, 5]), np.arange(5, dtype=np.int32)
    log = EventLog(offsets, items, np.arange(5) * DAY, np.float32([0.5, 1.0, 0.0, 0.25, 9.0]))
    knots = np.array([0.0, 0.5, 1.0])
    one = WatchTime(EmbeddingTable(WatchTime.n_rows(Bins(knots)), 1), Bins(knots))
    rows, weights = one.bins(at_events(log, np.arange(5)))
    found = np.zeros((5, 8))
    for place in range(5):
        np.add.at(found[place], rows[place], weights[place])
    nothing = [0, 0, 0, 1]
    expected = [
        nothing + nothing,
        [*[0, 1, 0, 0], *[0, 1, 0, 0]],  # half of the only one
        [*[0, 0, 1, 0], *[0, 0.5, 0.5, 0]],  # all of the last, three quarters on average
        nothing + nothing,  # the first event of the other user
        [*[0.5, 0.5, 0, 0], *[0.5, 0.5, 0, 0]],  # a quarter, whatever others watched
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_target_itself_is_not_among_what_was_watched(halves):
    model = of_history(epochs=1, query_inputs=["history", "time", "watch_time"],
                       watch_column="share", weighted_history=True).fit(halves)  # fmt: skip
    log = model._learned.log
    events = log.offsets[:9] + 1
    before = vectors_at(model, log, events)
    amounts = log.amounts.copy()
    amounts[events] += 0.5
    np.testing.assert_array_equal(vectors_at(model, replace(log, amounts=amounts), events), before)
    amounts[events - 1] += 0.5
    assert (vectors_at(model, replace(log, amounts=amounts), events) != before).any()


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("shares", SettingError, "no column 'shares' that says.*Did you mean 'share'"),
        ("missing", DataError, "'missing'.*finite numbers of 0 or more; row 1 .* has nan"),
        ("negative", DataError, "'negative'.*row 0 .* has -1"),
        ("endless", DataError, r"'endless'.*row 0 .* has 1e\+39"),
        ("words", DataError, "'words' of the events must hold numbers"),
    ],
)
def test_columns_that_do_not_say_how_much_are_refused(halves, column, error, message):
    events = halves.train.assign(missing=1.0, negative=-1.0, endless=1e39, words="all")
    events.loc[events.index[1], "missing"] = np.nan
    with pytest.raises(error, match=message):
        EventLog.of(events, 300, column)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weighted_history": True}, "no watch_column names the column"),
        ({"query_inputs": ["watch_time"]}, "no watch_column names the column"),
        (
            {"weighted_history": True, "watch_column": "share", "pooling": "attention"},
            "the network chooses the weights",
        ),
    ],
)
def test_weights_need_a_column_and_a_mean(settings, message):
    with pytest.raises(SettingError, match=message):
        SoftmaxNetwork(**settings)
