"""Windows of a backtest: each is a timeline of what was known at its end."""

import pandas as pd
import pytest

from candgen.datasets import preparation
from candgen.errors import DataError, SettingError

DAY = 86_400


@pytest.fixture
def prepare(tmp_path):
    """Prepare one event of ten users a day for 20 days, from 1970-01-01 on."""
    rows = [(u, (u + day) % 30, day * DAY + u) for day in range(20) for u in range(10)]
    frame = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    frame.to_csv(tmp_path / "t.csv", index=False)

    def made(**settings):
        told = {"source": "table", "path": str(tmp_path / "t.csv"), "split": "windows"}
        return preparation.prepare(tmp_path / "made", name="made", **{**told, **settings})

    return made


def days(data, part):
    found = data.table(part)["timestamp"] // DAY
    return found.min(), found.max()


@pytest.mark.parametrize(
    ("window", "train", "validation", "test"),
    [(1, (0, 9), (10, 11), (12, 13)), (2, (0, 11), (12, 13), (14, 15)),
     (3, (0, 13), (14, 15), (16, 17)), (4, (0, 15), (16, 17), (18, 19))],
)  # fmt: skip
def test_each_window_learns_what_was_before_and_knows_nothing_later(
    prepare, window, train, validation, test
):
    data = prepare(n_windows=4, window=window, test_fraction=0.1)
    assert [days(data, part) for part in ("train", "validation", "test")] == [
        train, validation, test
    ]  # fmt: skip
    assert days(data, "interactions") == (0, test[1])
    split = data.info["split"]
    assert (split["window"], split["windows"]) == (window, 4)
    assert split["test_starts"] == test[0] * DAY
    assert split["rule"].startswith(f"window {window} of 4: ")
    assert split["futures_seen"] == dict.fromkeys(split["futures_seen"], 0.0)


def test_windows_begin_at_given_dates(prepare):
    cuts = ["1970-01-11", "1970-01-15", "1970-01-16"]
    first = prepare(cuts=cuts, window=1)
    assert [days(first, p) for p in ("train", "validation", "test")] == [(0, 5), (6, 9), (10, 13)]
    last = prepare(cuts=cuts, window=3)
    assert [days(last, p) for p in ("validation", "test")] == [(14, 14), (15, 19)]


def test_without_validation_training_reaches_to_the_window(prepare):
    data = prepare(n_windows=4, window=2, validation_fraction=0.0)
    assert days(data, "train") == (0, 13) and not data.has("validation")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"window": 5}, "window is 5, but there are 4 windows"),
        ({"n_windows": 9}, "9 windows with 10% of the events each.*leave nothing to learn"),
        ({"cuts": ["1970-01-15", "1970-01-11"]}, "cuts must be dates in rising order"),
        ({"cuts": ["soon"]}, "cuts must be a date such as 2018-01-31, got 'soon'"),
        ({"split": "timeline", "n_windows": 3}, "n_windows is for split 'windows'"),
        ({"memory": "2GB"}, "split 'windows' needs all events in memory"),
    ],
)
def test_windows_that_cannot_be_are_refused(prepare, settings, said):
    with pytest.raises(SettingError, match=said):
        prepare(**settings)


def test_events_without_times_or_of_one_moment_have_no_windows(prepare):
    with pytest.raises(DataError, match="'windows' needs timestamps"):
        prepare(leave_out=["timestamp"])
    with pytest.raises(DataError, match="Two windows begin in the same second"):
        prepare(n_windows=4, test_fraction=0.002)


def test_further_tables_end_with_the_window_too(tmp_path):
    told = {"source": "world", "n_users": 60, "n_items": 80, "events_per_user": 20.0}
    told |= {"split": "windows", "window": 1}
    data = preparation.prepare(tmp_path / "w", name="w", **told)
    ends = data.info["split"]["window_ends"]
    for name in ("impressions", "searches"):
        parts = [p for p in (name, f"{name}_test", f"{name}_validation") if data.has(p)]
        assert parts
        assert all(data.table(part)["timestamp"].max() < ends for part in parts)
