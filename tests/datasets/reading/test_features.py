"""Titles and features, and what is missing."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from candgen.datasets import preparation


def parquet(**columns):
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held)
    return held.getvalue()


@pytest.mark.parametrize("header", ["title", "Title", "TITLE"])
def test_titles_are_text_whatever_their_capitals_and_blank_ones_are_missing(read, header):
    items = f"item,{header}\na,1984\nb,300\nc,\nd,00123\ne,  \nf,NA\n"
    titles = read(items=items).items["title"]
    assert titles[titles.notna()].tolist() == ["1984", "300", "00123", "NA"]
    assert titles.isna().tolist() == [False, False, True, False, True, False]


def test_numbers_as_titles_of_a_parquet_are_written_without_a_point(read, tmp_path):
    whole = parquet(item=["a", "b", "c"], Title=pa.array([1984.0, None, 300.0]))
    (tmp_path / "i.parquet").write_bytes(whole)
    titles = read(items_path=str(tmp_path / "i.parquet")).items["title"]
    assert titles[titles.notna()].tolist() == ["1984", "300"]


def test_the_id_stands_in_for_a_blank_title(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n1,0\n2,1\n3,2\n4,0\n")
    (tmp_path / "i.csv").write_text("item,title\n0,\n1,\n2,T2\n")
    data = preparation.prepare(
        tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), split="random_rows",
        test_fraction=0.3, validation_fraction=0, items_path=str(tmp_path / "i.csv"),
    )  # fmt: skip
    assert data.titles.tolist() == ["0", "1", "T2"]


def test_a_column_of_titles_can_be_named_and_others_left_out_or_kept_as_text(read, refused):
    items = "item,name,code,price,price\na,A,1,2,3\nb,B,2,3,4\n"
    assert "line 1: two columns are called 'price'" in refused(items=items)
    settings = {"leave_out": ["price"], "text_columns": ["code"]}
    found = read(items=items, title_column="name", **settings).items
    assert found.to_dict("list") == {"item_id": ["a", "b"], "title": ["A", "B"], "code": ["1", "2"]}
    assert "no column 'nam'; it has" in refused(items=items, title_column="nam", **settings)
    said = refused(items="item,t\na,b\n", leave_out=["prise"])
    assert "leave_out names 'prise', but no file has such a column" in said


def test_a_column_called_rating_can_be_left_out(read):
    text = "user,item,rating,timestamp\n1,2,good,soon\n"
    found = read(text, leave_out=["rating", "timestamp"]).interactions
    assert list(found) == ["user", "item"]


@pytest.mark.parametrize("typed", [False, True])
def test_missing_means_the_same_in_every_file_and_column(read, tmp_path, typed):
    frame = pd.DataFrame(
        {
            "item": ["a", "b", "c", "d"],
            "title": ["x", None, "", "NULL"],
            "country": ["NA", None, " ", "null"],
            "price": [1.5, None, np.nan, 2],
        }
    )
    name = "items.parquet" if typed else "items.csv"
    (frame.to_parquet if typed else frame.to_csv)(tmp_path / name, index=False)
    found = read(items_path=str(tmp_path / name)).items
    assert found.isna().to_numpy().tolist() == [
        [False, False, False, False],
        [False, True, True, True],
        [False, True, True, True],
        [False, False, False, False],
    ]
    assert found["country"].tolist()[::3] == ["NA", "null"]


@pytest.mark.parametrize("word", ["", "NaN", "NA", "NULL", "null", "N/A", " "])
def test_a_missing_rating_or_time_is_named_the_same_way(refused, word):
    text = f"user,item,rating,timestamp\n1,2,3,4\n1,3,{word},5\n"
    assert "line 3: rating is missing" in refused(text)
    text = f"user,item,rating,timestamp\n1,2,3,4\n1,3,3,{word}\n"
    assert "line 3: timestamp is missing" in refused(text)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2"], [1, 2]),
        (["1", ""], [1.0, None]),
        (["1.5", "NA"], [1.5, None]),
        (["02139", "94110"], ["02139", "94110"]),
        (["12345678901234567", "1"], ["12345678901234567", "1"]),
        (["1e3", "inf"], ["1e3", "inf"]),
        (["0x10", "1"], ["0x10", "1"]),
        (["true", "False"], [True, False]),
        (["2020-01-01", "x"], ["2020-01-01", "x"]),
    ],
)
def test_features_are_numbers_only_if_all_cells_are(read, cells, expected):
    items = "item,f\n" + "".join(f"i{n},{cell}\n" for n, cell in enumerate(cells))
    found = read(items=items).items["f"]
    assert [None if pd.isna(value) else value for value in found] == expected


def test_names_of_our_columns_and_of_the_users_live_apart(tmp_path):
    (tmp_path / "a.csv").write_text("user,sku\n1,0\n2,1\n3,2\n4,0\n")
    rows = "sku,item,item_id,item_,title\n0,thing,x,p,T0\n1,thong,y,q,T1\n2,theng,z,r,T2\n"
    (tmp_path / "i.csv").write_text(rows)
    data = preparation.prepare(
        tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), item_column="sku",
        items_path=str(tmp_path / "i.csv"), split="random_rows", test_fraction=0.3,
        validation_fraction=0,
    )  # fmt: skip
    assert data.items["item"].tolist() == data.items["item_id"].tolist() == [0, 1, 2]
    assert data.items["item__"].tolist() == ["thing", "thong", "theng"]
    assert data.items["item_id_"].tolist() == ["x", "y", "z"]
    assert data.items["item_"].tolist() == ["p", "q", "r"]


@pytest.mark.parametrize("header", ["genres", "Genres"])
def test_genres_are_lists_whatever_their_capitals(read, header):
    items = f"item,{header}\na,War|Drama\nb,\nc,Sci-Fi\n"
    assert read(items=items).items["genres"].tolist() == [["War", "Drama"], [], ["Sci-Fi"]]
