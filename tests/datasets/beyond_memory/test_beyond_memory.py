"""Preparation beyond memory makes the dataset that preparation in memory makes, byte for byte."""

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from candgen.datasets.beyond_memory import database, output
from candgen.datasets.preparation import check_settings, prepare
from candgen.datasets.reading import blocks, columns, text
from candgen.errors import DataError, SettingError

BY_TIME = ["timeline", "leave_last_out"]
SPLITS = [*BY_TIME, "cold_users", "cold_items"]
DAY = 86_400


def events(n=600, users=30, items=40, seed=0, **changed) -> pd.DataFrame:
    """Events with gaps in the ids, ratings in halves, and many equal times."""
    rng = np.random.default_rng(seed)
    keys = rng.choice(users * items, n, replace=False)
    frame = {
        "user": 1000 - 7 * (keys // items),
        "item": 5 + 3 * (keys % items),
        "rating": rng.integers(1, 11, n) / 2,
        "timestamp": rng.integers(0, n // 3, n) * DAY,
    }
    return pd.DataFrame({name: held for name, held in frame.items()} | changed)


def repeated(frame: pd.DataFrame, seed=1) -> pd.DataFrame:
    """The same events, a third of them twice at other times and in another order."""
    again = frame.sample(frac=0.34, random_state=seed)
    if "timestamp" in frame:
        times = np.random.default_rng(seed).permutation(again["timestamp"].to_numpy())
        again = again.assign(timestamp=times)
    return pd.concat([frame, again]).sample(frac=1, random_state=seed)


def named(ids: pd.Series) -> pd.Series:
    """Text ids whose order is not that of the numbers, some with letters beyond ASCII."""
    return ids.map(lambda i: f"{'éZaλ'[i % 4]}{i}")


def within_a_second(frame: pd.DataFrame) -> pd.DataFrame:
    """Dates with fractions, so that seconds alone do not order the events."""
    rng = np.random.default_rng(2)
    moments = pd.to_datetime(
        rng.integers(0, 40, len(frame)) * 10**9 + rng.integers(0, 8, len(frame)) * 125_000_000,
        unit="ns",
    )
    return frame.assign(timestamp=moments.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Files arrive in dozens of blocks, and row groups end within a table."""
    monkeypatch.setattr(text, "BLOCK", 1 << 10)
    monkeypatch.setattr(columns, "ROWS_PER_BLOCK", 100)


@pytest.fixture
def both(tmp_path):
    """Prepare in memory and beyond it; return the one, with its description, after comparing."""

    def prepared(content, name="events.csv", **settings):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            content = content.to_csv(index=False).encode()
        path.write_bytes(content)
        settings = {"source": "table", "path": str(path)} | settings
        made = [
            prepare(tmp_path / which / "d", **settings, **more)
            for which, more in (("in", {}), ("beyond", {"memory": "1GB"}))
        ]
        described = [(data.folder / "dataset.json").read_text() for data in made]
        assert described[0] == described[1]
        assert sorted(p.name for p in (tmp_path / "beyond").iterdir()) == ["d"]
        return made[1]

    return prepared


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_is_the_same(both, split):
    data = both(events(), split=split)
    parts = [data.table(n) for n in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 600 and min(map(len, parts)) > 0


@pytest.mark.parametrize("validation", [0.0, 0.1])
def test_users_with_a_few_events_keep_them_alike(both, validation):
    data = both(events(n=60), split="leave_last_out", validation_fraction=validation)
    assert len(data.table("test")) < data.n_users  # some have too few


@pytest.mark.parametrize("split", BY_TIME)
@pytest.mark.parametrize("validation", [0.0, 0.3])
def test_shares_of_the_parts_are_the_same(both, split, validation):
    data = both(events(), split=split, validation_fraction=validation, test_fraction=0.25)
    assert data.has("validation") == (validation > 0)


@pytest.mark.parametrize("validation_from", ["", "1970-04-01"])
def test_a_split_by_dates_is_the_same(both, validation_from):
    both(events(), test_from="1970-06-01", validation_from=validation_from)


@pytest.mark.parametrize("duplicates", ["first", "last", "keep"])
@pytest.mark.parametrize("split", BY_TIME)
def test_repeated_pairs_are_settled_alike(both, duplicates, split):
    data = both(repeated(events()), duplicates=duplicates, split=split)
    assert len(data.table("interactions")) == (804 if duplicates == "keep" else 600)


@pytest.mark.parametrize("turns", [1, 7])
def test_repeated_pairs_are_found_in_several_turns(both, monkeypatch, turns):
    pair_bytes = turns * int(0.55 * 2**30) // 804
    monkeypatch.setattr(database, "_PAIR_BYTES", pair_bytes if turns > 1 else 100)
    both(repeated(events()), duplicates="first")


def test_repeated_pairs_without_times_go_by_rows(both):
    frame = repeated(events().drop(columns="timestamp"))
    frame["rating"] = np.arange(len(frame)) % 10 / 2
    both(frame, split="cold_users")


@pytest.mark.parametrize("split", BY_TIME)
def test_times_within_a_second_keep_their_order(both, split):
    frame = within_a_second(repeated(events()))
    data = both(frame, split=split, timestamp_unit="iso")
    assert data.table("interactions")["timestamp"].is_monotonic_increasing


@pytest.mark.parametrize("split", BY_TIME)
def test_equal_times_go_by_rows_and_are_warned_of(both, split):
    data = both(events(timestamp=77), split=split)
    assert any("all events have the same time" in said for said in data.warnings)
    few = both(events().assign(timestamp=lambda f: f["timestamp"] // (60 * DAY)), split=split)
    assert any("order of rows decides" in said for said in few.warnings)


def test_filters_drop_the_same(both):
    data = both(events(), min_rating=2.5, min_user_events=10, min_item_events=6)
    assert [step["events"] for step in data.info["steps"]] == sorted(
        {step["events"] for step in data.info["steps"]}, reverse=True
    )
    assert data.n_users < 30 and data.n_items < 40


def test_a_threshold_is_compared_in_32_bits(both):
    frame = events()
    frame["rating"] = np.where(np.arange(600) % 2, "0.1", "0.3")
    assert len(both(frame, min_rating=0.1).table("interactions")) == 600


@pytest.mark.parametrize("split", SPLITS)
def test_ids_of_text_are_numbered_alike(both, split):
    data = both(events().assign(user=lambda f: named(f["user"])), split=split)
    assert data.users["user_id"].tolist() == sorted(data.users["user_id"])


@pytest.mark.parametrize("odd", ["007", "1.0", "9" * 25])
def test_one_late_id_that_is_no_whole_number_makes_all_ids_text(both, odd):
    frame = events().astype({"user": str})
    frame.loc[3, "user"] = "-5"  # no fault among texts
    frame.loc[599, "user"] = odd
    assert odd in both(frame).users["user_id"].tolist()


@pytest.mark.parametrize("id_type", ["integer", "text"])
def test_the_type_of_ids_can_be_set(both, id_type):
    both(events(), id_type=id_type)


def test_parquet_and_gzip_are_read_alike(both, tmp_path):
    frame = events().astype({"rating": "float32"})
    frame.assign(user=lambda f: named(f["user"])).to_parquet(tmp_path / "a.parquet")
    both((tmp_path / "a.parquet").read_bytes(), name="b.parquet")
    both(gzip.compress(frame.to_csv(index=False).encode()), name="b.csv.gz")


@pytest.mark.parametrize("changed", [{"rating": "4.5e0"}, {"timestamp": "86400.25"}])
def test_numbers_that_do_not_fit_the_fast_way_are_read_alike(both, changed):
    frame = events().astype({name: str for name in changed})
    for name, value in changed.items():
        frame.loc[500, name] = value
    both(frame)


def test_quotes_and_line_breaks_in_cells_are_read_alike(both):
    both(
        events()
        .assign(user=lambda f: f["user"].map('"a ""b""\n{}"'.format))
        .to_csv(index=False, quoting=3, escapechar="\\")
        .replace("\\", "")
        .encode()
    )


def test_tables_of_users_and_items_are_joined_alike(both, tmp_path):
    frame = events()
    ids = [*sorted(frame["item"].unique().astype(str)), "007"]
    pd.DataFrame({"item": ids, "title": "x", "year": 2000}).to_csv(
        tmp_path / "items.csv", index=False
    )
    data = both(frame, items_path=str(tmp_path / "items.csv"))
    assert data.items["item_id"].tolist() == sorted(frame["item"].astype(str).unique())


def films(folder, frame, known):
    folder.mkdir()
    names = {"user": "userId", "item": "movieId"}
    frame.rename(columns=names).to_csv(folder / "ratings.csv", index=False)
    table = pd.DataFrame({"movieId": known, "title": "A Film (1999)", "genres": "Drama|War"})
    table.to_csv(folder / "movies.csv", index=False)
    return {"source": "movielens", "path": str(folder)}


def test_movielens_is_prepared_alike(both, tmp_path):
    frame = events()
    settings = films(tmp_path / "ml", frame, np.unique(frame["item"]))
    assert both(b"", **settings, split="leave_last_out").info["source"]["kind"] == "movielens"


# --- what is refused


def said(tmp_path, **settings) -> list[str]:
    """Return what both preparations say of a fault."""
    found = []
    for more in ({}, {"memory": "1GB"}):
        with pytest.raises((DataError, SettingError)) as error:
            prepare(tmp_path / "d", **settings, **more)
        found.append(str(error.value))
        assert not (tmp_path / "d").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    return found


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("user", ""),
        ("user", "ann"),
        ("item", "-3"),
        ("rating", "good"),
        ("rating", ""),
        ("timestamp", "2024-01-01"),
        ("timestamp", "99999999999999"),
    ],
)
def test_a_wrong_cell_is_refused_in_the_same_words(tmp_path, column, cell):
    frame = events().astype({column: str})
    frame.loc[555, column] = cell
    frame.to_csv(tmp_path / "a.csv", index=False)
    one, other = said(tmp_path, source="table", path=str(tmp_path / "a.csv"))
    assert one == other and "line 557" in one


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        ("user,item,timestamp\n", {}),
        ("user,item,timestamp\n1,2,3\n1,2,4\n3,3,3\n3,3,3\n", {"duplicates": "refuse"}),
        ("user,item\n1,2\n2,2\n", {}),
        ("user,item\n1,2\n2,2\n", {"min_rating": 3, "split": "cold_users"}),
        ("user,item,timestamp\n1,2,3\n2,2,4\n", {"min_user_events": 5}),
        ("user,item,timestamp\n1,2,3\n2,2,4\n", {}),
        ("user,item,timestamp\n1,2\n", {}),
    ],
)
def test_a_wrong_table_is_refused_in_the_same_words(tmp_path, content, settings):
    (tmp_path / "a.csv").write_text(content)
    one, other = said(tmp_path, source="table", path=str(tmp_path / "a.csv"), **settings)
    assert one == other


def test_an_unknown_film_is_refused_in_the_same_words(tmp_path):
    frame = events()
    settings = films(tmp_path / "ml", frame, np.unique(frame["item"])[1:])
    one, other = said(tmp_path, **settings)
    assert one == other and "is not in" in one


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"source": "world"}, "source 'world' needs all events in memory.*movielens, table"),
        ({"source": "given"}, "source 'given' needs"),
        ({"split": "random_rows"}, "split 'random_rows' needs.*timeline, leave_last_out"),
        ({"split": "random_per_user"}, "split 'random_per_user' needs"),
        ({"split": "held_out_users"}, "split 'held_out_users' needs"),
        ({"memory": "300MB"}, "memory must be 1GB or more, got '300MB'"),
        ({"memory": "lots"}, "memory must be a size such as 4GB or 512MB, got 'lots'"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name_before_anything_is_read(settings, words):
    with pytest.raises(SettingError, match=words):
        check_settings({"source": "table", "path": "absent.csv", "memory": "2GB"} | settings)


def test_files_that_are_read_whole_are_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"user": 1, "item": 2, "timestamp": 3}\n')
    with pytest.raises(SettingError, match=r"a\.jsonl can only be read whole.*leave memory empty"):
        prepare(tmp_path / "d", source="table", path=str(tmp_path / "a.jsonl"), memory="1GB")


def test_without_duckdb_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "duckdb", None)
    events().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(SettingError, match=r"pip install 'candgen\[memory\]'"):
        prepare(tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), memory="1GB")


def test_an_earlier_dataset_survives_a_fault(tmp_path):
    path, settings = tmp_path / "a.csv", {"source": "table", "memory": "1GB"}
    events().to_csv(path, index=False)
    first = prepare(tmp_path / "d", path=str(path), **settings)
    path.write_text("user,item,timestamp\n1,2,x\n")
    with pytest.raises(DataError):
        prepare(tmp_path / "d", path=str(path), **settings)
    assert json.loads((tmp_path / "d" / "dataset.json").read_text())["digest"] == first.digest
    assert [p.name for p in (tmp_path / "d").iterdir() if p.name.endswith(".part")] == []


def test_row_groups_are_those_of_a_table_written_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "ROWS", 256)
    events().to_csv(tmp_path / "a.csv", index=False)
    made = prepare(tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), memory="1GB")
    whole = pq.read_table(made.folder / "interactions.parquet")
    pq.write_table(whole, tmp_path / "b.parquet", compression="zstd", row_group_size=256)
    written = (tmp_path / "b.parquet").read_bytes()
    assert (made.folder / "interactions.parquet").read_bytes() == written


def test_blocks_have_one_type_of_ids(tmp_path):
    frame = events().astype({"user": str})
    frame.loc[599, "user"] = "x1.0"
    frame.loc[0, "user"] = "007"
    frame.to_csv(tmp_path / "a.csv", index=False)
    from candgen.datasets.archives import InputFile
    from candgen.datasets.cells import Column

    taken, begun = [], []
    blocks.read_blocks(
        InputFile(tmp_path / "a.csv"),
        [Column("user", "user", "id"), Column("item", "item", "id")],
        columns.TextFormat(),
        begin=lambda: (begun.append(1), taken.clear()),
        take=taken.append,
    )
    assert len({str(block.schema.field("user").type) for block in taken}) == 1
    assert sum(map(len, taken)) == 600 and len(begun) == 2 and len(taken) > 5
