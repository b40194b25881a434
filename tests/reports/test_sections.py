import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from candgen.reports import closing, examples, groups, open_report, overview, results
from candgen.reports.rendering import Cell, Table, note

SECTIONS = [
    overview.opening, overview.datasets, overview.parameters, results.headline,
    results.leaderboard, results.differences, groups.by_activity, groups.by_popularity,
    results.costs, results.breadth, examples.side_by_side, examples.disagreement,
    closing.failures, closing.recipe, closing.limits, closing.explained,
]  # fmt: skip


def text_of(html: str) -> str:
    """Return roughly the text that a reader sees."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_no_section_lets_a_title_or_a_message_become_markup(report, section):
    html = section(report).html
    assert "<script" not in html
    assert "</table>" not in re.sub(r"</table>\s*</div>", "", html)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_section_has_words_for_a_sweep_in_which_all_failed(sweep_builder, tmp_path, section):
    report = open_report(sweep_builder.build_empty_sweep(tmp_path / "empty"))
    assert len(text_of(section(report).html).strip()) > 10


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_section_has_words_where_nothing_was_ever_run(tmp_path, monkeypatch, section):
    for folder in ("notebooks", "params"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(text_of(section(open_report()).html).strip()) > 10


def test_without_a_sweep_the_opening_says_how_to_make_one(tmp_path, monkeypatch):
    for folder in ("notebooks", "params"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    assert "candgen sweep params/quick.yaml" in overview.opening(open_report()).html


def test_the_newest_sweep_is_shown_when_none_is_named(sweep_builder, tmp_path, monkeypatch):
    import os

    for folder in ("notebooks", "params"):
        (tmp_path / folder).mkdir()
    for age, name in ((20, "older"), (10, "newer"), (30, "oldest")):
        made = sweep_builder.build_empty_sweep(tmp_path / "outputs" / name) / "sweep.json"
        os.utime(made, (made.stat().st_mtime - age,) * 2)
    monkeypatch.chdir(tmp_path)
    assert open_report().sweep.folder.name == "newer"


def test_rows_that_left_users_without_candidates_are_named(small_sweep):
    path = small_sweep / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["generators"][0]["counts"] = {"users_without_candidates": 3, "short_lists": 9}
    path.write_text(json.dumps(metrics))
    seen = text_of(overview.datasets(open_report(small_sweep.parent)).html)
    assert "only gave 3 users no candidate at all." in seen


def test_the_opening_asks_and_answers(report):
    seen = text_of(overview.opening(report).html)
    assert "Does dim matter more than &lt;script&gt;" in seen
    assert "Use ease." in seen
    assert "11 runs: 8 done, 1 failed, 1 interrupted, 1 not started. 3 did not finish" in seen


def test_datasets_carry_their_warnings_digest_and_licence(report):
    seen = text_of(overview.datasets(report).html)
    assert "see the future of 3 users of world" in seen
    assert report.comparisons[0].digest in seen
    assert "invented; free to use" in seen
    assert "Nobody, Nowhere, 2026." in seen


def test_terms_are_explained_on_hover_and_again_at_the_end(report):
    html = results.differences(report).html + overview.datasets(report).html
    listed = text_of(closing.explained(report).html)
    hovered = set(re.findall(r'title="([^"]+)"', html))
    assert 'title="p, corrected for comparing several runs with one baseline"' in html
    assert any(text.startswith("fingerprint of the content") for text in hovered)
    assert "p (Holm) p, corrected for comparing several runs" in listed
    assert "recall held-out items found" in listed and "mean_absolute" not in listed
    for name in ("p (Holm)", "p (max-T)", "futures seen", "undecided", "margin", "80 % power"):
        assert f" {name} " in listed


def test_the_future_that_a_split_shows_is_a_fact_of_its_own(small_sweep):
    path = small_sweep.parent / "datasets/world/dataset.json"
    info = json.loads(path.read_text())
    info["split"]["futures_seen"] = {"own": 0.25, "of_all": 0.5}
    path.write_text(json.dumps(info))
    seen = text_of(overview.datasets(open_report(small_sweep.parent)).html)
    assert "futures seen own: 25.0%; of all: 50.0%" in seen


def test_only_differing_parameters_are_in_the_open(report):
    in_the_open, folded = overview.parameters(report).html.split("<details")
    assert "dim" in in_the_open
    assert ">evaluate_on<" not in in_the_open
    assert ">evaluate_on<" in folded


def test_the_reference_is_the_first_row_of_the_leaderboard(report):
    body = results.leaderboard(report).html.split("<tbody>")[1]
    first = body.split("</tr>")[0]
    assert "popularity" in first
    assert "cg-reference" in first


def test_compiling_has_a_column_of_its_own_among_the_costs(report):
    said = text_of(results.costs(report).html)
    assert re.search(r"rank, s compile and load, s .* 0\.200 3\.50 ", said)


def test_differences_never_mix_datasets(report):
    for part in results.differences(report).html.split('<h3 class="cg-heading">')[1:]:
        assert ("films-wals" in part) == part.startswith("films")
        assert ("wals-dim16" in part) == part.startswith("world")


def test_a_wide_margin_turns_every_verdict_to_no_practical_difference(sweep_folder):
    wide = results.differences(open_report(sweep_folder, margin=1.0)).html
    assert "no practical difference" in wide
    assert ">better<" not in wide
    assert ">better<" in results.differences(open_report(sweep_folder, margin=0.0)).html


def test_failures_show_how_it_ended_the_last_lines_and_a_link(report):
    html = closing.failures(report).html
    assert '<a href="broken/page.html">' in html
    assert "model.fit(data)" in html
    assert "\x1b" not in html
    assert "interrupted" in text_of(html)
    assert "not started" in text_of(html)


def test_a_metric_nobody_recorded_is_replaced_and_said(sweep_folder):
    report = open_report(sweep_folder, metric="recall@7")
    assert report.metric == "recall@10"
    assert "recall@7, which no run recorded" in text_of(overview.opening(report).html)


def test_an_unknown_baseline_gives_way_to_popularity_and_is_said(sweep_folder):
    report = open_report(sweep_folder, baseline="itemnn")
    assert report.reference(report.comparisons[0]).label == "popularity"
    assert "no row is called &#39;itemnn&#39;" in overview.opening(report).html


def test_any_row_can_be_the_baseline(sweep_folder):
    html = results.differences(open_report(sweep_folder, baseline="ease")).html
    assert "recall@20 minus that of ease" in html


def test_candidates_that_were_watched_next_are_marked(report):
    ground = report.comparisons[0]
    dataset = ground.dataset
    html = examples.side_by_side(report).html
    users = examples.spread_over_activity(dataset, np.arange(dataset.n_users), 4)
    hits = 0
    for row in report.featured(ground):
        found = ground.judgement(row).candidates
        if found is None:
            continue
        for user in users:
            wanted = set(np.flatnonzero(dataset.held_out_matrix[[user]].toarray()))
            hits += len(wanted & set(found.for_users(np.array([user]))[0][:10].tolist()))
    assert hits > 0
    assert html.split("films, judged on test")[0].count('class="cg-hit"') == hits


def test_histories_are_shown_newest_first(sweep_builder, tmp_path):
    world = sweep_builder.build_dataset(tmp_path / "world", n_users=5, n_items=40)
    train = world.train.assign(timestamp=np.arange(len(world.train))[::-1])
    world._tables["train+validation"] = train
    newest = train[train["user"] == 2].sort_values("timestamp")["item"].iloc[-1]
    assert examples.newest_first(world, np.array([2]))[2][0] == newest


def test_runs_disagree_most_where_best_and_worst_are_furthest_apart():
    values = pd.DataFrame({"a": [0.5, 0.0, 1.0, 0.2], "b": [0.5, 1.0, 0.4, 0.2]})
    assert examples.most_apart(values, 2) == [1, 2]


def test_without_the_dataset_the_rest_of_the_report_remains(small_sweep):
    import shutil

    shutil.rmtree(small_sweep.parent / "datasets")
    report = open_report(small_sweep.parent)
    assert "not at hand" in groups.by_activity(report).html
    assert "WALS" in results.leaderboard(report).html
    assert "no longer where the runs found it" in overview.datasets(report).html


def test_repeated_seeds_show_mean_interval_and_spread(report):
    html = results.leaderboard(report).html
    row = next(row for row in html.split("<tr") if "wals-dim16" in row)
    assert "seeds 0." in row
    assert " to " in row


def test_few_judged_users_are_named_among_the_limits(report):
    assert "Only 60 users could be judged on films" in closing.limits(report).html


def test_a_table_escapes_every_part_of_a_cell():
    evil = '"><img src=x onerror=alert(1)>'
    cell = Cell(evil, evil, note=evil, link=evil, tone="muted")
    html = Table(evil, [evil], [[cell], [cell]], hints=[evil]).fragment().html + note(evil).html
    assert "<img" not in html


def test_a_parameter_that_is_a_whole_path_is_cut_to_its_last_part():
    assert overview.short("/home/somebody/films.zip") == "…/films.zip"
    assert overview.short("../shared/films") == "../shared/films"


def test_the_opening_has_words_where_the_reference_itself_is_best(report):
    best = report.comparisons[0].ranked(report.metric)[0]
    asked = replace(report, baseline=best.label)
    assert asked.reference(asked.comparisons[0]) is not None
    seen = text_of(overview.opening(asked).html)
    assert f"Use {best.label}. " in seen and "points of" not in seen.partition("films, judged")[0]


def test_recall_over_all_events_is_shown_where_it_differs_from_the_mean_over_users(
    report, monkeypatch
):
    from candgen.reports.comparing import Contender

    # All users of these worlds hold equally many items, so that both are the same number.
    assert "micro_recall@" not in results.breadth(report).html
    number = Contender.number

    def fewer_over_events(contender, name):
        return 0.123 if name == "micro_recall@20" else number(contender, name)

    monkeypatch.setattr(Contender, "number", fewer_over_events)
    html = results.breadth(report).html
    assert "micro_recall@20" in html and "0.123" in html
