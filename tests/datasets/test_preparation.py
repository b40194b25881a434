import re

import numpy as np
import pandas as pd
import pytest

from candgen import files
from candgen.datasets import Source, open_dataset, preparation
from candgen.datasets.cells import date_to_seconds
from candgen.datasets.preparation import check_settings, prepare, source_settings
from candgen.errors import DataError, SettingError
from candgen.sweeps.notebook_parameters import read_notebook

SPLITS = [
    "timeline",
    "leave_last_out",
    "random_per_user",
    "random_rows",
    "held_out_users",
    "cold_users",
    "cold_items",
]


@pytest.fixture
def plays(tmp_path):
    """A file of 600 distinct events of 30 users and 40 items, raw ids with gaps."""
    rng = np.random.default_rng(0)
    keys = rng.choice(30 * 40, 600, replace=False)
    frame = pd.DataFrame(
        {
            "user": 1000 - 7 * (keys // 40),
            "item": 5 + 3 * (keys % 40),
            "rating": rng.integers(1, 6, 600),
            "timestamp": rng.integers(0, 5000, 600),
        }
    )
    path = tmp_path / "plays.csv"
    frame.to_csv(path, index=False)
    return path


def prepared(folder, plays, **settings):
    return prepare(folder, source="table", path=str(plays), **settings)


def raw(data, table):
    """Rows of a table as the source spelled them."""
    frame = data.table(table)
    users = data.users["user_id"].to_numpy()[frame["user"]]
    items = data.items["item_id"].to_numpy()[frame["item"]]
    return sorted(zip(users.tolist(), items.tolist(), frame["timestamp"].tolist(), strict=True))


@pytest.mark.parametrize("policy", SPLITS)
def test_the_parts_are_disjoint_and_together_all_events(tmp_path, plays, policy):
    data = prepared(tmp_path / "d", plays, split=policy)
    names = [n for n in ("train", "validation", "test", "fold_in") if data.has(n)]
    together = sorted(row for name in names for row in raw(data, name))
    assert together == raw(data, "interactions")
    source = pd.read_csv(plays)[["user", "item", "timestamp"]]
    assert together == sorted(map(tuple, source.values.tolist()))


@pytest.mark.parametrize("policy", SPLITS)
def test_the_same_settings_give_the_same_digest(tmp_path, plays, policy):
    one, two = (prepared(tmp_path / n, plays, split=policy, name="d", seed=3) for n in "ab")
    assert one.digest == two.digest


def test_dense_ids_are_sorted_raw_ids_whatever_the_order_of_rows(tmp_path, plays):
    data = prepared(tmp_path / "a", plays)
    shuffled = pd.read_csv(plays).sample(frac=1, random_state=1)
    shuffled.to_csv(plays, index=False)
    again = prepared(tmp_path / "b", plays)
    assert data.users["user_id"].is_monotonic_increasing
    assert data.items["item_id"].is_monotonic_increasing
    assert raw(data, "train") == raw(again, "train")


def test_no_user_is_tested_on_something_older_than_training(tmp_path, plays):
    data = prepared(tmp_path / "d", plays)
    assert data.train["timestamp"].max() <= data.held_out["timestamp"].min()
    early = data.for_validation()
    assert early.train["timestamp"].max() <= early.held_out["timestamp"].min()
    assert data.warnings == []


def test_every_step_that_drops_events_is_counted(tmp_path, plays):
    data = prepared(tmp_path / "d", plays, min_rating=3, min_user_events=10, min_item_events=5)
    steps = data.info["steps"]
    assert [s["step"] for s in steps] == [
        "read",
        "rated 3 or better",
        "10 or more a user, 5 or more an item",
    ]
    assert steps[0]["events"] == 600
    assert steps[1]["events"] == (pd.read_csv(plays)["rating"] >= 3).sum()
    assert steps[2]["events"] == len(data.table("interactions"))
    events = data.table("interactions")
    assert np.bincount(events["user"]).min() >= 10
    assert np.bincount(events["item"]).min() >= 5


def test_every_setting_is_recorded(tmp_path, plays):
    data = prepared(tmp_path / "d", plays, seed=4)
    recorded = data.info["parameters"]
    assert recorded["seed"] == 4
    assert recorded["split"] == "timeline"
    assert recorded["path"] == str(plays)
    assert recorded["id_type"] == "auto"
    assert data.info["source"]["inputs"][0]["path"] == "plays.csv"


def test_a_random_split_carries_its_warning(tmp_path, plays):
    (warning,) = prepared(tmp_path / "d", plays, split="random_per_user").warnings
    assert re.search(r"\d+% of the test events have a later event of the same user", warning)


def test_dates_cut_the_timeline(tmp_path, plays):
    data = prepared(
        tmp_path / "d",
        plays,
        validation_from="1970-01-01T00:50:00",
        test_from="1970-01-01T01:06:40+00:00",
    )
    assert data.table("validation")["timestamp"].between(3000, 3999).all()
    assert data.table("test")["timestamp"].min() >= 4000
    assert date_to_seconds("1970-01-02") == 86400


def test_paths_count_from_the_folder_that_is_given(tmp_path, plays):
    data = prepare(tmp_path / "d", source="table", path="plays.csv", relative_to=plays.parent)
    assert data.info["parameters"]["path"] == "plays.csv"


def test_features_follow_the_dense_ids_and_stay_empty_where_unknown(tmp_path, plays):
    ids = sorted(pd.read_csv(plays)["item"].unique())
    features = pd.DataFrame({"item": ids[:-1][::-1]})
    features["title"] = [f"Film {i}" for i in features["item"]]
    features["price"] = features["item"] * 10
    features.to_csv(tmp_path / "items.csv", index=False)
    data = prepared(tmp_path / "d", plays, items_path=str(tmp_path / "items.csv"))
    assert data.items["price"][0] == ids[0] * 10
    assert data.titles[0] == f"Film {ids[0]}"
    assert np.isnan(data.items["price"].iloc[-1])
    assert data.titles[-1] == str(ids[-1])


def test_features_that_match_no_event_are_refused(tmp_path, plays):
    (tmp_path / "items.csv").write_text("item,title\nx,A\n")
    with pytest.raises(DataError, match=r"table of items .* the table has 'x'"):
        prepared(tmp_path / "d", plays, items_path=str(tmp_path / "items.csv"))


# --- refusals


def test_duplicated_events_are_refused_with_their_rows(tmp_path, plays):
    lines = plays.read_text().splitlines()
    plays.write_text("\n".join([*lines, lines[3]]) + "\n")
    with pytest.raises(
        DataError, match=r"plays\.csv: user .* rows 3 and 601, counted .* \(1 repeated events"
    ):
        prepared(tmp_path / "d", plays, duplicates="refuse")


def test_repeated_pairs_of_a_table_count_once_with_the_latest_time_and_are_counted(tmp_path):
    rows = ["user,item,rating,timestamp", "1,5,4,900", "1,6,3,100", "1,5,2,300", "2,5,1,50"]
    (tmp_path / "plays.csv").write_text("\n".join([*rows, "2,5,5,70", "2,6,1,80"]))
    data = prepared(tmp_path / "d", tmp_path / "plays.csv", split="random_rows", test_fraction=0.5,
                    validation_fraction=0)  # fmt: skip
    kept = data.table("interactions").sort_values(["user", "item"])
    assert kept["rating"].tolist() == [4, 3, 5, 1]
    assert kept["timestamp"].tolist() == [900, 100, 70, 80]
    assert data.info["notes"] == [
        "plays.csv: 2 of 6 events repeat a pair of user and item. Each pair counts as one "
        "interaction, with its latest time (duplicates=last)."
    ]
    assert data.info["parameters"]["duplicates"] == "last"


@pytest.mark.parametrize(
    ("settings", "forgotten"),
    [
        ({}, 2),
        ({"duplicates": "last", "split": "leave_last_out"}, 2),
        ({"duplicates": "first"}, 0),
        ({"repeats": "allow"}, 0),
        ({"split": "random_rows", "test_fraction": 0.5}, 0),
    ],
)
def test_pairs_that_the_last_event_alone_takes_out_of_training_are_warned_of(
    tmp_path, settings, forgotten
):
    """Users 1 and 2 have item 5 in training and again at the end; user 3 has only new items."""
    rows = [(u, 10 + i, 10 * i + u) for u in (1, 2, 3, 4) for i in range(8)]
    rows += [(1, 5, 3), (2, 5, 4), (1, 5, 501), (2, 5, 502), (3, 6, 503), (4, 7, 504)]
    lines = ["user,item,timestamp", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "plays.csv").write_text("\n".join(lines))
    told = {"test_fraction": 0.1, "validation_fraction": 0.0, **settings}
    data = prepared(tmp_path / "d", tmp_path / "plays.csv", **told)
    said = [text for text in data.warnings if "duplicates=last" in text]
    assert len(said) == (forgotten > 0)
    assert all(text.startswith(f"{forgotten} of 4 test events repeat a pair") for text in said)


def test_filters_that_leave_nothing_say_where_it_went(tmp_path, plays):
    with pytest.raises(DataError) as caught:
        prepared(tmp_path / "d", plays, min_rating=4, min_user_events=40)
    assert "no events are left (read: 600, rated 4 or better: " in str(caught.value)


def test_an_empty_split_is_refused_and_leaves_no_dataset(tmp_path, plays):
    with pytest.raises(DataError, match="The test part is empty"):
        prepared(tmp_path / "d", plays, test_from="2030-01-01")
    with pytest.raises(DataError, match="is not a prepared dataset"):
        open_dataset(tmp_path / "d")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"sources": "world"}, "no setting 'sources'. Did you mean 'source'"),
        ({"source": "movie"}, "source must be one of .*; got 'movie'. Did you mean 'movielens'"),
        (
            {"split": "time"},
            "split must be one of '', timeline, .*; got 'time'. Did you",
        ),
        ({"seed": "1"}, "seed must be a whole number, got '1'"),
        ({"seed": True}, "seed must be a whole number, got True"),
        ({"seed": -1}, "seed must be 0 or greater, got -1"),
        ({"min_user_events": 0}, "min_user_events must be 1 or greater, got 0"),
        ({"duplicates": "drop"}, "duplicates must be one of '', refuse, .*; got 'drop'"),
        ({"test_from": "soon"}, "test_from must be a date such as 2018-01-31, got 'soon'"),
        ({"source": "given", "split": "timeline"}, "source given brings its own split"),
        ({"source": "given", "min_user_events": 5}, "given split is left as it is"),
        ({"source": "table", "n_users": 7}, "n_users is 7, but it belongs to source world"),
        ({"n_users": -1}, "n_users must be 1 or greater, got -1"),
        ({"n_users": 2e7}, "n_users must be a whole number, got 20000000.0"),
        ({"n_users": 20_000_000}, "n_users must be at most 10,000,000, got 20000000"),
    ],
)
def test_settings_are_checked_before_any_work(tmp_path, settings, expected):
    with pytest.raises(SettingError, match=expected):
        prepare(tmp_path / "d", **settings)
    assert not (tmp_path / "d").exists()


