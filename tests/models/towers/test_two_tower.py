"""Two towers on the taste world and on its variant with descriptions and times."""

import numpy as np
import pandas as pd
import pytest
from contract import VectorContract, share_of_own_taste

from candgen.datasets.dataset import write_dataset
from candgen.errors import ColdStartError, SettingError
from candgen.models import TwoTower
from candgen.models.towers.inputs import at_events

SMALL = {
    "dim": 16, "batch_size": 256, "learning_rate": 0.02, "epochs": 12, "seed": 1,
    "query_inputs": [], "item_inputs": [], "hidden": [], "negatives": "in-batch",
    "history_length": 50, "id_at_least": 1,
}  # fmt: skip


class TestTwoTower(VectorContract):
    def make(self, **settings):
        return TwoTower(**{**SMALL, "epochs": 8, **settings})


class TestTwoTowerOfIdsAlone(VectorContract):
    def make(self, **settings):
        ids = {"query_inputs": ["id"], "item_inputs": ["id"], "similarity": "dot", "dim": 6}
        return TwoTower(**{**SMALL, **ids, "temperature": 1.0, **settings})


class TestTwoTowerWithLayers(VectorContract):
    def make(self, **settings):
        deep = {"hidden": [16], "normalization": "layer", "epochs": 6}
        return TwoTower(**{**SMALL, **deep, **settings})


# --- other ways to read a history


@pytest.mark.parametrize(
    "settings",
    [
        {"query_inputs": ["id", "history"], "id_share": 0.5},
        {"pooling": "attention", "hidden": [32]},
        {"pooling": "fading", "shared_item_table": False},
    ],
    ids=["shared with id", "attention", "fading"],
)
def test_histories_are_read_in_every_way(taste_world, trained_users, folded_users, settings):
    model = TwoTower(**{**SMALL, "epochs": 6, **settings}).fit(taste_world)
    assert share_of_own_taste(model, trained_users) > 0.95
    assert share_of_own_taste(model, folded_users) > 0.95


# --- whatever it is taught with, it learns


@pytest.mark.parametrize(
    "settings",
    [
        {"negatives": "all", "correction": False},
        {"negatives": "mixed", "n_negatives": 64},
        {"negatives": "cross-batch", "memory": 2, "exposure_power": 0.5},
        {"negatives": "hard", "n_negatives": 100, "hardness": 0.5},
        {"loss": "logistic", "negatives": "uniform", "n_negatives": 64},
        {"loss": "bpr", "negatives": "popularity", "n_negatives": 64, "skip_known": True},
        {"loss": "hinge", "negatives": "in-batch"},
        {"loss": "contrastive", "negatives": "uniform", "loss_margin": 0.4, "negative_weight": 10.0,
         "id_share": 0.5},
    ],
    ids=lambda settings: "-".join(str(v) for v in list(settings.values())[:2]),
)  # fmt: skip
def test_every_loss_learns_from_negatives_of_every_kind(taste_world, trained_users, settings):
    model = TwoTower(**{**SMALL, "epochs": 10, **settings}).fit(taste_world)
    assert model.history_[-1].loss < model.history_[0].loss
    assert share_of_own_taste(model, trained_users) > 0.8  # chance: 1 in 6


# --- popularity, added when candidates are asked for


@pytest.mark.parametrize("inputs", [["id"], ["history"]], ids=["ids", "histories"])
def test_a_score_gains_by_the_log_of_an_items_events(taste_world, inputs):
    settings = {**SMALL, "epochs": 2, "query_inputs": inputs, "item_inputs": ["id"]}
    plain = TwoTower(**settings).fit(taste_world)
    model = TwoTower(**settings, popularity_weight=0.25).fit(taste_world)
    users = np.flatnonzero(model.known_users_)  # folded-in ones, whom ids do not know, among them
    events = np.bincount(taste_world.train["item"], minlength=taste_world.n_items)
    known = np.flatnonzero(events)
    gained = model.score(users, known) - plain.score(users, known)
    expected = np.broadcast_to(0.25 * np.log(1 + events[known]), gained.shape)
    np.testing.assert_allclose(gained, expected, atol=1e-5)
    assert model.item_vectors().shape[1] == model.user_vectors(users).shape[1] == model.dim + 1


