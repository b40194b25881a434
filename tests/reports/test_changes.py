"""Two sweeps side by side: rows of the same data are paired, other data are refused."""

import json

import numpy as np
import pytest

from candgen.errors import DataError, SettingError
from candgen.reports import open_report
from candgen.reports.changes import Changes, Moved, changes, fallen, grouped


@pytest.fixture(scope="module")
def world(sweep_builder, tmp_path_factory):
    return sweep_builder.build_dataset(tmp_path_factory.mktemp("data") / "world")


@pytest.fixture
def sweep(sweep_builder, world, tmp_path):
    """Write a sweep of runs given as name -> skill; the same skill gives the same lists."""

    def write(name, params=None, **skills):
        folder = tmp_path / name
        for run, skill in skills.items():
            told = {"dim": 4, **(params or {})}
            sweep_builder.write_run(folder / run, world, run.upper(), skill, params=told)
        sweep_builder.write_sweep(folder, {run: {} for run in skills})
        return folder

    return write


def rows(found):
    return {row.label: row for row in found.moved}


def test_rows_are_paired_by_name_with_an_interval_and_a_verdict(sweep):
    found = changes(open_report(sweep("old", wals=1.4, ease=1.0)),
                    open_report(sweep("new", wals=0.9, ease=1.0)))  # fmt: skip
    row = rows(found)["wals"]
    assert row.low < row.difference < row.high < -0.005 and row.verdict == "worse"
    assert row.difference == pytest.approx(row.after - row.before)
    assert rows(found)["ease"].verdict == rows(found)["random"].verdict == "equal for every user"
    assert rows(found)["ease"].difference == 0


def test_the_interval_is_of_paired_users(sweep):
    old, new = open_report(sweep("old", wals=1.4)), open_report(sweep("new", wals=0.9))
    row = rows(changes(old, new))["wals"]
    values = [r.comparisons[0].find("wals").per_user["recall@20"] for r in (old, new)]
    error = (values[1] - values[0]).std() / np.sqrt(len(values[0]))
    assert row.high - row.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_what_moves_within_noise_is_undecided(sweep):
    found = changes(open_report(sweep("old", wals=1.4)), open_report(sweep("new", wals=1.38)))
    row = rows(found)["wals"]
    assert row.difference != 0 and row.verdict in ("undecided", "no practical difference")


def test_rows_of_one_sweep_alone_are_named(sweep):
    found = changes(open_report(sweep("old", wals=1.4, gone=1.0)),
                    open_report(sweep("new", wals=1.4, fresh=1.0)))  # fmt: skip
    assert (rows(found)["gone"].verdict, rows(found)["fresh"].verdict) == ("missing", "new")
    assert [row.label for row in fallen(found, 1.0)] == ["gone"]


def test_a_dataset_that_the_later_sweep_lacks_is_missing(sweep, sweep_builder, tmp_path):
    old, new = sweep("old", wals=1.4), sweep("new", wals=1.4)
    other = sweep_builder.build_dataset(tmp_path / "films", name="films", n_users=20, n_items=40)
    sweep_builder.write_run(old / "f", other, "WALS", 1.0, params={})
    sweep_builder.write_sweep(old, {"wals": {}, "f": {}})
    found = changes(open_report(old), open_report(new))
    assert {row.label for row in fallen(found, 0.005)} == {"f", "popularity", "random"}
    assert {row.where for row in fallen(found, 0.005)} == {"films, judged on test"}


def test_sweeps_without_common_data_are_refused_with_their_digests(sweep, sweep_builder, tmp_path):
    folder = tmp_path / "other"
    films = sweep_builder.build_dataset(folder / "data", name="films", n_users=20, n_items=40)
    sweep_builder.write_run(folder / "wals", films, "WALS", 1.0, params={})
    sweep_builder.write_sweep(folder, {"wals": {}})
    with pytest.raises(DataError) as refused:
        changes(open_report(sweep("old", wals=1.0)), open_report(folder))
    assert films.digest[:12] in str(refused.value) and "world, judged on test" in str(refused.value)


def test_the_same_data_judged_on_another_part_are_refused(sweep, sweep_builder, world, tmp_path):
    folder = tmp_path / "validated"
    sweep_builder.write_run(folder / "wals", world, "WALS", 1.0, params={},
                            evaluate_on="validation")  # fmt: skip
    sweep_builder.write_sweep(folder, {"wals": {}})
    with pytest.raises(DataError, match="judged on validation"):
        changes(open_report(sweep("old", wals=1.0)), open_report(folder))


def test_changed_parameters_versions_and_code_are_listed(sweep):
    old, new = sweep("old", wals=1.4, ease=1.0), sweep("new", {"dim": 8}, wals=1.4, ease=1.0)
    for folder, version, code in ((old, "2.4.0", "a" * 16), (new, "2.5.0", "b" * 16)):
        for run in ("wals", "ease"):
            for file, change in (
                ("environment.json", lambda held, v=version: held["packages"].update(numpy=v)),
                ("status.json", lambda held, c=code: held.update(
                    fingerprint=f"notebook=n parameters={c} library={c} python=p")),
            ):  # fmt: skip
                path = folder / run / file
                held = json.loads(path.read_text())
                change(held)
                path.write_text(json.dumps(held))
    found = changes(open_report(old), open_report(new))
    assert ("wals", "dim", "4", "8") in found.settings
    assert ("wals and ease", "code of the library", "a" * 16, "b" * 16) in grouped(found.settings)
    assert {name for _, name, *_ in found.settings} == {"dim", "code of the library"}
    assert found.surroundings == [("numpy", "2.4.0", "2.5.0")]


def test_a_metric_nobody_recorded_is_refused(sweep):
    old = open_report(sweep("old", wals=1.0))
    with pytest.raises(SettingError, match=r"no metric 'recall@21'.*recall@20"):
        changes(old, old, metric="recall@21")


def test_only_a_fall_beyond_the_margin_counts(sweep):
    found = changes(open_report(sweep("old", wals=1.0, ease=1.4)),
                    open_report(sweep("new", wals=1.4, ease=1.3)))  # fmt: skip
    size = -rows(found)["ease"].difference
    assert size > 0
    assert [row.label for row in fallen(found, size * 0.9)] == ["ease"]
    assert fallen(found, size * 1.1) == []


def test_a_value_that_the_later_sweep_lacks_has_fallen_and_a_new_row_has_not():
    lost = Moved("world", "lost", 0.3, None, verdict="no values to compare")
    new = Moved("world", "new", None, 0.3, verdict="new")
    found = Changes("recall@20", 0.005, [lost, new], [], [])
    assert fallen(found, 0.005) == [lost]