def test_settings_of_other_sources_may_be_passed_at_their_defaults():
    others = {"n_users": 1500, "rating_scale": [], "layout": "adjacency", "train_path": ""}
    own, of_source = check_settings({"source": "movielens", "variant": "25m", **others})
    assert own.source == "movielens"
    assert of_source.model_dump() == {"path": "", "variant": "25m"}


# --- splits made by others


@pytest.fixture
def halves(tmp_path):
    (tmp_path / "train.txt").write_text("5 50 60 70 80\n9 60 70\n")
    (tmp_path / "test.txt").write_text("5 90\n9 50\n")
    return {
        "source": "given",
        "train_path": str(tmp_path / "train.txt"),
        "test_path": str(tmp_path / "test.txt"),
    }


def pairs(data, table):
    frame = data.table(table)
    return list(zip(data.users["user_id"][frame["user"]], data.items["item_id"][frame["item"]],
                    strict=True))  # fmt: skip


def test_a_given_split_is_left_as_it_is(tmp_path, halves):
    data = prepare(tmp_path / "d", **halves, validation_fraction=0.0)
    assert pairs(data, "train") == [(5, 50), (5, 60), (5, 70), (5, 80), (9, 60), (9, 70)]
    assert pairs(data, "test") == [(5, 90), (9, 50)]
    assert not data.has("validation")


