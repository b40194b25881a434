"""Data of the explorer: the numbers of the tables, and no markup."""

import json
import re

import pytest

from candgen.reports.interaction import explorer
from candgen.reports.results import leaderboard


@pytest.fixture(scope="module")
def told(report):
    return explorer.runs(report, report.comparisons[0])


def of(told, run, name):
    place = [column["name"] for column in told["columns"]].index(name)
    return run["values"][place], run["ends"][place]


def test_runs_come_best_first_with_the_values_of_the_leaderboard(told, report):
    ground = report.comparisons[0]
    for shown, contender in zip(told["runs"], ground.ranked(report.metric), strict=True):
        value, ends = of(told, shown, report.metric)
        assert value == pytest.approx(contender.number(report.metric), rel=1e-5)
        assert ends == pytest.approx(contender.interval(report.metric), rel=1e-5)
    values = [of(told, run, report.metric)[0] for run in told["runs"]]
    assert values == sorted(values, reverse=True)


def test_only_parameters_that_differ_on_this_dataset_are_columns(told):
    parameters = [c["name"] for c in told["columns"] if c["kind"] == "parameter"]
    assert parameters == ["dim"]  # seeds are merged into one row, and only EASE is regularized
    dims = {run["name"]: of(told, run, "dim")[0] for run in told["runs"]}
    assert dims["wals-dim16"] == 16
    assert dims["popularity"] is None


def test_a_cost_that_nobody_measured_is_absent_and_not_zero(told):
    popularity = next(run for run in told["runs"] if run["name"] == "popularity")
    assert popularity["reference"] and popularity["link"] is None
    assert of(told, popularity, "peak_memory_mib") == (None, None)


def test_rows_of_tables_carry_the_keys_of_the_runs(told, report):
    html = leaderboard(report).html
    keys = re.findall(r'<tr[^>]* data-run="([^"]*)"', html)
    assert {run["key"] for run in told["runs"]} < set(keys)
    assert len(set(keys)) == len(keys)  # runs of the other dataset have keys of their own


def test_the_section_reads_without_script_and_is_one_block_for_each_dataset(report):
    html = explorer.explorer(report).html
    assert html.count("works in a browser, with script") == len(report.comparisons) == 2
    blocks = re.findall(r"<script[^>]*>(.*?)</script>", html, flags=re.DOTALL)
    assert [json.loads(block)["title"] for block in blocks] == [g.title for g in report.comparisons]
