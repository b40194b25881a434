"""The first screen of a report: what was chosen on these users, what was ranked, disclosures."""

import json
import re
import shutil

import pytest

from candgen import evaluation
from candgen.datasets import open_dataset, preparation
from candgen.reports import open_report, overview, results, write_leaderboard
from candgen.reports.reading import read_sweep


def text_of(fragment) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", fragment.html))


def edited(path, change) -> None:
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))


def test_the_best_row_is_said_to_be_chosen_on_the_same_users(report):
    seen = text_of(overview.opening(report))
    world = seen.partition("films, judged on")[0]
    assert "Chosen as the best of 4 on these users, so its value is somewhat optimistic." in world
    assert "Chosen as" not in seen.partition("films, judged on")[2]  # one model, two baselines


def test_rows_that_the_best_is_not_distinguished_from_are_named(sweep_folder):
    seen = text_of(overview.opening(open_report(sweep_folder, margin=0.0)))
    assert "Use ease. Every other model is worse (150 users)." in seen
    seen = text_of(overview.opening(open_report(sweep_folder, margin=0.05)))
    # EASE is ahead of both by more than chance, but not surely by .05
    assert "Use ease. wals-dim64 and wals-dim16 cannot be told apart from it (150 users)." in seen


def test_the_table_below_has_the_same_verdicts(sweep_folder):
    report = open_report(sweep_folder, margin=0.05)
    table = report.comparisons[0].against_best(report.metric, 0.05)
    worse = table.loc[table["verdict"] == "worse", "generator"].tolist()
    assert worse == ["wals-dim04"]
    models = [c.judgement for c in report.comparisons[0].contenders if not c.reference]
    plain = evaluation.compare(models, report.metric, baseline="ease")
    plain = plain.set_index("generator").loc[table["generator"]]
    widths = [(one["high"] - one["low"]).to_numpy() for one in (table, plain)]
    assert (widths[0] > 1.2 * widths[1]).all()  # for all six pairs at once
    html = results.differences(report).html.split("Is the best")[1]
    for row in html.split("<tbody>")[1].split("</tr>")[:3]:
        assert (">worse<" in row) == any(name in row for name in worse)


def test_one_model_alone_was_not_chosen_among_models(small_sweep):
    seen = text_of(overview.opening(open_report(small_sweep.parent)))
    assert "told apart" not in seen and "Every other model" not in seen


def test_intervals_of_repeated_runs_are_wider_than_over_users_alone(report):
    row = report.comparisons[0].find("wals-dim16")
    low, high = row.interval(report.metric)
    assert list(row.judgement.repeats) == ["1", "2"]
    alone = row.judgement
    alone = type(alone)(alone.generator, alone.per_user).interval(report.metric)
    assert high - low > alone[1] - alone[0]
    assert "with several seeds, over seeds" in results.headline(report).html


def test_disclosures_are_printed_under_their_meaning_and_escaped(small_sweep):
    told = {"unequal_tuning": "WALS had\n  more trials <b>.", "test_reuse": "Twice in May."}
    edited(small_sweep.parent / "sweep.json", lambda plan: plan["report"].update(disclosures=told))
    fragment = overview.opening(open_report(small_sweep.parent))
    seen = text_of(fragment)
    assert "Test was evaluated more than once. Twice in May." in seen
    assert "Generators were not tuned with equal effort. WALS had more trials &lt;b&gt;." in seen
    assert seen.index("Twice in May") < seen.index("WALS had")
    assert "<b>" not in fragment.html


def test_without_disclosures_there_is_no_box(report):
    assert "Disclosures" not in overview.opening(report).html


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((100, 100.0, 100), "Sampled ranking in 1 of 3 rows: 100 given items for each user, not"),
        ((20, 80.5, 101), "given items for each user (median; 20 to 101), not the whole catalogue"),
        (None, "their number was not recorded"),
    ],
)
def test_given_lists_are_said_with_their_number_of_items(small_sweep, counts, said):
    def change(metrics):
        row = metrics["generators"][0]
        names = ("fewest_items_ranked", "median_items_ranked", "most_items_ranked")
        row["counts"] = {} if counts is None else dict(zip(names, counts, strict=True))
        row["ranking"] = "given lists (sampled ranking)"

    edited(small_sweep / "metrics.json", change)
    assert said in text_of(overview.opening(open_report(small_sweep.parent)))


@pytest.fixture(scope="module")
def shaped(tmp_path_factory):
    """A dataset with given parts whose validation was drawn to resemble test."""
    folder = tmp_path_factory.mktemp("shaped")
    rows = [f"{u} " + " ".join(str(i) for i in range(u % 5, u % 5 + 8)) for u in range(40)]
    (folder / "train.txt").write_text("\n".join(rows) + "\n")
    (folder / "test.txt").write_text("\n".join(f"{u} 13" for u in range(40)) + "\n")
    made = {"source": "given", "train_path": folder / "train.txt", "name": "places",
            "test_path": folder / "test.txt", "validation_fraction": 0.25}  # fmt: skip
    powers = {"validation_clustering": 0.5}
    return [preparation.prepare(folder / "data" / str(len(p)), **made, **p) for p in ({}, powers)]


def test_a_dataset_names_a_validation_that_was_shaped_by_test(shaped):
    from candgen.datasets import summary

    plain, data = (open_dataset(one.folder) for one in shaped)
    for view, word in ((data, "test"), (data.for_validation(), "validation (shaped by test)")):
        assert view.judged_on == word and f"judged on {word};" in repr(view)
        assert "validation (shaped by test) events" in view._repr_html_()
    assert "validation (shaped by test)" in summary.parts(data).index
    assert "validation (shaped by test)" in summary.overlap(data)
    assert "not independent of test" in " ".join(data.warnings)
    assert plain.for_validation().judged_on == "validation"
    assert "validation" in summary.parts(plain).index and "shaped" not in " ".join(plain.warnings)


def test_a_run_its_leaderboard_and_its_report_name_it_too(shaped, sweep_builder, tmp_path):
    from candgen import models
    from candgen.session.runs import Run

    data = shaped[1].for_validation()
    label = "validation (shaped by test)"
    found = evaluation.judge(models.Popularity().fit(data), data, k=5)
    assert f"on {label}" in found._repr_html_()
    run = Run(tmp_path / "a", {"evaluate_on": "validation"})
    run.datasets.append(data)
    run.record(found)
    recorded = json.loads((tmp_path / "a/metrics.json").read_text())["dataset"]
    assert (recorded["evaluate_on"], recorded["judged_on"]) == ("validation", label)
    sweep_builder.write_status(tmp_path / "a", "done")
    sweep_builder.write_sweep(tmp_path, {"a": {}})
    assert write_leaderboard(tmp_path).read_text().splitlines()[1].split(",")[3] == label
    assert read_sweep(tmp_path).runs[0].judged_on == label
    seen = text_of(overview.opening(open_report(tmp_path)))
    assert f"places, judged on {label}" in seen
    assert (
        f"Leaderboard, places, judged on {label}" in results.leaderboard(open_report(tmp_path)).html
    )
    shutil.rmtree(tmp_path / "a")


def test_a_sentence_of_a_page_names_the_judged_part_as_tables_do(shaped, tmp_path, capsys):
    from candgen.session.runs import Run

    run = Run(tmp_path, {"evaluate_on": "validation"})
    run.datasets.append(shaped[1].for_validation())
    run.say("judged on {evaluate_on}")
    assert run._part() == {"evaluate_on": "validation (shaped by test)"}
    run.datasets.append(shaped[1])  # judged on both: the parameter stands
    assert run._part() == {}