def test_validation_is_taken_from_a_given_train_part_and_given_back_for_test(tmp_path, halves):
    data = prepare(tmp_path / "d", **halves, validation_fraction=0.25)
    assert len(data.table("validation")) == 2
    assert data.train_matrix.nnz == 6
    assert pairs(data, "test") == [(5, 90), (9, 50)]


def test_candidate_lists_are_numbered_and_widen_the_catalogue(tmp_path, halves):
    (tmp_path / "lists.txt").write_text("5 90 95\n")
    lists = str(tmp_path / "lists.txt")
    data = prepare(tmp_path / "d", **halves, candidates_path=lists, validation_fraction=0.0)
    assert pairs(data, "candidate_lists") == [(5, 90), (5, 95)]
    assert data.n_items == 6


def test_lists_of_both_parts_are_numbered_alike(tmp_path, halves):
    texts = {"validation": "9 80\n", "lists": "5 90 95\n", "others": "9 97 80\n5 95\n"}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    settings = {
        "validation_path": str(tmp_path / "validation.txt"),
        "candidates_path": str(tmp_path / "lists.txt"),
        "validation_candidates_path": str(tmp_path / "others.txt"),
    }
    data = prepare(tmp_path / "d", **halves, **settings)
    assert pairs(data, "candidate_lists") == [(5, 90), (5, 95)]
    assert sorted(pairs(data, "validation_candidate_lists")) == [(5, 95), (9, 80), (9, 97)]
    assert data.n_items == 7


