"""Popularity of late comes along where events are split at a date."""

import json

import numpy as np
import pytest

from candgen import evaluation, session
from candgen.datasets import preparation
from candgen.models import Popularity, RecentPopularity
from candgen.session import recent_baseline, runs

SIZES = {"n_users": 60, "n_items": 50, "events_per_user": 15.0}


@pytest.fixture(scope="module")
def dated(tmp_path_factory):
    return preparation.prepare(tmp_path_factory.mktemp("dated"), source="world", **SIZES)


def popular(data, k=10):
    return evaluation.judge(Popularity().fit(data), data, k=k, cutoffs=[5, k], seed=3)


def test_it_is_judged_as_popularity_was_on_the_part_that_popularity_was(dated):
    for data in (dated, dated.for_validation()):
        (found,) = recent_baseline.beside([popular(data)], data)
        expected = evaluation.judge(
            RecentPopularity().fit(data), data, k=10, cutoffs=[5, 10], seed=3
        )
        assert found.generator == "RecentPopularity" and found.judged_on == data.judged_on
        assert found.row().keys() == expected.row().keys()
        assert found.per_user.equals(expected.per_user)


def test_it_stays_away_from_other_splits_and_where_it_or_popularity_decides(dated, tmp_path):
    last = preparation.prepare(tmp_path / "last", source="world", split="leave_last_out", **SIZES)
    assert recent_baseline.beside([popular(last)], last) == []
    own = evaluation.judge(RecentPopularity(days=3.0).fit(dated), dated, k=10)
    assert recent_baseline.beside([popular(dated), own], dated) == []
    assert recent_baseline.beside([own], dated) == []


def test_it_stays_away_where_popularity_was_judged_on_other_users(dated):
    some = popular(dated)
    some.per_user = some.per_user.iloc[1:].reset_index(drop=True)
    assert recent_baseline.beside([some], dated) == []


def test_it_is_recorded_as_a_baseline(dated, tmp_path, monkeypatch):
    for name in ("notebooks", "params", "outputs"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "_current", None)
    namespace = {"session": session}
    exec("run_folder: str = 'outputs/r'\nrun = session.open_run()", namespace)
    namespace["run"].record(popular(dated), dataset=dated)
    rows = json.loads((tmp_path / "outputs/r/metrics.json").read_text())["generators"]
    assert [(row["generator"], row["baseline"]) for row in rows] == [
        ("popularity", False),
        ("RecentPopularity", True),
    ]
    assert np.isfinite(rows[1]["recall@10"])
