"""Guesses of how a table of one's own is to be read, from what it holds."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from candgen.datasets import preparation
from candgen.datasets.guessing import guess
from candgen.errors import DataError

N, DAY = 900, 86_400
START = 1_700_000_000


@pytest.fixture(scope="module")
def events():
    """Events of 60 users with 90 items over 200 days."""
    rng = np.random.default_rng(4)
    times = START + rng.integers(0, 200 * DAY, N)
    users, items = rng.integers(0, 60, N), rng.integers(0, 90, N)
    return pd.DataFrame({"u": users, "i": items, "r": rng.integers(1, 6, N), "t": times})


def write_orders(events, folder):
    path = folder / "orders.csv"
    moments = pd.to_datetime(events["t"], unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = {"OrderId": range(N), "customer_id": "C" + events["u"].astype(str),
            "SKU": "A-" + events["i"].astype(str), "ordered_at": moments,
            "quantity": 1}  # fmt: skip
    pd.DataFrame(rows).to_csv(path, sep=";", index=False, encoding="cp1252")
    return path


def write_ratings(events, folder):
    path = folder / "u.data"
    events.to_csv(path, sep="\t", header=False, index=False)
    return path


def write_reviews(events, folder):
    path = folder / "reviews.jsonl"
    rows = (
        {"reviewerID": f"R{e.u}", "asin": f"B{e.i:04d}", "overall": float(e.r),
         "reviewText": "fine\nreally, \"so\"", "unixReviewTime": int(e.t)}
        for e in events.itertuples()
    )  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_clicks(events, folder):
    path = folder / "events.csv.gz"
    rows = {"timestamp": events["t"] * 1000, "visitorid": events["u"],
            "event": np.where(events["r"] > 4, "transaction", "view"),
            "itemid": events["i"]}  # fmt: skip
    with gzip.open(path, "wt") as stream:
        pd.DataFrame(rows).to_csv(stream, index=False)
    return path


def write_typed(events, folder):
    path = folder / "log"
    rows = {"Datum": pd.to_datetime(events["t"], unit="s"), "user_key": events["u"],
            "movieId": events["i"]}  # fmt: skip
    pd.DataFrame(rows).rename(columns={"Datum": "watched_at"}).to_parquet(path)
    return path


ORDERS = {"delimiter": ";", "user_column": "customer_id", "item_column": "SKU",
          "timestamp_column": "ordered_at", "timestamp_unit": "iso"}  # fmt: skip
RATINGS = {"delimiter": "\t", "column_names": ["user", "item", "rating", "timestamp"]}
REVIEWS = {"user_column": "reviewerID", "item_column": "asin", "rating_column": "overall",
           "timestamp_column": "unixReviewTime"}  # fmt: skip
CLICKS = {"user_column": "visitorid", "item_column": "itemid", "timestamp_unit": "ms"}
TYPED = {"file_type": "parquet", "user_column": "user_key", "item_column": "movieId",
         "timestamp_column": "watched_at"}  # fmt: skip


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (write_orders, ORDERS),
        (write_ratings, RATINGS),
        (write_reviews, REVIEWS),
        (write_clicks, CLICKS),
        (write_typed, TYPED),
    ],
)
def test_tables_of_many_shapes_are_prepared_as_guessed(events, tmp_path, write, expected):
    found = guess(write(events, tmp_path)).settings
    expected = {**expected, "duplicates": "first"}  # some pairs repeat, at known times
    assert {k: v for k, v in found.items() if k not in ("source", "path")} == expected
    data = preparation.prepare(tmp_path / "made", name="made", **found)
    assert (data.n_users, data.n_items) == (60, 90)
    assert not any("duplicates" in text for text in data.warnings)
    times = data.table("interactions")["timestamp"]
    assert times.min() >= START and times.max() < START + 200 * DAY


def test_kinds_of_events_repeats_and_the_period_are_noticed(events, tmp_path):
    notes = "\n".join(guess(write_clicks(events, tmp_path)).notes)
    repeated = events.duplicated(["u", "i"]).mean()
    assert "900 events of 60 users with 90 items" in notes
    assert "'event' tells kinds of events (transaction, view); all count alike" in notes
    assert f"{repeated:.0%} of the events repeat" in notes
    assert "2023-11-15 to 2024-06-01" in notes


def write(folder, text, name="t.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


ROWS = "".join(f"{u},{i},{(u * i) % 2}\n" for u in range(20) for i in range(5))


def test_ratings_of_0_and_1_say_which_rows_are_events(tmp_path):
    found = guess(write(tmp_path, "user,item,rating\n" + ROWS))
    assert found.settings["min_rating"] == 1.0
    assert any("only rows with 1 count" in note for note in found.notes)


def test_without_times_a_random_share_of_each_user_is_held_out(tmp_path):
    found = guess(write(tmp_path, "user,item,x\n" + ROWS))
    assert found.settings["split"] == "random_rows"  # a tenth of five events is none
    more = "".join(f"{u},{i}\n" for u in range(20) for i in range(12))
    found = guess(write(tmp_path, "user,item\n" + more))
    assert found.settings["split"] == "random_per_user"
    preparation.prepare(tmp_path / "made", name="made", **found.settings)


def test_times_that_cannot_be_read_are_left_out_and_said(tmp_path):
    rows = "".join(f"{u},{i},{i + 1}/02/2024\n" for u in range(20) for i in range(5))
    found = guess(write(tmp_path, "user,item,timestamp\n" + rows))
    assert found.settings["leave_out"] == ["timestamp"]
    assert found.settings["split"] == "random_rows"
    assert any("'1/02/2024', which are no numbers and no ISO dates" in n for n in found.notes)
    preparation.prepare(tmp_path / "made", name="made", **found.settings)


def test_a_timeline_that_judges_too_few_users_gives_way_to_each_users_last_event(tmp_path):
    """Each user comes, has five events on a day, and never returns."""
    rows = "".join(f"{u},{u * 7 % 30 + i},{u * DAY + i}\n" for u in range(100) for i in range(5))
    found = guess(write(tmp_path, "user,item,timestamp\n" + rows))
    assert found.settings["split"] == "leave_last_out"
    assert any("only 0 users with earlier events" in note for note in found.notes)


def test_tables_of_users_and_items_come_with_their_formats_and_titles(events, tmp_path):
    items = "SKU|Product Name|brand\n" + "".join(f"A-{i}|Thing {i}|b{i % 3}\n" for i in range(90))
    users = "customer_id;country\n" + "".join(f"C{u};DE\n" for u in range(60))
    found = guess(
        write_orders(events, tmp_path),
        users=write(tmp_path, users, "u.csv"),
        items=write(tmp_path, items, "i.csv"),
    )
    assert found.settings["items_format"] == {"delimiter": "|"}
    assert "users_format" not in found.settings
    assert found.settings["title_column"] == "Product Name"
    assert found.features == {"users": ["country"], "items": ["brand"]}
    data = preparation.prepare(tmp_path / "made", name="made", **found.settings)
    assert data.titles[0].startswith("Thing ") and "country" in data.users


def test_what_a_person_says_is_not_guessed(events, tmp_path):
    told = {"user_column": "OrderId", "split": "random_rows"}
    found = guess(write_orders(events, tmp_path), told=told)
    assert found.settings["user_column"] == "OrderId" and found.settings["split"] == "random_rows"
    assert found.columns["item"] == "SKU"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,b,c\nx,y,1\nz,w,2\n", r"no column looks like that of the users; it has 'a', 'b', 'c'"),
        ("user,b\nx,1\nz,2\n", r"that of the items.*--set item_column=NAME"),
    ],
)
def test_a_table_that_says_too_little_is_refused_with_what_to_say(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        guess(write(tmp_path, text))


def test_a_file_that_is_not_there_and_a_table_without_the_key_are_named(events, tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*nowhere\.csv"):
        guess(tmp_path / "nowhere.csv")
    items = write(tmp_path, "product,brand\nA-1,b\n", "i.csv")
    with pytest.raises(DataError, match=r"no column 'SKU'.*Rename 'product' to 'SKU'"):
        guess(write_orders(events, tmp_path), items=items)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_letters_of_other_encodings_are_kept(tmp_path, encoding):
    rows = "".join(f"u{u},Caf\u00e9 {i},{i}\n" for u in range(20) for i in range(5))
    path = write(tmp_path, "user,item,timestamp\n" + rows, encoding=encoding)
    found = guess(path).settings
    data = preparation.prepare(tmp_path / "made", name="made", **found)
    assert set(data.items["item_id"]) == {f"Caf\u00e9 {i}" for i in range(5)}