def test_a_candidate_list_of_nobody_is_refused(tmp_path, halves):
    (tmp_path / "lists.txt").write_text("77 90\n")
    with pytest.raises(DataError, match="user 77 has a candidate list but no events"):
        prepare(tmp_path / "d", **halves, candidates_path=str(tmp_path / "lists.txt"))


def test_duplicates_of_a_given_part_are_named_by_part(tmp_path, halves):
    (tmp_path / "test.txt").write_text("5 90 90\n")
    with pytest.raises(DataError, match="test part: user 5 and item 90 occur together"):
        prepare(tmp_path / "d", **halves)


@pytest.mark.data
def test_gowalla_keeps_its_published_counts(tmp_path, real_data):
    data = prepare(
        tmp_path / "gowalla",
        source="given",
        train_path=str(real_data / "gowalla/train.txt"),
        test_path=str(real_data / "gowalla/test.txt"),
    )
    assert (data.n_users, data.n_items) == (29_858, 40_981)
    assert len(data.train) == data.train_matrix.nnz == 810_128
    assert len(data.held_out) == data.held_out_matrix.nnz == 217_242
    assert len(data.for_validation().train) + len(data.table("validation")) == 810_128


@pytest.mark.data
def test_ml_latest_small_is_cut_80_10_10(tmp_path, real_data):
    films = str(real_data / "ml-latest-small")
    data = prepare(tmp_path / "films", source="movielens", path=films)
    sizes = [len(data.table(name)) for name in ("train", "validation", "test")]
    assert sizes == [80_668, 10_084, 10_084]
    assert (data.n_users, data.n_items) == (610, 9_724)
    assert data.name == "films"


# --- further event tables, and the world


class Oracle:
    """Remembers which ids it was saved with."""

    def save(self, folder, user_ids, item_ids):
        ids = {"users": user_ids.tolist(), "items": item_ids.tolist()}
        files.write_json(folder / "oracle" / "ids.json", ids)


@pytest.fixture
def shown(monkeypatch):
    """A source with impressions and searches, in place of the world."""
    events = pd.DataFrame(
        {
            "user": [11, 11, 11, 22, 22, 22, 11, 22, 11, 22],
            "item": [70, 71, 72, 70, 71, 73, 73, 72, 74, 74],
            "timestamp": range(100, 200, 10),
        }
    )
    impressions = events.assign(position=1, engaged=True)
    skipped = pd.DataFrame(
        {"user": [11, 22, 99, 11], "item": [70, 74, 70, 55], "timestamp": [199, 100, 100, 100]}
    )  # 22 sees 74 in vain long before engaging with it; 99 and 55 have no events
    impressions = pd.concat([impressions, skipped.assign(position=2, engaged=False)])
    searches = pd.DataFrame({"user": [11, 22, 99], "timestamp": [100, 195, 100], "query": "x"})
    source = Source(
        kind="world",
        title="shown",
        interactions=events,
        extras={"impressions": impressions.reset_index(drop=True), "searches": searches},
        oracle=Oracle(),
    )
    monkeypatch.setattr(preparation, "_read", lambda *_: source)


