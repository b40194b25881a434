import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError
from candgen.models import RecentPopularity

DAY = 86_400
# Items 0 to 3: one was popular long ago, two are of late, one has no recent event.
TRAIN = [(u, 0, 0) for u in range(5)] + [
    (0, 1, 95),
    (1, 1, 96),
    (2, 2, 100),
    (3, 3, 50),
    (4, 3, 50),
]


@pytest.fixture
def late(tmp_path):
    """A dataset whose training ends on day 100."""

    def made(train=TRAIN, columns=("user", "item", "timestamp")):
        events = pd.DataFrame(train, columns=["user", "item", "timestamp"])
        events = events.assign(timestamp=events["timestamp"] * DAY)[list(columns)]
        tables = {
            "interactions": events,
            "train": events,
            "test": events[:1],
            "users": pd.DataFrame({"user": range(5), "user_id": range(5)}),
            "items": pd.DataFrame({"item": range(4), "item_id": range(4)}),
        }
        return write_dataset(tmp_path / "late", tables, {"name": "late"})

    return made


@pytest.mark.parametrize(
    ("days", "best_first"), [(7, [1, 2, 0, 3]), (3, [2, 0, 1, 3]), (200, [0, 1, 3, 2])]
)
def test_events_of_the_last_days_count_and_all_events_break_ties(late, days, best_first):
    scores = RecentPopularity(days=days).fit(late()).score([0, 4])
    assert np.argsort(-scores[0], kind="stable").tolist() == best_first
    assert scores[0].tolist() == scores[1].tolist()


def test_the_first_second_of_the_period_does_not_count(late):
    model = RecentPopularity(days=5).fit(late())  # day 95 is five days before day 100
    assert np.floor(model.score([0])[0]).tolist() == [0, 1, 1, 0]


def test_events_without_times_are_refused_by_name(late):
    with pytest.raises(DataError, match=r"'late' lack times. Choose popularity"):
        RecentPopularity().fit(late(columns=("user", "item")))