# --- descriptions and times: users and items that training has never seen


N_TASTES, N_USERS, N_ITEMS = 4, 120, 40
COLD_USERS, COLD_ITEMS = np.arange(112, 120), np.arange(36, 40)
DAY = 86_400


def tables_of_described_world():
    """User u and item i are of taste u % 4 and i % 4, and their tables say so.

    Everybody takes six of their taste, one a day, from day u on, after a search for it. The last
    users have neither events nor searches, and the last items no event.
    """
    rng = np.random.default_rng(0)
    train, test, searches, shown = [], [], [], []
    for user in range(N_USERS):
        liked = rng.permutation(np.arange(user % N_TASTES, COLD_ITEMS[0], N_TASTES))
        if user < COLD_USERS[0]:
            for place, item in enumerate(liked[:6]):
                moment = (user + place) * DAY
                train.append((user, item, moment))
                searches.append((user, moment - 60, f"taste{user % N_TASTES}"))
            shown += [(user, (item + 1) % 36, (user + 6) * DAY, False) for item in liked[:6]]
        test += [(user, item, 400 * DAY) for item in liked[6:]]
    columns = ["user", "item", "timestamp"]
    train, test = pd.DataFrame(train, columns=columns), pd.DataFrame(test, columns=columns)
    kinds = [[f"taste {i % N_TASTES}"] for i in range(N_ITEMS)]
    places = [f"place {u % N_TASTES}" for u in range(N_USERS)]
    return {
        "interactions": pd.concat([train, test], ignore_index=True),
        "train": train,
        "test": test,
        "users": pd.DataFrame(
            {"user": range(N_USERS), "user_id": range(1000, 1000 + N_USERS), "place": places}
        ),
        "items": pd.DataFrame(
            {
                "item": range(N_ITEMS),
                "item_id": range(N_ITEMS),
                "kinds": kinds,
                "upload_time": np.arange(N_ITEMS) * DAY // 8,
            }
        ),
        "searches": pd.DataFrame(searches, columns=["user", "timestamp", "query"]),
        "impressions": pd.DataFrame(shown, columns=["user", "item", "timestamp", "engaged"]),
    }


@pytest.fixture(scope="module")
def described_world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("described")
    return write_dataset(folder, tables_of_described_world(), {"name": "described"})


ALL = ["id", "history", "features", "searches", "time"]


def deep(**settings):
    wanted = {"hidden": [32], "feature_dim": 8, "epochs": 20, "id_dropout": 0.5}
    wanted["query_inputs"] = ALL
    return TwoTower(**{**SMALL, "batch_size": 128, **wanted, **settings})


@pytest.fixture(scope="module")
def described(described_world):
    return deep().fit(described_world)


def own_taste(model, users, items, n):
    """Share of the best n of some items that are of the users' own taste."""
    best = items[np.argsort(-model.score(users, items), axis=1)[:, :n]]
    return float((best % N_TASTES == np.asarray(users)[:, None] % N_TASTES).mean())


def test_every_input_that_the_dataset_has_is_read(described):
    assert described.query_inputs_ == ALL
    assert described.item_inputs_ == ["id", "features", "age"]


def test_users_never_seen_in_training_are_served_from_their_features(described):
    assert own_taste(described, COLD_USERS, np.arange(36), 9) > 0.9


def test_items_never_seen_in_training_are_found_by_their_features(described):
    users = np.arange(COLD_USERS[0])
    assert own_taste(described, users, COLD_ITEMS, 1) > 0.9  # chance: 1 in 4
    assert own_taste(described, COLD_USERS, COLD_ITEMS, 1) > 0.7


def test_impressions_teach_what_was_passed_over(described_world):
    model = deep(negatives="impressions", n_negatives=4).fit(described_world)
    assert own_taste(model, np.arange(COLD_USERS[0]), np.arange(36), 9) > 0.5


