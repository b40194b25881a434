import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from candgen import files
from candgen.datasets.dataset import open_dataset, write_dataset
from candgen.datasets.description import content_digest
from candgen.errors import DataError


def events(*pairs):
    users, items = zip(*pairs, strict=True)
    return pd.DataFrame({"user": users, "item": items}).astype("int32")


def small(**replaced):
    """Tables of a dataset with two users and three items."""
    return {
        "interactions": events((0, 0), (0, 1), (1, 2), (1, 0)),
        "train": events((0, 0), (1, 2)),
        "validation": events((0, 1)),
        "test": events((1, 0)),
        "users": pd.DataFrame({"user": [0, 1], "user_id": [70, 90]}),
        "items": pd.DataFrame({"item": [0, 1, 2], "item_id": ["a", "b", "c"]}),
    } | replaced


INFO = {"name": "small", "warnings": []}


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path / "small", small(), INFO)


def test_what_was_written_is_read_back(dataset):
    assert dataset.info["counts"]["users"] == 2
    pd.testing.assert_frame_equal(dataset.table("interactions"), small()["interactions"])
    assert dataset.items["item_id"].tolist() == ["a", "b", "c"]


def test_for_test_one_learns_from_train_and_validation(dataset):
    assert dataset.train_matrix.toarray().tolist() == [[1, 1, 0], [0, 0, 1]]
    assert dataset.held_out_matrix.toarray().tolist() == [[0, 0, 0], [1, 0, 0]]


def test_for_validation_one_learns_from_train_alone(dataset):
    data = dataset.for_validation()
    assert data.train_matrix.toarray().tolist() == [[1, 0, 0], [0, 0, 1]]
    assert data.held_out_matrix.toarray().tolist() == [[0, 1, 0], [0, 0, 0]]


def test_fold_in_is_history_and_never_training(tmp_path):
    tables = small(train=events((0, 0)), validation=events((0, 1)), fold_in=events((1, 2)))
    data = write_dataset(tmp_path, tables, INFO)
    assert data.train_matrix.toarray().tolist() == [[1, 1, 0], [0, 0, 0]]
    assert data.history_matrix.toarray().tolist() == [[1, 1, 0], [0, 0, 1]]


def test_users_of_validation_train_whole_when_judged_on_test(tmp_path):
    tables = small(train=events((0, 0)), validation=events((1, 1)), fold_in=events((1, 2)))
    tables["test"] = events((0, 2))
    data = write_dataset(tmp_path, tables, INFO)
    assert data.for_validation().train_matrix.toarray().tolist() == [[1, 0, 0], [0, 0, 0]]
    assert data.for_test().train_matrix.toarray().tolist() == [[1, 0, 0], [0, 1, 1]]


def test_a_changed_file_is_found(dataset):
    frame = small()["train"].iloc[::-1]
    frame.to_parquet(dataset.folder / "train.parquet")
    with pytest.raises(DataError, match=r"train\.parquet was changed after it was prepared"):
        open_dataset(dataset.folder)


def test_a_missing_file_is_found(dataset):
    (dataset.folder / "test.parquet").unlink()
    with pytest.raises(DataError, match=r"test\.parquet is missing"):
        open_dataset(dataset.folder)


def test_a_folder_without_description_is_no_dataset(tmp_path):
    with pytest.raises(DataError, match=r"no dataset\.json.*candgen prepare"):
        open_dataset(tmp_path)


def test_a_newer_format_is_refused(dataset):
    info = files.read_json(dataset.folder / "dataset.json") | {"format": 99}
    files.write_json(dataset.folder / "dataset.json", info)
    with pytest.raises(DataError, match="has format 99"):
        open_dataset(dataset.folder)


def test_an_unknown_table_gets_a_suggestion(dataset):
    with pytest.raises(DataError, match="Did you mean 'items'"):
        dataset.table("item")


def test_ids_that_are_not_dense_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"item ids from 0 to 7, expected 0 \.\. 2"):
        write_dataset(tmp_path, small(test=events((0, 0), (0, 7))), INFO)


def test_a_writing_that_fails_leaves_the_dataset_of_before(tmp_path):
    before = write_dataset(tmp_path, small(), INFO)
    names = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(DataError):
        write_dataset(tmp_path, small(test=events((0, 7))), INFO)
    assert open_dataset(tmp_path).digest == before.digest
    assert {path.name for path in tmp_path.iterdir()} == names


def test_writing_again_removes_the_tables_of_before_and_nothing_else(tmp_path):
    write_dataset(tmp_path, small(fold_in=events((0, 0))), INFO)
    (tmp_path / "per_user.parquet").write_text("somebody else's")
    write_dataset(tmp_path, small(), INFO)
    assert not (tmp_path / "fold_in.parquet").exists()
    assert (tmp_path / "per_user.parquet").exists()


def test_titles_fall_back_to_ids(tmp_path):
    items = small()["items"].assign(title=["One", None, "Three"])
    data = write_dataset(tmp_path, small(items=items), INFO)
    assert data.titles.tolist() == ["One", "b", "Three"]


