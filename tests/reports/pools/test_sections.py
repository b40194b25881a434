"""The section of a report on ranked pools."""

import json

import pytest

from candgen.reports import open_report
from candgen.reports.pools import sections

POOL = {
    "format": 1, "metric": "ndcg@10", "k": 100, "learned_from": 61,
    "worth": [
        {"generator": "WALS", "adds": 0.0312, "low": 0.01, "high": 0.05, "recall_adds": 0.0423},
        {"generator": "<b>EASE</b>", "adds": -0.001, "low": -0.01, "high": 0.01,
         "recall_adds": 0.0},
    ],
    "sizes": [
        {"k": 50, "recall": 0.31, "ranked": 0.1234, "low": 0.1, "high": 0.14, "fused": 0.11,
         "ceiling": 0.41},
        {"k": 200, "recall": 0.62, "ranked": 0.1301, "low": 0.1, "high": 0.15, "fused": 0.09,
         "ceiling": 0.71},
    ],
    "importance": [{"feature": "similarity", "drop": 0.0456, "low": 0.03, "high": 0.06}],
}  # fmt: skip


@pytest.fixture
def sweep(sweep_builder, tmp_path):
    data = sweep_builder.build_dataset(tmp_path / "s" / "datasets" / "world", n_users=40)
    for run in ("one", "two"):
        sweep_builder.write_run(tmp_path / "s" / run, data, "ranker", 1.0, params={"k": 50})
    sweep_builder.write_sweep(tmp_path / "s", {"one": {}, "two": {}})
    return tmp_path / "s"


def test_a_sweep_without_a_ranked_pool_has_no_such_section(sweep):
    assert sections.ranked(open_report(sweep)).absent


def test_worth_sizes_and_importance_are_shown_with_their_intervals(sweep):
    (sweep / "one" / "pool.json").write_text(json.dumps(POOL))
    found = sections.ranked(open_report(sweep))
    assert not found.absent
    for text in ("0.0312", "0.0100 to 0.0500", "0.0423", "0.1301", "0.4100", "0.0456", "61 users"):
        assert text in found.html, text
    assert "<b>EASE</b>" not in found.html and "&lt;b&gt;EASE" in found.html
    assert [len(table.rows) for table in found.tables] == [2, 2, 1]
    assert "50 candidates: recall 0.310, ranker 0.1234, ceiling 0.4100" in found.html


def test_a_damaged_record_is_named_and_the_others_are_shown(sweep):
    (sweep / "one" / "pool.json").write_text('{"metric": "ndcg@10"}')
    (sweep / "two" / "pool.json").write_text(json.dumps(POOL))
    html = sections.ranked(open_report(sweep)).html
    assert "one/pool.json" in html and "0.0312" in html
