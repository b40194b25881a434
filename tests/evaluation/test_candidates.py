"""The id matrix: what it refuses, how it is kept, how lists of others are read."""

import csv
import gzip
import io
import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from candgen.errors import DataError
from candgen.evaluation import Candidates
from damage import assert_survives


def lists(users, items, scores=None):
    items = np.array(items)
    return Candidates(np.array(users), items, np.zeros(items.shape) if scores is None else scores)


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        ([4], [[1, 2, 1]], "list of user 4 names an item twice: item 1"),
        ([4], [[1, -1, 2]], "list of user 4 holds items after padding"),
        ([4], [[1, -7, -1]], "list of user 4 holds a negative item id -7"),
        ([4, 4], [[1], [2]], "User 4 has more than one list"),
        ([4], [[1], [2]], r"got \(1,\), \(2, 1\)"),
    ],
)
def test_lists_that_cannot_be_judged_are_refused(users, items, message):
    with pytest.raises(DataError, match=message):
        lists(users, items)


def test_a_score_that_is_nan_is_refused():
    with pytest.raises(DataError, match="user 4 has a score that is NaN, for item 2"):
        lists([4], [[1, 2]], np.array([[1.0, np.nan]]))


def test_padding_may_repeat():
    assert lists([0], [[3, -1, -1]]).lengths.tolist() == [1]


def test_lists_are_found_by_user_and_absent_users_get_empty_ones():
    found = lists([7, 2, 5], [[70, 71], [20, -1], [50, 51]]).for_users(np.array([2, 3, 7, 9]))
    assert found.tolist() == [[20, -1], [-1, -1], [70, 71], [-1, -1]]


def test_no_lists_at_all_give_everybody_an_empty_one():
    none = Candidates(np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2)))
    assert none.for_users(np.array([0, 1])).tolist() == [[-1, -1], [-1, -1]]


def test_what_is_saved_is_loaded_again(small, tmp_path):
    one = lists([1, 0], [[4, 2, -1], [5, 0, 3]], np.array([[2.0, 1.5, -np.inf], [3, 2, 1]]))
    one.save(tmp_path / "c.parquet", small)
    again = Candidates.load(tmp_path / "c.parquet", small)
    assert again.users.tolist() == [0, 1]
    assert again.items.tolist() == [[5, 0, 3], [4, 2, -1]]
    assert again.scores.tolist() == [[3, 2, 1], [2, 1.5, -np.inf]]
    assert pd.read_parquet(tmp_path / "c.parquet").columns.tolist() == [
        "user", "item", "rank", "score",
    ]  # fmt: skip


def test_candidates_of_another_dataset_are_refused(small, make, events, tmp_path):
    lists([0], [[4]]).save(tmp_path / "c.parquet", small)
    other = make(events((0, 0)), events((0, 5)), n_users=4, n_items=6)
    with pytest.raises(DataError, match="made for another dataset"):
        Candidates.load(tmp_path / "c.parquet", other)


def test_a_saved_file_holds_the_ids_that_the_data_came_with(small, tmp_path):
    lists([1, 0], [[4, 2, -1], [5, 0, 3]]).save(tmp_path / "c.parquet", small)
    users, items = small.users["user_id"], small.items["item_id"]
    saved = pd.read_parquet(tmp_path / "c.parquet")
    assert saved["user"].tolist() == [users[1], users[1], users[0], users[0], users[0]]
    assert saved["item"].tolist() == [items[4], items[2], items[5], items[0], items[3]]
    assert users[1] != 1 and items[4] != 4  # else this says nothing


def test_a_file_of_dense_ids_that_says_so_is_still_read(small, tmp_path):
    table = pa.table({"user": [1, 1], "item": [4, 2], "rank": [1, 2]}).replace_schema_metadata(
        {"candgen.ids": "dense", "candgen.dataset_digest": small.digest}
    )
    pq.write_table(table, tmp_path / "c.parquet")
    again = Candidates.load(tmp_path / "c.parquet", small)
    assert (again.users.tolist(), again.items.tolist()) == ([1], [[4, 2]])


