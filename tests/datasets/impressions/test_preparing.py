"""Impressions of one's own reach models by the same rules as those of the invented world."""

import numpy as np
import pytest

from candgen.datasets import first_look, preparation
from candgen.errors import DataError, SettingError
from candgen.models.factorization.logistic import labelled_pairs
from candgen.models.factorization.pair_weights import pair_weights
from candgen.negatives import item_exposure, shown_in_vain

SHOWN = """user,item,timestamp,position,propensity,clicked
ann,a,100,1,0.5,1
ann,b,101,2,0.25,0
bob,a,150,1,0.5,1
bob,c,151,2,0.5,0
cat,a,160,1,0.5,0
ann,c,170,1,0.1,0
bob,b,210,1,0.5,0
ann,b,200,1,0.5,1
bob,b,300,1,0.5,1
bob,a,310,1,0.5,0
ann,d,320,1,0.1,0
"""
TIMELINE = {"test_fraction": 0.3, "validation_fraction": 0.0}  # test begins at 300


@pytest.fixture
def prepared(tmp_path):
    """Prepare a log of impressions, whose clicks are the events."""
    (tmp_path / "shown.csv").write_text(SHOWN)

    def of(**settings):
        paths = {"source": "table", "impressions_path": str(tmp_path / "shown.csv")}
        return preparation.prepare(tmp_path / "made", **{**paths, **TIMELINE, **settings})

    return of


def pairs(frame):
    return frame[["user", "item"]].to_numpy().tolist()


def test_what_was_shown_before_the_cut_is_known_and_the_rest_judges(prepared):
    data = prepared()
    assert pairs(data.known("impressions")) == [[0, 0], [0, 1], [1, 0], [1, 1], [0, 1]]
    assert pairs(data.judging("impressions")) == [[1, 1], [1, 0]]


def test_a_row_that_reveals_a_held_out_engagement_is_hidden(prepared):
    data = prepared(split="leave_last_out")  # of ann b at 200, of bob b at 300
    hidden = data.judging("impressions")[["user", "item", "timestamp"]].to_numpy().tolist()
    assert [0, 1, 200] in hidden and [1, 1, 300] in hidden
    known = data.known("impressions")
    assert not known.loc[known["item"] == 1, "engaged"].any()
    assert {101, 210} <= set(known["timestamp"])  # shown in vain before


def test_unknown_users_and_items_are_named_and_counted(prepared):
    notes = " ".join(prepared().notes)
    assert "1 of 11 impressions are of 1 user without events (cat), and are left out." in notes
    assert "3 of 11 impressions are of 2 items without events (c, d), and are left out." in notes


def test_with_propensities_rounds_outside_of_the_catalogue_are_kept_apart(prepared):
    data = prepared()
    assert data.known("unlisted")["timestamp"].tolist() == [151, 170]
    assert data.judging("unlisted")["propensity"].tolist() == [0.1]
    assert "item" not in data.judging("unlisted")


def test_labels_negatives_and_exposure_come_from_them(prepared):
    data = prepared()
    found = labelled_pairs(data, data.train, "impressions").tocoo()
    labels = zip(found.row.tolist(), found.col.tolist(), found.data.tolist(), strict=True)
    assert set(labels) == {(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)}
    vain = shown_in_vain(data)
    assert np.diff(vain.starts).tolist() == [0, 1] and vain.items.tolist() == [1]
    assert item_exposure(data).tolist() == [2, 3]


def test_memory_and_impressions_do_not_go_together(prepared):
    with pytest.raises(SettingError, match=r"impressions_path is read in memory. Leave memory"):
        prepared(memory="4GB")


def test_a_first_look_names_the_header_of_impressions_to_set(tmp_path):
    (tmp_path / "shown.csv").write_text("user,item,is_click\n1,2,1\n")
    settings = {"source": "table", "impressions_path": str(tmp_path / "shown.csv")}
    found = first_look.fault_of(settings)
    assert found.setting == "impressions_columns.engaged"
    asked = {"impressions_columns": {"engaged": "isclick"}}
    found = first_look.fault_of({**settings, **asked})
    assert (found.setting, found.instead) == ("impressions_columns.engaged", "is_click")
    asked = {"impressions_columns": {"engaged": "is_click"}}
    assert first_look.fault_of({**settings, **asked}) is None


def test_a_pair_that_is_engaged_with_again_counts_with_its_first_time(prepared):
    data = prepared()  # ann takes b at 200; nothing that comes later changes a history
    assert data.info["parameters"]["duplicates"] == "first"
    assert prepared(duplicates="last").info["parameters"]["duplicates"] == "last"


def test_weights_may_come_from_any_column(prepared, tmp_path):
    data = prepared(kept_columns=["position"])
    assert data.train["position"].tolist() == [1, 1, 1]
    weights = pair_weights(data, data.train, "inverse_propensity").toarray()
    assert weights.tolist() == [[2, 2], [2, 0]]
    (tmp_path / "orders.csv").write_text("user,item,pieces\n1,7,2.5\n2,7,1\n2,8,3\n")
    orders = preparation.prepare(
        tmp_path / "orders",
        source="table",
        path=str(tmp_path / "orders.csv"),
        kept_columns=["pieces"],
        split="random_rows",
        test_fraction=0.4,
        validation_fraction=0.0,
    )
    assert sorted(orders.table("interactions")["pieces"]) == [1, 2.5, 3]


def test_a_column_to_keep_must_hold_numbers(prepared, tmp_path):
    with pytest.raises(DataError, match="'hour', which is no column of numbers"):
        prepared(kept_columns=["hour"])
    with pytest.raises(SettingError, match="'rating', which events keep anyway"):
        prepared(kept_columns=["rating"])