def test_rows_of_further_tables_lie_in_the_part_of_their_time(tmp_path, shown):
    data = prepare(tmp_path / "d", test_fraction=0.2, validation_fraction=0.2)
    cut, end = data.info["split"]["train_ends"], data.info["split"]["test_starts"]
    assert (cut, end) == (160, 180)
    early, middle, late = (
        data.table(name)["timestamp"].to_list()
        for name in ("impressions", "impressions_validation", "impressions_test")
    )
    # Of 14, one has an unknown user and one an unknown item. Two are of 100: an event, and what 22
    # was shown in vain and engages with at 190.
    assert sorted(early) == [100, 100, 110, 120, 130, 140, 150]
    assert (sorted(middle), sorted(late)) == ([160, 170], [180, 190, 199])
    sizes = {"read": 14, "of_unknown": 2, "train": 7, "validation": 2, "test": 3}
    assert data.info["extras"]["impressions"] == sizes
    sizes = {"read": 3, "of_unknown": 1, "train": 1, "validation": 0, "test": 1}
    assert data.info["extras"]["searches"] == sizes


@pytest.mark.parametrize("policy", SPLITS)
def test_models_see_no_held_out_engagement_but_what_was_shown_in_vain_before(
    tmp_path, shown, policy
):
    settings = {"test_fraction": 0.4, "validation_fraction": 0.0, "fold_in_fraction": 0.5}
    data = prepare(tmp_path / policy, split=policy, **settings)
    held = set(map(tuple, data.held_out[["user", "item"]].values.tolist()))
    seen = data.known("impressions")
    engaged = seen.loc[seen["engaged"], ["user", "item"]].values.tolist()
    assert not held & set(map(tuple, engaged))
    user, item = (
        int(np.flatnonzero(table == raw)[0])
        for table, raw in ((data.users["user_id"], 22), (data.items["item_id"], 74))
    )
    waits = (seen["user"] == user) & (seen["item"] == item) & ~seen["engaged"]
    of_train = data.train["user"].eq(user).any() and data.train["item"].eq(item).any()
    joins_later = policy in ("held_out_users", "cold_users", "cold_items") and not of_train
    assert waits.sum() == (0 if joins_later else 1)


def test_a_dataset_of_an_earlier_format_is_not_read(tmp_path, plays):
    prepared(tmp_path / "d", plays)
    info = files.read_json(tmp_path / "d" / "dataset.json")
    files.write_json(tmp_path / "d" / "dataset.json", info | {"format": 1})
    with pytest.raises(DataError, match="format 1, this version reads 2"):
        open_dataset(tmp_path / "d")


def test_the_oracle_is_saved_with_the_ids_in_dense_order(tmp_path, shown):
    data = prepare(tmp_path / "d")
    saved = files.read_json(tmp_path / "d" / "oracle" / "ids.json")
    assert saved["users"] == data.users["user_id"].tolist() == [11, 22]
    assert saved["items"] == data.items["item_id"].tolist()


def test_another_dataset_in_the_folder_takes_the_oracle_away(tmp_path, shown, plays, monkeypatch):
    prepare(tmp_path / "d")
    monkeypatch.undo()
    prepared(tmp_path / "d", plays)
    assert not (tmp_path / "d" / "oracle").exists()
    assert not (tmp_path / "d" / "impressions.parquet").exists()


def test_a_small_world_is_prepared_with_its_oracle(tmp_path):
    data = prepare(tmp_path / "d", n_users=60, n_items=120, events_per_user=15.0, seed=2)
    assert data.n_users == 60
    assert data.has("impressions") and data.has("searches")
    assert (tmp_path / "d" / "oracle").is_dir()
    assert data.info["parameters"]["events_per_user"] == 15.0


def test_the_notebook_states_the_defaults_and_meanings_of_the_settings_classes(root):
    stated = read_notebook(root / "notebooks" / "10_prepare_data.ipynb").parameters
    classes = [preparation.PreparationSettings, *map(source_settings, preparation.SOURCES)]
    defaults = {name: value for made in classes for name, value in made().model_dump().items()}
    assert {name: p.default for name, p in stated.items()} == (
        defaults | {"name": "world", "run_folder": ""}
    )
    for name, parameter in stated.items():
        fields = [made.model_fields[name] for made in classes if name in made.model_fields]
        meanings = [field.description.rstrip(".") for field in fields]
        assert name == "run_folder" or parameter.help.lower() in map(str.lower, meanings)
