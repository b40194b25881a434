"""The taste world with descriptions of users and items."""

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import write_dataset


@pytest.fixture(scope="session")
def taste_world(taste_world, tmp_path_factory):
    """The taste world with descriptions: an item's genre is its taste, and users say theirs."""
    names = list(taste_world.info["tables"])
    tables = {name: taste_world.table(name).copy() for name in names}
    tastes = [f"taste {i % 6}" for i in range(taste_world.n_items)]
    tables["items"]["genres"] = [[taste] for taste in tastes]
    tables["items"]["year"] = 2000 + np.arange(taste_world.n_items) // 6 % 2
    likes = [[f"taste {u % 6}"] for u in range(taste_world.n_users)]
    tables["users"]["likes"] = pd.Series(likes, dtype=object)
    return write_dataset(tmp_path_factory.mktemp("described"), tables, {"name": "described"})
