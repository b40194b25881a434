"""A small shop: counts known by heart, one item that nobody took, impressions of three users."""

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import Dataset, write_dataset

COUNTS = np.array([40, 20, 20, 10, 5, 5, 0])  # training events of each item; nobody took the last
N_USERS = 20
SHOWN = [  # user, item, engaged
    (0, 1, False),
    (0, 1, False),
    (0, 6, False),
    (1, 2, False),
    (1, 2, True),  # engaged at the second sight: no negative
    (1, 3, False),
    (2, 0, False),
]


def make_dataset(folder, *, impressions: bool) -> Dataset:
    items = np.repeat(np.arange(len(COUNTS)), COUNTS)
    users = 3 + np.arange(len(items)) % (N_USERS - 3)
    train = pd.DataFrame({"user": users, "item": items})
    own = pd.DataFrame({"user": [0, 1, 2], "item": [0, 0, 0]})  # the three with impressions
    train = pd.concat([train[train["item"] > 0], train[train["item"] == 0].iloc[3:], own])
    test = pd.DataFrame({"user": [0, 1], "item": [5, 5]})
    tables = {
        "interactions": pd.concat([train, test], ignore_index=True),
        "train": train.reset_index(drop=True),
        "test": test,
        "users": pd.DataFrame(
            {"user": range(N_USERS), "user_id": [f"u{u}" for u in range(N_USERS)]}
        ),
        "items": pd.DataFrame({"item": range(7), "item_id": [f"i{i}" for i in range(7)]}),
    }
    if impressions:
        tables["impressions"] = pd.DataFrame(SHOWN, columns=["user", "item", "engaged"])
        held = pd.DataFrame([(0, 5, False)], columns=["user", "item", "engaged"])
        tables["impressions_test"] = held
    return write_dataset(folder, tables, {"name": "shop"})


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Dataset:
    """User 0 saw 1 twice and 6 in vain, user 1 item 3; user 2 took 0, whatever was noted."""
    return make_dataset(tmp_path_factory.mktemp("shop"), impressions=True)


@pytest.fixture(scope="session")
def silent_shop(tmp_path_factory) -> Dataset:
    """The same without impressions."""
    return make_dataset(tmp_path_factory.mktemp("silent"), impressions=False)