def test_without_features_of_users_the_unseen_are_refused_by_name(described_world):
    plain = deep(query_inputs=["id", "history"], item_inputs=["id"], epochs=1, hidden=[])
    plain.fit(described_world)
    assert not plain.answers_cold_users and not plain.answers_cold_items
    with pytest.raises(ColdStartError, match=r"TwoTower answers for users.*1112"):
        plain.user_vectors(COLD_USERS[:1])
    with pytest.raises(ColdStartError, match=r"TwoTower scores items.*36"):
        plain.score([0], COLD_ITEMS)
    assert not plain.item_vectors()[COLD_ITEMS].any()


def test_cosine_towers_end_in_vectors_of_length_one(described):
    users = described.user_vectors(np.arange(N_USERS))
    for vectors in (users, described.item_vectors()):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_new_events_change_a_query_vector_without_new_training(described, described_world):
    moment = described.moment_
    before = described.user_vectors([0, 1])
    log = described._log
    described._log = log.of(
        pd.concat(
            [
                described_world.train,
                pd.DataFrame({"user": [0], "item": [3], "timestamp": [moment - 1]}),
            ],
            ignore_index=True,
        ),
        N_USERS,
    )
    after = described.user_vectors([0, 1])
    described._log = log
    assert np.abs(after[0] - before[0]).max() > 1e-3
    np.testing.assert_array_equal(after[1], before[1])


def test_what_happens_later_never_changes_a_vector_of_the_past(described, described_world):
    """At an event's moment the towers see what was there before, whatever comes afterwards."""
    learner, log = described._learned, described._log
    events = log.offsets[:10] + 2  # the third event of ten users
    before = learner.query_vectors(at_events(log, events, 50))
    later = log.items.copy()
    for user in range(10):
        later[log.offsets[user] + 2 : log.offsets[user + 1]] = 0
    changed = type(log)(log.offsets, later, log.times)
    np.testing.assert_array_equal(learner.query_vectors(at_events(changed, events, 50)), before)
    earlier = log.items.copy()
    earlier[log.offsets[:10] + 1] = 35
    changed = type(log)(log.offsets, earlier, log.times)
    assert np.abs(learner.query_vectors(at_events(changed, events, 50)) - before).max() > 1e-3


def test_negatives_that_were_not_there_yet_count_for_nothing(described_world):
    """Say that item 8 appears after all events: then no example may push it away."""
    model = deep(negatives="uniform", n_negatives=50, id_dropout=0.0)
    model.query_inputs_, model.item_inputs_ = ["id"], ["id", "age"]
    learner = model._learner(described_world)
    learner.age.appeared = np.where(np.arange(N_ITEMS) == 8, 10**9, 0)
    before = learner.tables["item/id"].rows.copy()
    examples = np.flatnonzero(learner.log.items != 8)[:128]
    ones = np.ones(128, np.float32)
    learner.learn(examples, ones, 0.0, np.random.default_rng(0))
    learner.tables["item/id"].update(1.0)
    moved = np.abs(learner.tables["item/id"].rows - before).max(axis=1)
    assert moved[8] == 0 and (moved[:36] > 0).sum() > 30


# --- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "softmx"}, "Did you mean 'softmax'"),
        ({"negatives": "inbatch"}, "Did you mean 'in-batch'"),
        ({"similarity": "angle"}, "similarity must be one of dot, cosine"),
        ({"query_inputs": ["ids"]}, "Did you mean 'id'"),
        ({"query_inputs": "id"}, "query_inputs must be a list"),
        ({"hidden": [0]}, r"hidden\[0\] must be 1 or greater"),
        ({"temperature": 0}, "temperature must be greater than 0"),
        ({"id_dropout": 1.5}, "id_dropout must be at most 1"),
        ({"memory": 0}, "memory must be 1 or greater"),
        ({"exposure_power": -1}, "exposure_power must be 0 or greater"),
        ({"exposure_clip": 0.5}, "exposure_clip must be 1 or greater"),
        ({"loss": "contrastive", "similarity": "dot"}, "contrastive loss needs cosines"),
        ({"user_features": ["age"]}, "user_features must be a mapping"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        TwoTower(**settings)


def test_a_loss_that_compares_needs_negatives(taste_world):
    with pytest.raises(SettingError, match="compares the positive with negatives"):
        TwoTower(**{**SMALL, "negatives": "none"}).fit(taste_world)
