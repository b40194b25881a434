import numpy as np
import pandas as pd
import pytest

from candgen.datasets import preparation
from candgen.datasets.dataset import write_dataset
from candgen.datasets.world import Oracle
from candgen.evaluation import Judgement
from candgen.studies.interests import mixing

# Items 0 and 1 lie to the right, of different lengths, item 2 upwards.
VECTORS = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])


def dataset_of(folder, train, validation=(), test=((0, 0, 9),), n_users=4):
    columns = ["user", "item", "timestamp"]
    parts = {"train": train, "validation": validation, "test": test}
    tables = {name: pd.DataFrame(rows, columns=columns) for name, rows in parts.items() if rows}
    ids = range(n_users)
    tables |= {
        "interactions": pd.concat(tables.values(), ignore_index=True),
        "users": pd.DataFrame({"user": ids, "user_id": ids}),
        "items": pd.DataFrame({"item": range(3), "item_id": range(3)}),
    }
    return write_dataset(folder, tables, {"name": "few"})


def test_tastes_are_mixed_as_far_as_the_items_of_a_history_lie_apart(tmp_path):
    train = [(0, 0, 1), (0, 1, 2), (1, 1, 1), (1, 2, 2), (2, 2, 1)]
    found = mixing.how_mixed(dataset_of(tmp_path, train), VECTORS)
    np.testing.assert_allclose(found, [0, 0.5, 0, np.nan], atol=1e-6)


def test_in_the_world_the_oracle_says_what_a_user_likes(tmp_path):
    data = preparation.prepare(
        tmp_path / "world", source="world", n_users=40, n_items=100, events_per_user=10.0
    )
    oracle = Oracle.open(data.folder)
    found = mixing.how_mixed(data, np.zeros((data.n_items, 1)))
    user = 7
    relevance = oracle.relevance([user], at=data.known_until)[0]
    best = oracle.item_vectors[np.argsort(-relevance, kind="stable")[:50]].astype(float)
    mean = (best / np.linalg.norm(best, axis=1, keepdims=True)).mean(axis=0)
    assert found[user] == pytest.approx(1 - mean @ mean, abs=1e-5)


def test_searches_are_alike_as_far_as_they_find_the_same_items():
    items = np.array([[1.0, 0], [0.9, 0.1], [0, 1.0], [0.1, 0.9]])
    right, up = [1.0, 0.0], [0.0, 1.0]
    assert mixing.searches_alike(np.array([[right, up]]), items, 2) == 0
    assert mixing.searches_alike(np.array([[right, right], [right, up]]), items, 2) == 0.5
    assert mixing.searches_alike(np.array([[right, up, up]]), items, 2) == pytest.approx(1 / 3)
    assert mixing.searches_alike(np.array([[right]]), items, 2) == 1


def test_users_are_cut_into_thirds_among_those_asked_for():
    values = np.array([0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    users = np.array([6, 1, 2, 3, 4, 5])
    assert mixing.thirds(values, users).tolist() == [2, 0, 0, 1, 1, 2]


def test_a_difference_is_that_of_the_users_of_a_group():
    rng = np.random.default_rng(0)
    base = rng.random(300)
    gain = np.where(np.arange(300) < 100, 0.1, 0.0)
    judged = [
        Judgement(name, pd.DataFrame({"user": np.arange(300) + 5, "recall@10": values}))
        for name, values in (("several", base + gain), ("one", base))
    ]
    groups = (np.arange(300) >= 100).astype(int)
    found = mixing.differences(*judged, groups, ["mixed", "narrow", "nobody"], "recall@10")
    assert found["generator"].tolist() == ["mixed (100)", "narrow (200)"]
    np.testing.assert_allclose(found["difference"], [0.1, 0.0], atol=1e-12)
    assert found["verdict"].tolist() == ["better", "no practical difference"]
    assert found["users"].tolist() == [100, 200]


def test_two_thirds_of_the_users_share_an_account(tmp_path):
    rows = [(user, item, 10 * item + user) for user in range(9) for item in (0, 1)]
    data = dataset_of(tmp_path / "few", rows, test=[(u, 2, 50) for u in range(9)], n_users=9)
    made = mixing.shared_accounts(data, tmp_path / "accounts", seed=1)
    assert made.users[mixing.PEOPLE].tolist() == [2, 2, 2, 1, 1, 1]
    assert len(made.train) == 6 * 2 and len(made.table("test")) == 6
    assert made.evaluate_on == "test" and made.n_items == 3


def test_an_account_knows_what_either_of_its_people_knows(tmp_path):
    train, validation = [(0, 0, 3), (1, 0, 2), (1, 1, 4), (2, 2, 1)], [(0, 1, 5), (1, 2, 6)]
    data = dataset_of(tmp_path / "few", train, validation, [(0, 2, 9), (2, 1, 9)], n_users=3)
    seed = next(s for s in range(99) if np.random.default_rng(s).permutation(3)[2] == 2)
    made = mixing.shared_accounts(data.for_validation(), tmp_path / "accounts", seed=seed)
    assert made.users[mixing.PEOPLE].tolist() == [2, 1]  # users 0 and 1 share the first account
    own = made.train[made.train["user"] == 0]
    assert own[["item", "timestamp"]].to_numpy().tolist() == [[0, 2], [1, 4]]  # the first event
    assert made.held_out[["user", "item"]].to_numpy().tolist() == [[0, 2]]  # item 1 is known
    assert made.table("test")[["user", "item"]].to_numpy().tolist() == [[1, 1]]
    assert made.evaluate_on == "validation"
