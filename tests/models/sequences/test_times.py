"""Attention that reads the time between events."""

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError
from candgen.features import EventLog
from candgen.models import SASRec

N_ITEMS = 12
SETTINGS = {
    "dim": 16, "window": 6, "blocks": 1, "batch_size": 8, "learning_rate": 0.02, "dropout": 0.0,
    "spread": 0.1, "epochs": 40, "schedule": "constant",
}  # fmt: skip


@pytest.fixture(scope="module")
def pauses(tmp_path_factory):
    """The next item is the last one plus 1, and plus 5 where the last one came after a week.

    Items are numbers on a ring; every history has two steps of 3 before, so that nothing but time
    tells the two apart.
    """
    rng = np.random.default_rng(0)
    train, test = [], []
    for user in range(400):
        start, week = int(rng.integers(N_ITEMS)), user % 2
        times = [0, 60, 60 + (604_800 if week else 60)]
        items = [start, start + 3, start + 6, start + 6 + (5 if week else 1)]
        events = [(user, i % N_ITEMS, t) for i, t in zip(items, [*times, 10**6], strict=True)]
        train += events[:-1] if user < 100 else events
        test += events[-1:] if user < 100 else []
    columns = ["user", "item", "timestamp"]
    train, test = pd.DataFrame(train, columns=columns), pd.DataFrame(test, columns=columns)
    tables = {
        "interactions": pd.concat([train, test], ignore_index=True),
        "train": train,
        "test": test,
        "users": pd.DataFrame({"user": range(400), "user_id": range(400)}),
        "items": pd.DataFrame({"item": range(N_ITEMS), "item_id": range(N_ITEMS)}),
    }
    return write_dataset(tmp_path_factory.mktemp("pauses"), tables, {"name": "pauses"})


@pytest.fixture(scope="module")
def fitted(pauses):
    return SASRec(**SETTINGS, read_times=True).fit(pauses)


def share_found(model, data):
    scores = model.score(np.arange(100))
    return float((scores.argmax(axis=1) == data.held_out["item"].to_numpy()[:100]).mean())


def test_what_follows_a_pause_is_found_only_by_who_reads_times(fitted, pauses):
    assert share_found(fitted, pauses) > 0.9
    assert share_found(SASRec(**SETTINGS).fit(pauses), pauses) < 0.7


def test_the_times_of_the_history_that_is_read_count(fitted, pauses):
    events = pauses.train[pauses.train["user"] < 100]
    hurried = events.assign(timestamp=events.groupby("user").cumcount() * 60)
    read = fitted.reading(EventLog.of(hurried, pauses.n_users)).score(np.arange(100))
    last = events.groupby("user")["item"].last().to_numpy()
    assert ((read.argmax(axis=1) - last) % N_ITEMS == 1).mean() > 0.9
    assert fitted.attention([0], 3).shape == (1, 1, 1, 3, 3)
    looks = [m.attention([1], 3) for m in (fitted, fitted.reading(EventLog.of(hurried, 400)))]
    assert np.abs(looks[0] - looks[1]).max() > 0.01


def test_events_without_times_are_refused(pauses, tmp_path):
    tables = {n: pauses.table(n) for n in ("interactions", "train", "test", "users", "items")}
    tables = {n: t.drop(columns="timestamp", errors="ignore") for n, t in tables.items()}
    timeless = write_dataset(tmp_path / "timeless", tables, {"name": "timeless"})
    with pytest.raises(DataError, match=r"read_times is on, but .* have no times"):
        SASRec(**SETTINGS, read_times=True).fit(timeless)
