"""Small datasets whose every number can be worked out by hand."""

import pandas as pd
import pytest

from candgen.datasets.dataset import Dataset, write_dataset


def _events(*pairs, **columns) -> pd.DataFrame:
    users, items = zip(*pairs, strict=True) if pairs else ((), ())
    return pd.DataFrame({"user": users, "item": items, **columns})


@pytest.fixture
def events():
    """Make events from pairs of dense user and item."""
    return _events


@pytest.fixture
def make(tmp_path):
    """Write a dataset from its train and test events."""

    def written(
        train, test, *, n_users, n_items, user_ids=None, item_ids=None, genres=None, **others
    ):
        users = pd.DataFrame({"user_id": user_ids or [100 + u for u in range(n_users)]})
        items = pd.DataFrame({"item_id": item_ids or [f"film-{i}" for i in range(n_items)]})
        users.insert(0, "user", range(n_users))
        items.insert(0, "item", range(n_items))
        if genres is not None:
            items["genres"] = genres
        whole = pd.concat([train, test], ignore_index=True)
        parts = {"interactions": whole, "train": train, "test": test}
        tables = parts | {"users": users, "items": items} | others
        return write_dataset(tmp_path / "small", tables, {"name": "small"})

    return written


@pytest.fixture
def small(make) -> Dataset:
    """Four users and six items.

    User 0 has items 0 and 1, and 2 and 3 are held out; user 1 has item 0, and 4 is held out; user 2
    has items 0 to 3 and nothing is held out; user 3 has no history, and 0 is held out. Nobody has
    items 4 and 5 in training.
    """
    train = _events((0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2), (2, 3))
    test = _events((0, 2), (0, 3), (1, 4), (3, 0), rating=[5.0, 3.0, 4.0, 1.0])
    genres = [["Drama"], ["Drama", "War"], ["War"], ["Comedy"], [], ["Drama", "War"]]
    return make(train, test, n_users=4, n_items=6, genres=genres)
