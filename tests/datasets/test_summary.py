import numpy as np
import pandas as pd
import pytest

from candgen.datasets import summary
from candgen.datasets.dataset import write_dataset


def events(*rows):
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    return frame.astype({"user": "int32", "item": "int32", "rating": "float32"})


DAY = 86_400


@pytest.fixture
def data(tmp_path):
    """Three users and four items; user 2 is new in test, item 3 occurs in test alone."""
    train = events((0, 0, 4, 0), (0, 1, 2, DAY), (1, 0, 3, DAY))
    validation = events((1, 2, 5, 2 * DAY))
    test = events((2, 0, 1, 3 * DAY), (0, 3, 3, 3 * DAY), (0, 1, 3, 4 * DAY))
    tables = {
        "interactions": pd.concat([train, validation, test], ignore_index=True),
        "train": train,
        "validation": validation,
        "test": test,
        "users": pd.DataFrame({"user": range(3), "user_id": range(3)}),
        "items": pd.DataFrame({"item": range(4), "item_id": range(4)}),
    }
    return write_dataset(tmp_path, tables, {"name": "tiny"})


def test_the_summary_counts_by_hand(data):
    rows = summary.summary(data)["tiny"]
    assert rows["users"] == "3"
    assert rows["empty cells (sparsity)"] == "41.67%"
    assert rows["events per user, median"] == "2"
    assert rows["share of the top 1% of items"] == "42.9%"
    assert rows["mean rating"] == "3.00"
    assert (rows["first day"], rows["last day"]) == ("1970-01-01", "1970-01-05")


def test_the_parts_are_listed_with_their_shares(data):
    parts = summary.parts(data)
    assert parts["events"].tolist() == [3, 1, 3]
    assert parts["share"].sum() == pytest.approx(1)
    assert parts.loc["train", ["users", "items"]].tolist() == [2, 2]
    assert parts.loc["test", "first day"] == "1970-01-04"


def test_what_test_can_reach_is_counted_from_train_and_validation(data):
    test = summary.overlap(data)["test"]
    assert test["users with a history"] == 1 / 2
    assert test["events of users with a history"] == pytest.approx(2 / 3)
    assert test["items seen in training"] == pytest.approx(2 / 3)
    assert test["events with an item seen in training"] == pytest.approx(2 / 3)
    assert test["events that repeat a known pair"] == pytest.approx(1 / 3)


def test_what_validation_can_reach_is_counted_from_train_alone(data):
    validation = summary.overlap(data)["validation"]
    assert validation["users with a history"] == 1
    assert validation["items seen in training"] == 0
    assert not np.isnan(validation).any()
