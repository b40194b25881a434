"""The query tower in NumPy, against the one that was trained, for people it was not trained on."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from candgen import files
from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError
from candgen.models import HybridWARP, SoftmaxNetwork, TwoTower
from candgen.serving.export import export
from candgen.serving.reader import Exported, ReaderError
from candgen.serving.reader_new_users import FeatureError, QueryTower
from candgen.session.runs import Run
from tolerance import rounding

N_USERS, N_NEW, N_ITEMS, DAY = 60, 12, 25, 86_400
N_TERMS = 300  # all that the largest tower here adds on the way: inputs, two layers, the vector
RARE = 24  # an item that only new users take
PLACES, ABOUT = ["north", "south", "east", "sea side"], ["red fish", "the red dog", "a hen, a dog"]
KINDS = {
    "place": "categorical",
    "age": "numeric",
    "size": {"kind": "numeric", "bins": 4},
    "paid": {"kind": "numeric", "log": True, "weight": 0.5},
    "likes": {"kind": "multi", "at_least": 3, "hashed": 2},
    "about": {"kind": "text", "weight": 2.0},
    "member": "categorical",
}


def world(folder, *, timed):
    """The last users are new: their events are fold-in. Some columns are empty."""
    rng = np.random.default_rng(3)
    n = N_USERS + N_NEW
    events = [
        (user, item, (user % 7 + place) * DAY + int(rng.integers(DAY)))
        for user in range(n)
        for place, item in enumerate(rng.permutation(RARE if user < N_USERS else N_ITEMS)[:9])
        if user != n - 1  # the last user has no event and no feature
    ]
    columns = ["user", "item", "timestamp"]
    events = pd.DataFrame(events, columns=columns)[columns if timed else columns[:2]]
    events["share"] = np.random.default_rng(4).random(len(events))  # watched
    train = events[events["user"] < N_USERS].reset_index(drop=True)
    fold_in = events[events["user"] >= N_USERS].reset_index(drop=True)
    words = [f"{w} {rng.choice(['dog', 'cat'])}" for w in rng.choice(["red", "blue", "odd"], n)]
    searches = pd.DataFrame({"user": range(n), "timestamp": 60, "query": words})
    searches = pd.concat([searches, searches.assign(timestamp=90, query="Hen of the red")])
    unknown = rng.random(n) < 0.2
    tables = {
        "interactions": events,
        "train": train,
        "fold_in": fold_in,
        "test": train.head(3),
        "users": pd.DataFrame(
            {
                "user": range(n),
                "user_id": [f"u{u}" for u in range(n)],
                "place": np.where(unknown, None, rng.choice(PLACES, n)),
                "age": np.where(rng.random(n) < 0.2, np.nan, rng.integers(9, 90, n)),
                "size": rng.normal(size=n),
                "paid": rng.lognormal(size=n),
                "likes": [
                    rng.choice(["a", "b", "c", "d"], rng.integers(3), replace=False).tolist()
                    for _ in range(n)
                ],
                "about": [  # new users have words of their own, too
                    f"{rng.choice([*ABOUT, ''])} {'words unheard of' * (u >= N_USERS + 4)}".strip()
                    for u in range(n)
                ],
                "member": rng.random(n) < 0.5,
            }
        ),
        "items": pd.DataFrame({"item": range(N_ITEMS), "item_id": 100 + np.arange(N_ITEMS)}),
    }
    return write_dataset(
        folder, {**tables, **({"searches": searches} if timed else {})}, {"name": "w"}
    )


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return {
        timed: world(tmp_path_factory.mktemp("w") / "w", timed=timed) for timed in (True, False)
    }


def said_of(data, user, moment):
    """Return the features of a new user, as in features.json."""
    known = data.table("fold_in").query("user == @user")
    made = {"history": (100 + known["item"]).tolist()}
    if "timestamp" in known:
        known = known.sort_values("timestamp", kind="stable")
        made["history"] = (100 + known["item"]).tolist()
        made["watched"] = known["share"].tolist()
        made["moment"] = moment
        if len(known):
            made["last_event"] = int(known["timestamp"].max())
        asked = data.known("searches").query("user == @user").sort_values("timestamp")
        made["searches"] = asked["query"].tolist()
    for column, value in data.users.iloc[user].items():
        if column in KINDS:
            plain = value.tolist() if hasattr(value, "tolist") else value
            made[column] = None if plain is None or plain != plain else plain
    return made


def asked(tower, features, items=None):
    return tower.vector(
        {name: value for name, value in features.items() if name in tower.reads},
        lambda item: item - 100,
        items,
    )


SMALL = {"dim": 6, "epochs": 2, "batch_size": 64, "learning_rate": 0.02, "user_features": KINDS}
ALL = ["id", "history", "features", "searches", "time"]
LAYERS = {"hidden": [7, 5], "feature_dim": 3}
CASES = {
    "all, added up": (TwoTower, {"query_inputs": ALL}),
    "all, through layers": (TwoTower, {"query_inputs": ALL, **LAYERS, "similarity": "dot"}),
    "normalized, by attention": (
        TwoTower,
        {"query_inputs": ALL, **LAYERS, "normalization": "layer", "pooling": "attention"},
    ),
    "a few last ones, fading": (
        TwoTower,
        {"query_inputs": ["history"], "pooling": "fading", "fading": 0.6, "history_length": 3},
    ),
    "by attention alone": (
        TwoTower,
        {"query_inputs": ["history"], "pooling": "attention", "history_length": 4},
    ),
    "shares of a sum": (
        TwoTower,
        {"query_inputs": ["id", "history"], "id_share": 0.3, "popularity_weight": 0.1},
    ),
    "seldom items": (
        TwoTower,
        {"query_inputs": ["id", "history"], "id_at_least": 22, "shared_item_table": False},
    ),
    "sums with a bias": (HybridWARP, {"fading": 0.7, "history_length": 4}),
    "softmax network": (SoftmaxNetwork, {"hidden": [7], "feature_dim": 3}),
    "softmax network, no biases": (
        SoftmaxNetwork,
        {"query_inputs": ["history", "example_age"], "biases": False},
    ),
    "softmax network of watch time": (
        SoftmaxNetwork,
        {
            "query_inputs": ["history", "time", "watch_time"],
            "watch_column": "share",
            "weighted_history": True,
            "pooling": "fading",
            "history_length": 4,
            "id_dropout": 0.5,
        },
    ),
}
UNTIMED = ("a few last ones, fading", "shares of a sum", "seldom items")


def exported_tower(model, folder):
    np.savez(folder / "query_tower.npz", **model.portable_queries())
    return QueryTower(folder / "query_tower.npz")


@pytest.mark.parametrize("case", CASES)
def test_new_users_get_the_vector_that_the_trained_tower_gives(worlds, tmp_path, case):
    kind, settings = CASES[case]
    for timed in (True, False) if case in UNTIMED else (True,):
        data = worlds[timed]
        model = kind(**{**SMALL, **settings}).fit(data)
        tower = exported_tower(model, tmp_path)
        users = np.arange(N_USERS, N_USERS + N_NEW)
        users = users[model.known_users_[users]]
        expected = model.user_vectors(users)
        found = [asked(tower, said_of(data, user, model.moment_)) for user in users]
        np.testing.assert_allclose(found, expected, atol=rounding(np.float32, N_TERMS, expected))
        assert np.ptp(expected, axis=0).max() > 0.01  # new users differ


def test_the_hour_and_the_gap_are_read_as_of_the_moment(worlds, tmp_path):
    model = TwoTower(**SMALL, query_inputs=["history", "time"]).fit(worlds[True])
    tower, user = exported_tower(model, tmp_path), N_USERS + 3
    vectors = []
    for later in (0, 3_600, 9 * DAY + 23 * 3_600):
        moment = model.moment_ + later
        at_moment = model._learned.now(model._log, np.array([user]), moment)
        expected = model._learned.query_vectors(at_moment)[0]
        vectors.append(asked(tower, said_of(worlds[True], user, moment)))
        atol = rounding(np.float32, N_TERMS, expected)
        np.testing.assert_allclose(vectors[-1], expected, atol=atol)
    assert np.abs(vectors[2] - vectors[0]).max() > 0.01


def test_a_history_of_which_nobody_says_how_much_was_watched_weighs_alike(worlds, tmp_path):
    settings = {"query_inputs": ["history"], "watch_column": "share", "weighted_history": True}
    model = SoftmaxNetwork(**SMALL, **settings).fit(worlds[True])
    tower = exported_tower(model, tmp_path)
    history = {"history": [101, 105, 109]}
    alike = asked(tower, {**history, "watched": [0.3, 0.3, 0.3]})
    np.testing.assert_allclose(asked(tower, history), alike, rtol=1e-5)
    assert np.abs(asked(tower, {**history, "watched": [1, 0, 0]}) - alike).max() > 1e-3
    for wrong in ([1, 1], [1, 1, -1], [1, 1, "all"], [1, 1, None], 1, [1, 1, float("nan")]):
        with pytest.raises(FeatureError, match="watched must be a list of 3 numbers of 0 or more"):
            asked(tower, {**history, "watched": wrong})


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(TwoTower, {"popularity_weight": 0.1, "similarity": "dot"}), (HybridWARP, {})],
)
def test_a_tower_of_ids_answers_unknown_users_by_the_mean_of_their_items(
    worlds, tmp_path, kind, settings
):
    model = kind(**SMALL, query_inputs=["id"], **settings).fit(worlds[False])
    tower, users = exported_tower(model, tmp_path), np.arange(N_USERS, N_USERS + N_NEW - 1)
    assert tower.reads == {"history": "list of item ids, oldest first"}
    found = [asked(tower, said_of(worlds[False], user, 0), model.item_vectors()) for user in users]
    expected = model.user_vectors(users)
    np.testing.assert_allclose(found, expected, atol=rounding(np.float32, N_TERMS, expected))


def test_no_user_of_training_travels_with_the_tower(worlds):
    """Only one row of the id table is exported, the one that unknown users share."""
    model = TwoTower(**SMALL, query_inputs=["id", "history"]).fit(worlds[False])
    arrays = model.portable_queries()
    assert arrays["0/table"].shape == (1, 6)
    np.testing.assert_array_equal(arrays["0/table"][0], model._learned.queries[0].table.rows[-1])


@pytest.fixture(scope="module")
def tower(worlds, tmp_path_factory):
    model = TwoTower(**{**SMALL, "epochs": 1}, query_inputs=ALL[1:]).fit(worlds[True])
    return exported_tower(model, tmp_path_factory.mktemp("t"))


def test_what_may_be_said_is_listed_with_examples(tower):
    said = tower.reads
    assert list(said) == ["history", *KINDS, "searches", "moment", "last_event"]
    assert said["place"] == 'such as "east", "north", "sea side"'
    assert said["likes"] == 'a list of values, such as "a", "b", "c"'
    assert said["member"] == "such as false, true" and said["age"] == "a number"


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"plaice": "north"}, r"reads no feature 'plaice'.*Did you mean 'place'"),
        ({"age": float("nan")}, r"age must be a finite number, got nan\. Leave it out"),
        ({"age": "old"}, "age must be a finite number, got 'old'"),
        ({"paid": -1}, "paid must be 0 or more, got -1"),
        ({"likes": "a"}, "likes must be a list of values, such as.*got 'a'"),
        ({"place": ["north"]}, 'place must be such as "east"'),
        ({"history": 100}, "history must be a list, oldest first; got 100"),
        ({"searches": "red"}, "searches must be a list, oldest first; got 'red'"),
        ({"moment": "now"}, "moment must be a finite number"),
        ([], "Features are one JSON object; got list"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tower, features, message):
    with pytest.raises(FeatureError, match=message):
        tower.vector(features, lambda item: item - 100, None)


def test_a_user_without_any_feature_is_answered_only_by_a_tower_of_features(
    tower, worlds, tmp_path
):
    assert np.isfinite(tower.vector({}, lambda item: item, None)).all()
    of_histories = exported_tower(
        TwoTower(**SMALL, query_inputs=["history"]).fit(worlds[False]), tmp_path
    )
    with pytest.raises(FeatureError, match=r"needs a history of at least one item"):
        of_histories.vector({"history": []}, lambda item: item, None)


def test_the_reader_of_towers_needs_numpy_alone():
    code = (
        "import sys; sys.modules['candgen'] = None; import runpy;"
        "runpy.run_path(sys.argv[1]);"
        "print({'pandas', 'scipy', 'sklearn', 'tensorflow', 'numba'} & set(sys.modules))"
    )
    from candgen.serving import reader_new_users

    said = subprocess.run(
        [sys.executable, "-c", code, reader_new_users.__file__], capture_output=True, text=True
    )
    assert said.stdout.strip() == "set()", said.stderr


# --- exported


@pytest.fixture(scope="module")
def home(worlds, tmp_path_factory):
    """A run of a softmax network with biases, exported and moved away."""
    root = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "params", "outputs/asked/network"):
        (root / name).mkdir(parents=True)
    data = worlds[True]
    model = SoftmaxNetwork(**{**SMALL, "epochs": 1}, hidden=[7], feature_dim=3).fit(data)
    run = root / "outputs" / "asked" / "network"
    Run(run, {})._write_vectors(model, data)
    described = {"name": "w", "digest": data.digest, "folder": str(data.folder)}
    row = {"generator": "SoftmaxNetwork", "baseline": False, "settings": model.settings}
    files.write_json(run / "metrics.json", {"dataset": described, "generators": [row]})
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        made = export(run)
    return made.rename(root / "moved"), run, model, data


def test_an_exported_run_of_towers_answers_new_users_without_tensorflow(home, tmp_path):
    folder, _, model, data = home
    user = N_USERS + 2
    said = said_of(data, user, model.moment_)
    del said["last_event"], said["watched"]  # the network reads no time since then
    (tmp_path / "new.json").write_text(json.dumps(said))
    code = (
        "import sys, runpy; sys.modules['candgen'] = None;"
        "sys.argv = ['reader.py', '--features', sys.argv[1], '-k', '8', '--json'];"
        "sys.exit = lambda code: print({'pandas', 'tensorflow', 'numba'} & set(sys.modules),"
        " file=sys.stderr); runpy.run_path('reader.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "new.json"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    scores = model.user_vectors([user])[0] @ model.item_vectors().T
    scores[data.history_matrix[[user]].indices] = -np.inf
    scores[~model.known_items_] = -np.inf
    best = np.argsort(-scores)[:8]
    found = json.loads(done.stdout)
    assert [row["item"] for row in found] == (100 + best).tolist()
    atol = rounding(np.float32, N_TERMS, scores)
    np.testing.assert_allclose([row["score"] for row in found], scores[best], atol=atol)
    assert done.stderr.strip() == "set()"


def test_the_folder_lists_the_features_of_new_users(home):
    folder = home[0]
    told = (folder / "README.md").read_text()
    for line in ("history      list of item ids, oldest first", 'place        such as "east"'):
        assert line in told
    with pytest.raises(ReaderError, match=r"by --features FILE: history \(list of item ids"):
        Exported(folder).for_user("nobody", 3)
    with pytest.raises(ReaderError, match=r"no feature 'plaice'.*Did you mean 'place'"):
        Exported(folder).for_features({"plaice": "north"}, 3)
    with pytest.raises(ReaderError, match=r"age holds nan\. Leave out what is unknown"):
        Exported(folder).for_features({"age": float("nan")}, 3)
    with pytest.raises(ReaderError, match="There is no item 5 among"):
        Exported(folder).for_features({"history": [5]}, 3)
    assert len(Exported(folder).for_features({}, 3)) == 3  # columns are read, so anybody is


def test_a_query_tower_of_other_vectors_is_refused(home, worlds, tmp_path):
    _, run, _, data = home
    other = TwoTower(**{**SMALL, "epochs": 1}, query_inputs=["history"]).fit(data)
    shutil.copytree(run, tmp_path / "run")
    np.savez(tmp_path / "run" / "query_tower.npz", **other.portable_queries())
    with pytest.raises(DataError, match=r"vectors of 6 numbers for 25 items.*25 of 7\. Run the"):
        export(tmp_path / "run", tmp_path / "out")
    (tmp_path / "run" / "query_tower.npz").write_bytes(b"half")
    with pytest.raises(DataError, match=r"query_tower.npz cannot be opened.*Run the page again"):
        export(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()