# --- the digest of content

FRAME = pd.DataFrame(
    {
        "id": np.arange(6, dtype=np.int32),
        "share": np.array([0.5, np.nan, 2, 3, 4, 5], dtype=np.float32),
        "title": ["a", "bc", None, "", "é", "f"],
        "genres": [["x", "y"], [], ["z"], None, ["x"], ["x"]],
        "engaged": [True, False, True, True, False, False],
        "when": pd.to_datetime(["2024-01-01"] * 6),
    }
)


def changed(column, row, value):
    values = FRAME[column].tolist()
    values[row] = value
    kept = FRAME[column].dtype
    return FRAME.assign(**{column: pd.Series(values, dtype=kept)})


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("id", 5, 6),
        ("share", 1, 0.0),
        ("share", 0, 0.25),
        ("title", 2, ""),
        ("title", 1, "cb"),
        ("genres", 3, []),
        ("genres", 0, ["xy"]),
        ("engaged", 5, True),
        ("when", 0, pd.Timestamp("2024-01-02")),
    ],
)
def test_the_digest_depends_on_every_value(column, row, value):
    assert content_digest(changed(column, row, value)) != content_digest(FRAME)


def test_the_digest_tells_where_a_text_ends():
    one, other = pd.DataFrame({"t": ["ab", "c"]}), pd.DataFrame({"t": ["a", "bc"]})
    assert content_digest(one) != content_digest(other)


@pytest.mark.parametrize("values", [["a", None], [1.0, None], [True, None], [["x"], None]])
def test_the_digest_tells_which_value_is_missing(values):
    one, other = pd.DataFrame({"t": values}), pd.DataFrame({"t": values[::-1]})
    assert content_digest(one) != content_digest(other)


def test_the_digest_depends_on_names_types_and_order():
    renamed = FRAME.rename(columns={"id": "di"})
    retyped = FRAME.astype({"id": "int64"})
    shuffled = FRAME.iloc[::-1]
    assert len({content_digest(f) for f in (FRAME, renamed, retyped, shuffled)}) == 4


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_the_digest_does_not_depend_on_how_parquet_stores_the_rows(tmp_path, rows):
    FRAME.to_parquet(tmp_path / "a.parquet", row_group_size=rows, compression=None)
    back = pq.read_table(tmp_path / "a.parquet").to_pandas()
    assert content_digest(back) == content_digest(FRAME)


def test_the_digest_does_not_depend_on_how_pandas_keeps_text():
    as_objects = FRAME.astype({"title": object})
    as_categories = FRAME.astype({"title": "category"})
    assert content_digest(as_objects) == content_digest(FRAME) == content_digest(as_categories)


def timed(*times):
    return events(*[(0, 0), (0, 1), (1, 2), (1, 0)][: len(times)]).assign(timestamp=times)


def test_a_dataset_is_described_in_one_short_line(tmp_path):
    tables = small(interactions=timed(86_399, 86_400, 172_800, 0))
    data = write_dataset(tmp_path, tables, INFO | {"split": {"policy": "timeline"}})
    assert repr(data) == (
        "<Dataset 'small': users 2; items 3; events 4; train events 2; "
        "validation events 1; test events 1; period 1970-01-01 to 1970-01-03; split timeline; "
        f"judged on test; digest {data.digest[:12]}>"
    )
    assert "judged on validation" in repr(data.for_validation())


def test_a_notebook_shows_a_dataset_as_a_small_table(dataset):
    shown = dataset._repr_html_()
    assert len(shown) < 1500
    cells = dict(re.findall(r"<tr><th[^>]*>(.*?)</th><td[^>]*>(.*?)</td></tr>", shown))
    assert cells == {
        "users": "2", "items": "3", "events": "4", "train events": "2",
        "validation events": "1", "test events": "1", "period": "no timestamps",
        "split": "unknown", "judged on": "test", "digest": dataset.digest[:12],
    }  # fmt: skip


def test_names_from_data_are_escaped_in_the_table(tmp_path):
    evil = "<script>alert('x')</script>"
    info = INFO | {"name": evil, "split": {"policy": evil}}
    shown = write_dataset(tmp_path, small(), info)._repr_html_()
    assert "<script" not in shown and shown.count("&lt;script&gt;") == 2


def test_the_description_counts_the_tables_of_a_dataset_made_in_memory(dataset):
    dataset.table("train")
    made = replace(dataset, _tables={"train": events((0, 0)), "interactions": timed(5, 7)})
    assert "train events 1;" in repr(made) and "; events 2;" in repr(made)
    assert made.period == ("1970-01-01", "1970-01-01")


def test_a_dataset_killed_while_it_moved_into_place_is_taken_up_when_opened(dataset):
    new = dataset.folder / ".candgen-new"
    new.mkdir()
    moving = ["dataset.json", "train.parquet"]
    files.write_json(new / ".files.json", {"files": [*moving, "test.parquet"]})
    for name in moving:
        (dataset.folder / name).rename(new / name)
    assert open_dataset(dataset.folder).digest == dataset.digest
    assert not new.exists()
