"""A backtest in a report: windows of one dataset as one comparison, and the metric over time."""

import json

import numpy as np
import pytest

from candgen.reports import open_report, overview
from candgen.reports.backtests import sections
from candgen.reports.backtests.pooling import backtests

SKILLS = {"WALS": (1.3, 1.2, 1.4), "EASE": (0.9, 1.0, 0.8)}


@pytest.fixture
def sweep(sweep_builder, tmp_path):
    """Three windows of two models; users u0 to u59 are judged in the first, more in later ones."""
    folder, runs = tmp_path / "backtest", {}
    for place in (1, 2, 3):
        name = f"films-window{place}"
        at = folder / "datasets" / name
        data = sweep_builder.build_dataset(at, name=name, n_users=50 + 10 * place, seed=place)
        described = json.loads((at / "dataset.json").read_text())
        described["split"] = {"policy": "timeline", "window": place, "windows": 3,
                              "test_starts": 86_400 * 100 * place}  # fmt: skip
        (at / "dataset.json").write_text(json.dumps(described))
        for generator, skills in SKILLS.items():
            run = f"{generator.lower()}-{name}"
            runs[run] = {"dim": 4}
            sweep_builder.write_run(
                folder / run, data, generator, skills[place - 1], params={"dim": 4}
            )
    sweep_builder.write_sweep(folder, runs)
    return folder


@pytest.fixture
def report(sweep):
    return open_report(sweep)


def test_windows_are_one_comparison_in_which_each_user_counts_once(report):
    (found,) = backtests(report.comparisons)
    assert found.name == "films" and "3 windows of time" in found.title
    assert [window.place for window in found.windows] == [1, 2, 3]
    assert [str(window.starts) for window in found.windows] == [
        "1970-04-11", "1970-07-20", "1970-10-28"
    ]  # fmt: skip
    wals = found.find("wals")
    assert len(wals.per_user) == 80
    parts = [w.ground.find("wals").per_user["recall@20"] for w in found.windows]
    first = [part.loc[3] for part in parts]  # user u3 was judged in all windows
    codes = sorted(f"u{n}" for n in range(80))
    assert wals.per_user["recall@20"].loc[codes.index("u3")] == pytest.approx(np.mean(first))
    last = wals.per_user["recall@20"].loc[codes.index("u79")]
    assert last == pytest.approx(parts[2].loc[79])
    assert wals.number("recall@20") == pytest.approx(wals.per_user["recall@20"].mean())


def test_the_first_screen_answers_once_for_all_windows(report):
    html = overview.opening(report).html
    assert html.count('class="cg-answer"') == 1
    assert "films, 3 windows of time" in html
    assert "Use wals." in html and "80 users" in html


def test_the_section_shows_each_window_and_the_mean_over_users(report):
    fragment = sections.over_time(report)
    (table,) = fragment.tables
    assert table.columns == ["run", "all windows", "1970-04-11", "1970-07-20", "1970-10-28"]
    by_name = {row[0].text: row for row in table.rows}
    assert set(by_name) == {"wals", "ease", "popularity", "random"}
    windows = backtests(report.comparisons)[0].windows
    for place, window in enumerate(windows):
        expected = window.ground.find("ease").number("recall@20")
        assert by_name["ease"][2 + place].sort == pytest.approx(expected)
    assert by_name["wals"][1].ends is not None
    assert "recall@20 window by window" in fragment.html


def test_a_sweep_without_windows_has_no_such_section(small_sweep):
    assert sections.over_time(open_report(small_sweep.parent)).absent
