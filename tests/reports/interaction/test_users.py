"""Users to pick in a report: what is stored is what runs recorded, within its budget."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from candgen.reports import examples, open_report
from candgen.reports.interaction import users
from candgen.reports.interaction.data_blocks import data_block

PLENTY = 10**7


@pytest.fixture
def ground(report):
    return report.comparisons[0]


@pytest.fixture
def stored(report, ground):
    return users.storable(report, ground, PLENTY)


def dense(ground, user: dict) -> int:
    return ground.dataset.users["user_id"].tolist().index(user["id"])


def titles_of(places, stored) -> list[str]:
    """Return the titles of stored items; an item that was held out is below zero in a list."""
    return [stored["titles"][place if place >= 0 else -1 - place] for place in places]


def test_hits_agree_with_the_metric_of_the_same_user_and_run(stored):
    checked = 0
    for user in stored["users"]:
        for value, offered in zip(user["values"], user["lists"], strict=True):
            hits = sum(place < 0 for place in offered)
            assert value == pytest.approx(hits / user["m"], abs=1e-4)
            checked += hits
    assert checked > 100


def test_lists_are_those_of_the_run_s_file(stored, ground, sweep_folder):
    table = pd.read_parquet(sweep_folder / "ease" / "candidates.parquet")
    row = stored["rows"].index("ease")
    titles = ground.dataset.titles
    for user in stored["users"]:
        own = table[table["user"] == dense(ground, user)].sort_values("rank")["item"][:20]
        wanted = [titles[item][:159] for item in own]
        found = [title[:159] for title in titles_of(user["lists"][row], stored)]
        assert found == wanted


def test_a_row_of_several_seeds_has_the_metric_of_the_seed_whose_lists_it_shows(
    stored, ground, sweep_folder
):
    row = stored["rows"].index("wals-dim64")
    frame = pd.read_parquet(sweep_folder / "wals-dim64-seed1" / "per_user.parquet")
    known = frame[frame["generator"] == "WALS"].set_index("user")["recall@20"]
    for user in stored["users"]:
        assert user["values"][row] == pytest.approx(known[dense(ground, user)], abs=1e-4)


def test_histories_and_held_out_items_are_whole(stored, ground):
    data = ground.dataset
    for user in stored["users"]:
        own = dense(ground, user)
        history = data.history_matrix[[own]].indices
        held = data.held_out_matrix[[own]].indices
        assert (user["n"], user["m"]) == (len(history), len(held))
        assert len(user["history"]) == min(len(history), users.REMEMBERED)
        titles = sorted(data.titles[i][:159] for i in held)
        assert sorted(t[:159] for t in titles_of(user["held"], stored)) == titles


def test_users_come_from_the_least_to_the_most_active_and_all_are_there_if_they_fit(stored):
    lengths = [user["n"] for user in stored["users"]]
    assert lengths == sorted(lengths)
    assert len(lengths) == stored["judged"] == 150
    assert stored["known"] == len(stored["rows"]) == 4


def test_it_begins_with_the_reference_beside_the_best(report, stored):
    assert [stored["rows"][row] for row in stored["start"][1:]] == ["ease", "wals-dim64"]
    asked = replace(report, baseline="wals-dim16")
    again = users.storable(asked, asked.comparisons[0], PLENTY)
    assert [again["rows"][row] for row in again["start"][1:]] == ["wals-dim16", "ease"]


@pytest.mark.parametrize("budget", [60_000, 25_000])
def test_a_budget_is_kept_with_hostile_titles_and_the_examples_stay(report, ground, budget):
    found = users.storable(report, ground, budget)
    assert len(data_block("users", found).encode()) < budget
    assert 20 < len(found["users"]) < 150
    wanted = examples.spread_over_activity(ground.dataset, np.arange(150), report.example_users)
    wanted = [*wanted, *examples.disagreeing_users(report, ground)]
    assert {f"u{user}" for user in wanted} <= {user["id"] for user in found["users"]}


def test_rows_are_left_out_before_users_become_few(report, ground):
    found = users.storable(report, ground, 22_000)
    assert len(found["users"]) >= users.FEWEST_USERS
    assert found["rows"] == ["ease", "wals-dim64"] and found["known"] == 4


def test_a_smaller_sample_is_spread_over_activity(report, ground):
    everybody = np.diff(ground.dataset.history_matrix.indptr)
    few = [user["n"] for user in users.storable(report, ground, 60_000)["users"]]
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(few, share) == pytest.approx(np.quantile(everybody, share), abs=2)


def test_the_whole_report_keeps_one_budget(report, monkeypatch):
    monkeypatch.setattr(users, "BUDGET", 50_000)
    html = users.candidates(report).html
    blocks = [part.partition("</script>")[0] for part in html.split("<script")[1:]]
    assert len(blocks) == 2
    assert sum(len(block.encode()) for block in blocks) < 50_000


def test_what_can_be_picked_stands_before_the_static_examples(report):
    html = users.candidates(report).html
    static = examples.side_by_side(report).html
    assert html.count('class="cg-users') == 2
    assert static.count('class="cg-example"') == html.count('class="cg-example"') == 8


def test_a_hostile_title_is_json_and_no_markup(report):
    html = users.candidates(report).html
    assert "<script>alert" not in html
    block = html.partition('data-kind="users">')[2].partition("</script>")[0]
    assert "<script>alert(1)</script>" in json.loads(block)["titles"]


def test_without_dataset_or_candidates_there_is_nothing_to_pick(small_sweep):
    (small_sweep / "candidates.parquet").unlink()
    report = open_report(small_sweep.parent)
    assert "cg-users" not in users.candidates(report).html
    assert users.storable(report, report.comparisons[0], PLENTY) is None
