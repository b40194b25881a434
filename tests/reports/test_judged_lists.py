"""Lists of another system as a row of a sweep, compared with its runs user by user."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from candgen.errors import DataError, SettingError
from candgen.reports import open_report, overview, results
from candgen.reports.judged_lists import add_lists, shorter


@pytest.fixture
def sweep(sweep_builder, tmp_path):
    folder = tmp_path / "asked"
    world = sweep_builder.build_dataset(folder / "datasets/world", n_users=60, n_items=80)
    sweep_builder.write_run(folder / "wals", world, "WALS", 1.2, params={"dim": 4})
    sweep_builder.write_sweep(folder, {"wals": {"dim": 4}})
    return folder


@pytest.fixture
def lists(sweep, sweep_builder, tmp_path):
    """Write lists of k items a user, by own ids, with other names of columns if wanted."""

    def write(k=50, names=("user", "item", "rank"), skill=0.9):
        data = open_report(sweep).comparisons[0].dataset
        items = sweep_builder.imitate(data, skill, seed=3, k=k)
        users = data.users["user_id"].to_numpy().repeat(k)
        ids = data.items["item_id"].to_numpy()[items.ravel()]
        ranks = np.tile(np.arange(1, k + 1), len(items))
        path = tmp_path / "lists.csv"
        pd.DataFrame(dict(zip(names, (users, ids, ranks), strict=True))).to_csv(path, index=False)
        return path

    return write


def production(sweep):
    return open_report(sweep).comparisons[0].find("production")


def test_the_lists_are_a_row_with_paired_differences(sweep, lists):
    add_lists(lists(), sweep, "production")
    report = open_report(sweep)
    (ground,) = report.comparisons
    row = ground.find("production")
    assert row.label == "production" and not row.reference and len(row.per_user) == 60
    table = ground.against_best(report.metric, report.margin)
    assert table[["generator", "baseline"]].values.tolist() == [["production", "wals"]]
    apart = row.per_user["recall@20"] - ground.find("wals").per_user["recall@20"]
    assert table["difference"][0] == pytest.approx(apart.mean())
    assert "production" in results.leaderboard(report).html
    assert row.number("peak_memory_mib") is None and row.number("fit_seconds") is None


def test_metrics_are_those_of_the_sweep_and_right(sweep, lists, sweep_builder):
    found = add_lists(lists(), sweep, "production")
    assert set(found.judgement.metrics) >= {"recall@10", "recall@20", "recall@50"}
    by_hand = sweep_builder.per_user(found.dataset, sweep_builder.imitate(
        found.dataset, 0.9, seed=3, k=50))  # fmt: skip
    np.testing.assert_allclose(production(sweep).per_user["recall@20"], by_hand["recall@20"])


def test_the_row_stays_when_the_plan_is_written_anew(sweep, lists, sweep_builder):
    add_lists(lists(), sweep, "production")
    sweep_builder.write_sweep(sweep, {"wals": {"dim": 4}})
    assert production(sweep) is not None


def test_lists_of_the_same_name_are_replaced(sweep, lists):
    add_lists(lists(skill=0.2), sweep, "production")
    before = production(sweep).number("recall@20")
    add_lists(lists(skill=1.4), sweep, "production")
    assert production(sweep).number("recall@20") > before
    assert json.loads((sweep / "judged_lists.json").read_text())["runs"] == ["production"]


@pytest.mark.parametrize("name", ["wals", "popularity", "datasets", "../wals", "a b", ""])
def test_names_of_others_are_refused(sweep, lists, name):
    before = {path: path.stat().st_mtime_ns for path in sweep.rglob("*.json")}
    with pytest.raises(SettingError, match="--as"):
        add_lists(lists(), sweep, name)
    assert {path: path.stat().st_mtime_ns for path in sweep.rglob("*.json")} == before


def test_a_folder_of_somebody_else_is_left_alone(sweep, lists):
    (sweep / "production").mkdir()
    (sweep / "production/notes.txt").write_text("mine")
    with pytest.raises(DataError, match="production"):
        add_lists(lists(), sweep, "production")
    assert (sweep / "production/notes.txt").read_text() == "mine"
    assert production(sweep) is None


def test_columns_can_be_named(sweep, lists):
    path = lists(names=("visitor", "sku", "place"))
    named = {"user": "visitor", "item": "sku", "rank": "place"}
    add_lists(path, sweep, "production", columns=named)
    assert production(sweep) is not None
    with pytest.raises(DataError, match=r"no column 'skuu' for item.*Did you mean 'sku'"):
        add_lists(path, sweep, "other", columns=named | {"item": "skuu"})
    with pytest.raises(SettingError, match="user, item, rank, score"):
        add_lists(path, sweep, "other", columns={"users": "visitor"})


def test_a_named_column_comes_before_one_that_is_called_alike(sweep, lists):
    path = lists(names=("visitor", "sku", "place"))
    frame = pd.read_csv(path)
    frame["user"], frame["item"] = "somebody", "something"
    frame.to_csv(path, index=False)
    named = {"user": "visitor", "item": "sku", "rank": "place"}
    add_lists(path, sweep, "production", columns=named)
    assert production(sweep) is not None


def test_short_lists_are_said_with_their_number(sweep, lists):
    assert shorter(add_lists(lists(), sweep, "whole").judgement) == ""
    path = lists(k=20)
    frame = pd.read_csv(path)
    frame[frame["user"] != "u3"].to_csv(path, index=False)
    said = shorter(add_lists(path, sweep, "production").judgement)
    assert said.startswith("60 of 60 judged users have fewer than 50 candidates, and 1 of these")
    seen = re.sub(r"<[^>]+>", " ", overview.datasets(open_report(sweep)).html)
    assert "production gave 60 users fewer candidates than the longest cut-off" in seen


def test_a_sweep_on_several_datasets_asks_which(sweep, lists, sweep_builder, tmp_path):
    films = sweep_builder.build_dataset(sweep / "datasets/films", name="films", n_users=20,
                                        n_items=40)  # fmt: skip
    sweep_builder.write_run(sweep / "f", films, "WALS", 1.0, params={})
    sweep_builder.write_sweep(sweep, {"wals": {}, "f": {}})
    path = lists()
    with pytest.raises(SettingError, match="--dataset world --evaluate-on test; --dataset films"):
        add_lists(path, sweep, "production")
    assert add_lists(path, sweep, "production", dataset="world").dataset.name == "world"


def test_a_dataset_that_changed_since_is_refused(sweep, lists, sweep_builder):
    path = lists()
    (sweep / "datasets/world/test.parquet").write_bytes(b"other")
    with pytest.raises(DataError, match="no longer where the runs of asked found it"):
        add_lists(path, sweep, "production")


def test_a_damaged_list_of_added_rows_hides_none_of_the_sweep_s_own(sweep, lists):
    add_lists(lists(), sweep, "production")
    (sweep / "judged_lists.json").write_text('{"runs": ["../../etc"]}')
    assert [run.name for run in open_report(sweep).sweep.runs] == ["wals"]