def test_only_the_first_k_are_kept_when_asked(small, tmp_path):
    lists([0], [[5, 0, 3]]).save(tmp_path / "c.parquet", small)
    assert Candidates.load(tmp_path / "c.parquet", small, k=2).items.tolist() == [[5, 0]]


# --- lists made by other systems. Users are called 100 .. 103, items film-0 .. film-5.

RANKED = "user,item,rank\n101,film-4,1\n100,film-3,2\n100,film-2,1\n"
EXPECTED = [[2, 3], [4, -1]]


def read(tmp_path, dataset, text, name="theirs.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Candidates.load(path, dataset)


@pytest.mark.parametrize(
    "text",
    [
        RANKED,
        RANKED.replace(",", ";"),
        RANKED.replace(",", "\t"),
        RANKED.replace("\n", "\r\n"),
        "\ufeff" + RANKED,
        RANKED.replace("user,item", "User,ITEM"),
        RANKED.replace("user,item", "user_id,item_id"),
        RANKED.replace("100", "100.0"),
        RANKED.replace("user,item,rank", '"user","item","rank"'),
        '"user","item","score, raw",rank\n101,film-4,x,1\n100,film-3,y,2\n100,film-2,z,1\n',
        '"user";"item";"a, b, c";rank\n101;film-4;x;1\n100;film-3;y;2\n100;film-2;z;1\n',
        'note,user,item,rank\n"a\nb",101,film-4,1\n,100,film-3,2\n,100,film-2,1\n',
        RANKED.replace(",1\n", ",0\n"),
        "model,item,rank,user\nx,film-4,1,101\nx,film-3,2,100\nx,film-2,1,100\n",
        'user,item,rank\n"101","film-4",1\n"100","film-3",2\n"100","film-2",1\n',
        "user,item,score\n101,film-4,0.1\n100,film-3,-7\n100,film-2,1e3\n",
        "user,item,score,rank\n101,film-4,9,1\n100,film-3,9,2\n100,film-2,9,1\n",
        "user,item\n101,film-4\n100,film-2\n100,film-3\n",
        "user,item,score\n101,film-4,1\n100,film-2,5\n100,film-3,5\n",
    ],
)
def test_text_files_are_read_whatever_their_dialect(small, tmp_path, text):
    found = read(tmp_path, small, text)
    assert found.users.tolist() == [0, 1]
    assert found.items.tolist() == EXPECTED


def test_gzipped_text_is_read(small, tmp_path):
    found = read(tmp_path, small, gzip.compress(RANKED.encode()), "theirs.csv.gz")
    assert found.items.tolist() == EXPECTED


@pytest.mark.parametrize("users", ["int64", "int16", "float64", "str", "category", "object"])
def test_parquet_files_are_read_whatever_the_type_of_their_ids(small, tmp_path, users):
    frame = pd.DataFrame({"user": [101, 100, 100], "item": ["film-4", "film-3", "film-2"]})
    frame["user"] = frame["user"].astype(users)
    frame["item"] = frame["item"].astype("category")
    frame["rank"] = np.array([1, 2, 1], dtype=np.uint8)
    frame.to_parquet(tmp_path / "theirs.parquet")
    assert Candidates.load(tmp_path / "theirs.parquet", small).items.tolist() == EXPECTED


def test_whole_number_ids_match_their_spelling_as_text_both_ways(make, events, tmp_path):
    named = {"user_ids": ["7", "007", "x"], "item_ids": [10, 20, 30]}
    data = make(events((0, 0)), events((0, 1)), n_users=3, n_items=3, **named)
    found = read(tmp_path, data, "user,item\n007,20\n7,30\nx, 10\n")
    assert found.users.tolist() == [0, 1, 2]
    assert found.items.tolist() == [[2], [1], [0]]
    frame = pd.DataFrame({"user": [7], "item": ["30"]})
    frame.to_parquet(tmp_path / "theirs.parquet")
    assert Candidates.load(tmp_path / "theirs.parquet", data).users.tolist() == [0]


def test_lists_with_the_ids_of_the_data_are_read_whatever_their_zeros(make, events, tmp_path):
    isbns = ["0100000018", "0200000025"]
    data = make(events((0, 0)), events((0, 1)), n_users=1, n_items=2, item_ids=isbns)
    found = read(tmp_path, data, "user,item,rank\n100,0200000025,1\n100,0100000018,2\n")
    assert found.items.tolist() == [[1, 0]]


def test_a_parquet_in_dense_ids_without_saying_so_is_read_by_the_ids_of_the_data(
    make, events, tmp_path
):
    data = make(events((0, 0)), events((0, 1)), n_users=2, n_items=2, item_ids=[1, 0])
    frame = pd.DataFrame({"user": [100, 100], "item": [0, 1]})
    frame.to_parquet(tmp_path / "theirs.parquet")
    assert Candidates.load(tmp_path / "theirs.parquet", data).items.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item\n100,film-2\n999,film-1\n", r"row 2 \(line 3\): user '999' is not in dataset"),
        ("user,item\n100,film-2\n100,film-9\n", r"row 2 .*: item 'film-9' is not in dataset"),
        ("user,item\n100,film-2\n100,film-2\n", r"row 2 .*user '100' has item 'film-2' twice"),
        ("user,item,score\n100,film-2,1\n100,film-3,nan\n", r"row 2 .*score must be a number"),
        ("user,item,score\n100,film-2,\n", r"row 1 .*score must be a number, got ''"),
        ("user,item,score\n100,film-2,high\n", r"row 1 .*score must be a number, got 'high'"),
        ("user,item,rank\n100,film-2,1\n100,film-3,1\n", r"row 2 .*have the rank 1"),
        ("user,item,rank\n100,film-2,inf\n", r"row 1 .*rank must be finite in 32 bits, got 'inf'"),
        ("user,item,rank\n100,film-2,1e39\n", r"row 1 .*rank must be finite in 32 bits"),
        ("user,item,score\n100,film-2,1\n100,film-3,-inf\n", r"row 2 .*score must be finite"),
        ("user,item,score\n100,film-2,Infinity\n", r"score must be finite in 32 bits, got 'Inf"),
        (
            "user,item,score\n100,film-2,-3.5e38\n",
            r"score must be finite in 32 bits, got '-3.5e38'",
        ),
        ("user,item,score\n100,film-2,1e999\n", r"score must be finite in 32 bits, got '1e999'"),
        (
            "user,item,rank,score\n101,film-1,9,1\n100,film-2,2,7\n100,film-3,1,5\n",
            r"row 2 \(line 3\): rank and score of user '100' contradict.*rank 2 has score 7, "
            r"rank 1 has 5\..*Leave out the column",
        ),
        ("user,film\n100,film-2\n", r"must have the columns 'user' and 'item'.*'film'"),
        ("user,user_id,item\n1,100,film-2\n", "two columns for 'user'"),
        ("user,item\n", "holds no candidates"),
        ("", "is empty"),
        ("user,item,rank\n100,film-2\n", r"line 2: expected 3 cells .* got 2"),
        (b"user,item\n100,film-\xff\n", "line 2: not utf-8"),
        ("user,item\n100,\n", r"row 1 .*item '' is not in dataset"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_file_and_row(small, tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, small, text)
    assert "theirs.csv" in str(caught.value)


def test_scores_that_fall_with_the_rank_or_stay_are_read(small, tmp_path):
    text = "user,item,rank,score\n101,film-1,1,1\n100,film-2,5,3.4e38\n100,film-3,9,-3.4e38\n"
    assert read(tmp_path, small, text).items.tolist() == [[2, 3], [1, -1]]
    same = text.replace("-3.4e38", "3.4e38")
    assert read(tmp_path, small, same).items.tolist() == [[2, 3], [1, -1]]


@pytest.mark.parametrize("column", ["rank", "score"])
def test_numbers_of_a_parquet_that_are_not_finite_are_refused(small, tmp_path, column):
    table = pa.table({"user": [100, 100], "item": ["film-1", "film-2"], column: [2.0, np.inf]})
    pq.write_table(table, tmp_path / "theirs.parquet")
    with pytest.raises(DataError, match=rf"row 2.*{column} must be finite in 32 bits, got inf"):
        Candidates.load(tmp_path / "theirs.parquet", small)


@pytest.mark.parametrize("score", [np.inf, -np.inf])
def test_an_infinite_score_of_an_item_is_refused(score):
    with pytest.raises(DataError, match="user 0 has a score that is infinite, for item 4"):
        lists([0], [[4]], [[score]])


def test_an_unknown_id_is_answered_with_an_example_of_a_known_one(small, tmp_path):
    with pytest.raises(DataError, match=r"2 of the 3 user ids of this file are not\).*such as 100"):
        read(tmp_path, small, "user,item\n100,film-2\n0,film-1\n1,film-1\n")


def test_null_ids_in_a_parquet_are_refused(small, tmp_path):
    table = pa.table({"user": pa.array([100, None]), "item": ["film-1", "film-2"]})
    pq.write_table(table, tmp_path / "theirs.parquet")
    with pytest.raises(DataError, match="row 2: the column 'user' is empty"):
        Candidates.load(tmp_path / "theirs.parquet", small)


def test_a_truncated_parquet_is_refused(small, tmp_path):
    lists([0], [[4]]).save(tmp_path / "c.parquet", small)
    whole = (tmp_path / "c.parquet").read_bytes()
    (tmp_path / "c.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"c\.parquet is not a Parquet file"):
        Candidates.load(tmp_path / "c.parquet", small)


def test_a_missing_file_is_named(small, tmp_path):
    with pytest.raises(DataError, match=r"no file .*nowhere\.csv"):
        Candidates.load(tmp_path / "nowhere.csv", small)


LISTS = (
    b'user,item,score,rank\n101,film-4,0.5,1\n"100",film-3,1e0,2\n100,film-2,7,1\n102,film-0,,3\n'
)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.jsonl"])
def test_damaged_lists_are_read_right_or_refused(small, tmp_path, name):
    frame = pd.read_csv(io.BytesIO(LISTS)).fillna({"score": 0})
    held = io.BytesIO()
    frame.to_parquet(held)
    lines = "\n".join(json.dumps(row) for row in frame.to_dict("records"))
    wholes = {
        "a.csv": LISTS.replace(b",,", b",0,"),
        "a.csv.gz": gzip.compress(LISTS.replace(b",,", b",0,"), mtime=0),
        "a.parquet": held.getvalue(),
        "a.jsonl": lines.encode(),
    }
    users = dict(zip(map(str, small.users["user_id"]), range(small.n_users), strict=True))

    def right(path, found):
        text = (path / "a.csv").read_bytes().decode("utf-8-sig")
        delimiter = max(",;\t", key=text.split("\n")[0].count)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        head, *rows = [row for row in rows if row]
        place = next(
            n for n, cell in enumerate(head) if cell.strip().lower() in ("user", "user_id")
        )
        spelled = {re.sub(r"\.0+$", "", row[place].strip()) for row in rows}
        assert sorted(found.users.tolist()) == sorted(users[user] for user in spelled)

    assert_survives(
        tmp_path,
        {name: wholes[name]},
        lambda path: Candidates.load(path / name, small),
        right if name == "a.csv" else None,
    )
