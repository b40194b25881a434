"""A generator says how much memory it takes, and refuses to begin where that is not free."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from candgen import memory, models
from candgen.datasets.dataset import Dataset, write_dataset
from candgen.errors import SettingError
from candgen.models.items import ease

SIZE = (160_000, 60_000, 25_000_000)
GIB = 2**30


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> Dataset:
    """So many events that arrays that grow with them outweigh all others."""
    n_users, n_items, n = 3000, 1200, 80_000
    keys = np.random.default_rng(0).choice(n_users * n_items, n, replace=False)
    events = pd.DataFrame({"user": keys // n_items, "item": keys % n_items})
    tables = {
        "interactions": events,
        "train": events[:-100],
        "test": events[-100:],
        "users": pd.DataFrame({"user": range(n_users), "user_id": range(n_users)}),
        "items": pd.DataFrame({"item": range(n_items), "item_id": range(n_items)}),
    }
    return write_dataset(tmp_path_factory.mktemp("crowd"), tables, {"name": "crowd"})


@pytest.mark.parametrize("name", models.names())
def test_every_generator_tells_what_it_needs_and_more_data_needs_no_less(name):
    model = models.by_name(name)()
    needed = model.memory_needed(*SIZE)
    assert needed >= 32 * SIZE[2]
    for place in range(3):
        larger = [n * (1 + (at == place)) for at, n in enumerate(SIZE)]
        assert model.memory_needed(*larger) >= needed


def test_ease_needs_a_number_for_each_pair_of_items():
    needed = models.by_name("EASE")().memory_needed(*SIZE)
    assert 4 * 60_000**2 < needed < 1.2 * 4 * 60_000**2
    assert all(
        models.by_name(name)().memory_needed(*SIZE) < 8 * GIB
        for name in ("popularity", "ItemKNN", "WALS", "MF-logistic", "TwoTower", "SASRec")
    )


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ItemKNN", {"neighbours": 20}),
        ("EASE", {}),
        ("WALS", {"dim": 32, "epochs": 1}),
        ("MF-logistic", {"dim": 32, "epochs": 1}),
        ("MarkovChain", {}),
        ("SLIM", {"neighbours": 20}),
        ("GF-CF", {"dim": 32}),
        ("UltraGCN", {"dim": 32, "epochs": 1}),
        ("LightGCN", {"dim": 32, "epochs": 1}),
    ],
)
def test_an_estimate_is_near_what_is_measured(crowd, name, settings):
    model = models.by_name(name)(**settings)
    models.by_name(name)(**settings).fit(crowd)  # compiled before memory is looked at
    fresh = type(crowd)(crowd.folder, crowd.info)  # without its matrices
    tracemalloc.start()
    try:
        model.fit(fresh)
        measured = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    needed = model.memory_needed(crowd.n_users, crowd.n_items, len(crowd.train))
    assert measured / 2.5 < needed < measured * 2.5


def test_nothing_begins_where_memory_is_short(crowd, monkeypatch):
    needed = models.by_name("EASE")().memory_needed(crowd.n_users, crowd.n_items, len(crowd.train))
    monkeypatch.setattr(memory, "available", lambda: needed - 1)
    monkeypatch.setattr(ease, "sweep", lambda *_: pytest.fail("it began"))
    with pytest.raises(SettingError, match=r"EASE needs about .*iB of memory for [\d,]+ users"):
        models.by_name("EASE")().fit(crowd)


def test_what_fits_begins(crowd, monkeypatch):
    model = models.by_name("popularity")()
    needed = model.memory_needed(crowd.n_users, crowd.n_items, len(crowd.train))
    monkeypatch.setattr(memory, "available", lambda: needed)
    assert model.fit(crowd).known_items_.any()
