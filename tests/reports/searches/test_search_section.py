import re
from dataclasses import replace

import pytest

from candgen.reports import open_report, overview
from candgen.reports.searches import sections
from candgen.reports.searches.reading import read_searches


def text_of(html: str) -> str:
    """Return roughly the text that a reader sees."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def table(html: str, caption: str) -> list[str]:
    """Return the text of each row of the table with this caption."""
    (found,) = [t for t in html.split("<table")[1:] if f"<caption>{caption}" in t]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", found, re.DOTALL)
    return [text_of(row).strip() for row in rows[1:]]


@pytest.fixture(scope="module")
def html(searched) -> str:
    return sections.search(searched).html


@pytest.fixture
def changed(searched_folder, searched, invented):
    """The report of the same sweep with another record of its searches."""

    def with_record(tmp_path, held):
        invented.write(tmp_path, held)
        report = replace(searched)
        report.__dict__["searches"] = read_searches(tmp_path)
        return report

    return with_record


def test_a_sweep_without_a_search_has_no_such_section(report_without_search):
    assert sections.search(report_without_search).absent


@pytest.fixture(scope="module")
def report_without_search(sweep_builder, tmp_path_factory):
    return open_report(sweep_builder.build_empty_sweep(tmp_path_factory.mktemp("s") / "empty"))


def test_nothing_of_a_trial_becomes_markup(html):
    assert "<b>" not in html and "&lt;b&gt;no&lt;/b&gt; memory" in html


def test_budgets_are_told_beside_what_was_used(html):
    wals, ease = table(html, "Budget of each search")
    assert wals == "wals WALS 30 of 30 6.0 of 20 4 2 3 tpe, median"
    assert ease == "ease EASE 5 of 5 1.0 of 20 0 0 1 tpe, median"


def test_unequal_budgets_and_runs_without_a_search_are_told(html):
    said = text_of(html)
    assert "different budgets: generators were not tuned with equal effort." in said
    assert "Not searched, settings as written: item-neighbours." in said


def test_equal_budgets_are_told_as_such(changed, invented, tmp_path):
    searches = {
        run: invented.search("WALS", invented.WALS, invented.wals_trials(n), [])
        for run, n in (("a", 30), ("b", 30))
    }
    said = text_of(sections.budgets(changed(tmp_path, invented.record(searches))).html)
    assert "Every search had the same budget and made 30 trials." in said
    searches["b"]["trials"] = searches["b"]["trials"][:20]
    said = text_of(sections.budgets(changed(tmp_path, invented.record(searches))).html)
    assert "same budget; they made 20 to 30 trials" in said


def test_optimism_is_validation_of_the_chosen_trial_minus_test_over_all_seeds(html, searched):
    (ground,) = searched.comparisons
    tests = [e.numbers["recall@20"] for e in ground.find("wals").entries]
    assert len(tests) == 2
    wals = searched.searches.found[0]
    row = table(html, "Chosen settings on validation")[0].replace("−", "-")
    numbers = [float(number) for number in re.findall(r"-?\d\.\d{4}", row)]
    mean = sum(tests) / 2
    expected = [wals.default.value, wals.chosen.value, mean]
    assert numbers[:3] == pytest.approx(expected, abs=6e-5)
    assert numbers[-1] == pytest.approx(wals.chosen.value - mean, abs=6e-5)


def test_a_run_judged_on_validation_has_no_test_figure(searched, html):
    (ground,) = searched.comparisons
    report = replace(searched)
    report.__dict__["comparisons"] = [replace(ground, evaluate_on="validation")]
    row = table(sections.outcomes(report).html, "Chosen settings on validation")[0]
    assert row.endswith("– –") and not table(html, "Chosen settings on validation")[0].endswith("–")


def test_chosen_settings_stand_beside_the_defaults_the_most_important_first(html, searched):
    rows = table(html, "Chosen settings beside the defaults")
    chosen = searched.searches.found[0].chosen_settings
    assert re.search(rf"wals regularization 0.01 {chosen['regularization']:.4g} 0\.\d\d", rows[0])
    assert any(f"wals dim 64 {chosen['dim']}" in row for row in rows)
    assert "ease regularization 100 1000 at the end – 10 to 1000, logarithmic" in rows[-1]


def test_what_learning_again_took_from_the_trial_is_told(changed, invented, tmp_path):
    search = invented.search("WALS", invented.WALS, invented.wals_trials(), [])
    search["chosen"]["refit"] = {"epochs": 7, "patience": 0}
    report = changed(tmp_path, invented.record({"wals": search}))
    rows = table(sections.settings(report, {"wals": {}}).html, "Chosen settings beside")
    assert [row for row in rows if "epochs – 7" in row] and not any("patience" in r for r in rows)


def test_pruned_and_failed_trials_are_marked_in_the_table_with_why(html):
    rows = table(html, "Trials of wals")
    assert "chosen" in rows[0] and len(rows) == 30
    assert sum(" pruned " in row and "below the median" in row for row in rows) == 4
    assert sum(" failed " in row and "MemoryError" in row for row in rows) == 2
    values = [float(row.split()[2]) for row in rows[:24]]
    assert values == sorted(values, reverse=True)


def test_a_single_setting_has_a_slice_and_no_parallel_coordinates(html):
    pictures = re.findall(r'alt="([^"]*)"', html)
    (parallel,) = [alt for alt in pictures if alt.startswith("Parallel")]
    assert " of wals; chosen: dim " in parallel
    slices = [alt.partition(" of ")[2] for alt in pictures if "on validation of the" in alt]
    assert len(slices) == 2 and slices[1].endswith("ease, by regularization.")


def test_columns_that_no_trial_fills_are_left_out(html):
    wals, ease = (html.split(f"<caption>Trials of {run}")[1] for run in ("wals", "ease"))
    heads = [
        re.findall(r"<button[^>]*>([^<]*)", part.split("</thead>")[0]) for part in (wals, ease)
    ]
    assert heads[0][-3:] == ["seconds", "epochs", "why"] and heads[1][-1] == "seconds"


def test_pages_of_the_chosen_and_of_failed_trials_are_linked_and_of_no_other(html, searched):
    number = searched.searches.found[0].chosen_number
    linked = set(re.findall(r'href="(trials/[^"]*)"', html))
    assert linked == {"trials/wals/005/page.html", f"trials/wals/{number:03}/page.html"}


def test_an_archive_holds_the_pages_that_the_section_links_to(searched_folder, html, tmp_path):
    import shutil
    import zipfile

    from candgen.reports import zip_report

    sweep = shutil.copytree(searched_folder, tmp_path / "sweep")
    (sweep / "report.html").write_text("report")
    archive = zip_report(sweep)
    held = {name.partition("/")[2] for name in zipfile.ZipFile(archive).namelist()}
    assert set(re.findall(r'href="(trials/[^"]*)"', html)) <= held
    assert "trials/wals/001/page.html" not in held


def test_the_first_screen_tells_further_readings_of_test(searched):
    said = text_of(overview.opening(searched).html)
    assert "Test was evaluated more than once. wals: with 2 choices of settings" in said
    assert "ease: with" not in said


def test_further_readings_join_what_the_params_file_discloses(searched):
    from candgen.reports import disclosures

    shown = disclosures.shown({"other": "B.", "test_reuse": "A."}, ["wals: twice."])
    assert [details for _, details in shown] == ["A. wals: twice.", "B."]
    assert disclosures.shown({}) == []


def test_tuned_generators_that_cannot_be_told_apart_are_named(searched):
    (ground,) = searched.comparisons
    assert {"wals", "ease", "item-neighbours"} <= {c.label for c in ground.contenders}
    said = text_of(overview.opening(searched).html)
    assert "Use ease. wals cannot be told apart from it" in said


def test_a_search_that_is_not_over_shows_what_there_is(changed, invented, tmp_path):
    search = invented.search("WALS", invented.WALS, invented.wals_trials(6), ["later"])
    search |= {"chosen": None, "state": "running"}
    search["trials"][-1] |= {"state": "running", "value": None, "seconds": None}
    html = sections.search(changed(tmp_path, invented.record({"wals": search}))).html
    assert "Not over yet: wals." in text_of(html)
    assert any(" unfinished " in row for row in table(html, "Trials of wals"))
    assert table(html, "Chosen settings on validation")[0].count("–") == 3


def test_a_search_of_which_all_trials_failed_has_words(changed, invented, tmp_path):
    search = invented.search("WALS", invented.WALS, invented.wals_trials(2), [])
    search["trials"] = [t | {"state": "failed", "value": None} for t in search["trials"]]
    search |= {"chosen": None, "state": "failed"}
    html = sections.search(changed(tmp_path, invented.record({"wals": search}))).html
    assert "No trial has a value yet" in html


def test_a_damaged_record_is_said_and_not_taken_for_none(searched, tmp_path):
    (tmp_path / "search.json").write_text("{")
    report = replace(searched)
    report.__dict__["searches"] = read_searches(tmp_path)
    shown = sections.search(report)
    assert "search.json cannot be read" in shown.html and not shown.absent
