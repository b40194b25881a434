"""A taste world: who likes what is known, and everybody acts on it."""

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import Dataset, write_dataset

N_TASTES, USERS_PER_TASTE, ITEMS_PER_TASTE = 6, 30, 20
COLD_USER, COLD_ITEM = "user without events", "item without events"


def _events(pairs) -> pd.DataFrame:
    return pd.DataFrame(np.array(pairs), columns=["user", "item"])


@pytest.fixture(scope="session")
def taste_world(tmp_path_factory) -> Dataset:
    """Six tastes without noise: a user takes half of the items of one taste, the rest is held out.

    User u and item i are of taste u % 6 and i % 6. The last twelve users with events are not in
    training: what they took is their fold-in. The last user and the last item have no events.
    """
    rng = np.random.default_rng(0)
    n_users, n_items = N_TASTES * USERS_PER_TASTE, N_TASTES * ITEMS_PER_TASTE
    train, fold_in, test = [], [], []
    for user in range(n_users):
        liked = rng.permutation(np.arange(user % N_TASTES, n_items, N_TASTES))
        taken, held_out = liked[: ITEMS_PER_TASTE // 2], liked[ITEMS_PER_TASTE // 2 :]
        (train if user < n_users - 12 else fold_in).extend((user, item) for item in taken)
        test.extend((user, item) for item in held_out)
    test.append((n_users, 0))
    user_ids = [f"user {u}" for u in range(n_users)] + [COLD_USER]
    item_ids = [f"item {i}" for i in range(n_items)] + [COLD_ITEM]
    train = _events(train).assign(rating=rng.integers(1, 6, len(train)).astype(float))
    fold_in = _events(fold_in).assign(rating=3.0)
    tables = {
        "interactions": pd.concat([train, fold_in, _events(test)], ignore_index=True),
        "train": train,
        "fold_in": fold_in,
        "test": _events(test),
        "users": pd.DataFrame({"user": range(len(user_ids)), "user_id": user_ids}),
        "items": pd.DataFrame({"item": range(len(item_ids)), "item_id": item_ids}),
    }
    return write_dataset(tmp_path_factory.mktemp("tastes"), tables, {"name": "tastes"})


@pytest.fixture(scope="class")  # of the taste world of the class, which some describe
def late_world(taste_world, tmp_path_factory) -> Dataset:
    """The taste world with a validation part: items 0 to 5 and each user's last event are in it.

    The users who folded in there have no events here.
    """
    events = taste_world.train
    late = (events["item"] < N_TASTES) | ~events.duplicated("user", keep="last")
    tables = {name: taste_world.table(name) for name in ("test", "users", "items")}
    tables |= {"interactions": events, "train": events[~late], "validation": events[late]}
    return write_dataset(tmp_path_factory.mktemp("late"), tables, {"name": "late"})


@pytest.fixture(scope="session")
def trained_users(taste_world) -> np.ndarray:
    return np.arange(taste_world.n_users - 13)


@pytest.fixture(scope="session")
def folded_users(taste_world) -> np.ndarray:
    """Users who have a history and were not trained on."""
    return np.arange(taste_world.n_users - 13, taste_world.n_users - 1)
