"""The oracle: it knows what the world was made of, and nothing that learns can reach it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from candgen.datasets import dataset as prepared
from candgen.datasets.world import Oracle, WorldSettings, make_world
from candgen.datasets.world.catalogue import FIRST_ITEM_ID
from candgen.errors import DataError

SETTINGS = WorldSettings(n_users=500, n_items=400, events_per_user=25)


def changed(settings, **values):
    return WorldSettings(**settings.model_dump() | values)


@pytest.fixture(scope="module")
def world():
    return make_world(SETTINGS, 0)


def pairs(source):
    shown = source.extras["impressions"]
    users = shown["user"].to_numpy() - 1
    items = shown["item"].to_numpy() - FIRST_ITEM_ID
    return shown, source.oracle.relevance_of_pairs(users, items, shown["timestamp"].to_numpy())


def save(source, folder, user_ids, item_ids):
    """Keep some users and items, in an order of their own, as a preparation does."""
    users = pd.DataFrame({"user": np.arange(len(user_ids)), "user_id": user_ids})
    items = pd.DataFrame({"item": np.arange(len(item_ids)), "item_id": item_ids})
    events = pd.DataFrame({"user": [0, 1], "item": [0, 1]})
    tables = {"interactions": events, "train": events, "validation": events, "test": events}
    info = {"name": "world"}
    prepared.write_dataset(folder, tables | {"users": users, "items": items}, info)
    source.oracle.save(folder, user_ids, item_ids)


def test_relevance_is_the_chance_to_finish_what_stands_at_the_top(world):
    shown, relevance = pairs(world)
    top = (shown["position"] == 1).to_numpy()
    bins = np.digitize(relevance[top], [0.1, 0.3, 0.5, 0.7])
    means = pd.DataFrame({"bin": bins, "said": relevance[top], "engaged": shown["engaged"][top]})
    means = means.groupby("bin").mean()
    assert len(means) == 5
    assert np.allclose(means["said"], means["engaged"], atol=0.05)


def test_relevance_tells_the_engaged_from_the_shown(world):
    shown, relevance = pairs(world)
    assert roc_auc_score(shown["engaged"], relevance) > 0.75
    other = np.random.default_rng(0).permutation(relevance)
    assert roc_auc_score(shown["engaged"], other) == pytest.approx(0.5, abs=0.02)


def test_blocks_and_pairs_agree(world):
    oracle = world.oracle
    at = np.array([oracle.start, oracle.start + 10**7, oracle.end])
    block = oracle.relevance([3, 1, 4], at=at)
    assert block.shape == (3, 400) and block.dtype == np.float32
    for row, user in enumerate([3, 1, 4]):
        alone = oracle.relevance_of_pairs(np.full(400, user), np.arange(400), at[row])
        assert np.allclose(block[row], alone, atol=1e-6)
    assert np.allclose(oracle.relevance([3, 1, 4], [7, 5], at=at), block[:, [7, 5]], atol=1e-6)
    assert np.allclose(oracle.relevance([4])[0], block[2], atol=1e-6)  # left out: the world's end
    assert not np.allclose(block[2], oracle.relevance([4], at=oracle.start)[0], atol=0.01)


def test_what_is_not_uploaded_or_not_available_there_has_no_relevance(world):
    oracle = world.oracle
    late = np.flatnonzero(oracle.upload_time > oracle.start)
    assert len(late) and (oracle.relevance([0, 1], late, at=oracle.start) == 0).all()
    place = world.users["place"][0]
    absent = np.flatnonzero([place not in places for places in world.items["places"]])
    settled = oracle.upload_time < oracle.start
    assert len(absent) and (oracle.relevance([0], absent) == 0).all()
    present = np.setdiff1d(np.flatnonzero(settled), absent)
    assert (oracle.relevance([0], present) > 0).all()


def test_a_film_loses_half_of_its_interest_in_six_weeks():
    oracle = make_world(changed(SETTINGS, n_users=20, drift=0.0, freshness=2.0), 0).oracle
    item = int(np.argmax(oracle.upload_time))
    born = int(oracle.upload_time[item])
    user = int(np.flatnonzero(oracle.user_places & oracle.item_places[item])[0])
    new, later, old = (
        oracle.relevance([user], [item], at=born + days * 86_400)[0, 0] for days in (0, 42, 4000)
    )
    logit = [np.log(p / (1 - p)) for p in (new, later, old)]
    assert logit[0] - logit[2] == pytest.approx(2.0, abs=0.01)
    assert logit[0] - logit[1] == pytest.approx(1.0, abs=0.02)


def test_a_saved_oracle_answers_in_the_datasets_ids(world, tmp_path):
    rng = np.random.default_rng(0)
    users = rng.permutation(world.users["user_id"])[:50]
    items = rng.permutation(world.items["item_id"])[:60]
    save(world, tmp_path, users, items)
    opened = Oracle.open(tmp_path)
    expected = world.oracle.relevance(users - 1, items - FIRST_ITEM_ID)
    assert np.allclose(opened.relevance(np.arange(50)), expected, atol=1e-6)
    assert sum(file.stat().st_size for file in (tmp_path / "oracle").iterdir()) < 50_000


def test_no_table_of_the_dataset_leads_to_the_oracle(world, tmp_path):
    save(world, tmp_path, world.users["user_id"], world.items["item_id"])
    data = prepared.open_dataset(tmp_path)
    assert not any(data.has(name) for name in ("oracle", "factors", "relevance"))
    with pytest.raises(DataError, match="no table 'oracle'"):
        data.table("oracle")
    hidden = {"quality", "relevance", "now", "later", "fame", "believed", "utility"}
    tables = [world.interactions, world.users, world.items, *world.extras.values()]
    assert not any(hidden & set(table) for table in tables)


def test_an_unknown_id_or_swapped_ids_are_refused(world, tmp_path):
    users, items = world.users["user_id"], world.items["item_id"]
    with pytest.raises(DataError, match="user ids 1 to 500, but was given"):
        world.oracle.save(tmp_path, items, users)


def test_a_dataset_without_an_oracle_says_that_only_a_world_has_one(tmp_path):
    with pytest.raises(DataError, match=r"has no oracle .*source 'world'"):
        Oracle.open(tmp_path)


def test_the_oracle_of_another_dataset_is_refused(world, tmp_path):
    users, items = world.users["user_id"].to_numpy(), world.items["item_id"].to_numpy()
    save(world, tmp_path, users, items)
    world.oracle.save(tmp_path, users[::-1], items)
    with pytest.raises(DataError, match=r"belongs to another dataset.*users\.parquet"):
        Oracle.open(tmp_path)
