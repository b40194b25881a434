"""Reports and lists of runs read what a search leaves."""

from candgen.reports.searches.reading import read_searches
from candgen.reports.searches.table import write_trials
from candgen.sweeps import run_report
from candgen.sweeps.run_list import list_runs


def test_the_record_of_a_search_can_be_read_for_a_report(search, outputs):
    said = search()
    searches = read_searches(outputs)
    assert searches.trouble == ""
    (found,) = searches.found
    assert searches.of("toy") is found
    assert (found.state, found.chosen_number) == ("done", said["chosen"]["number"])
    assert [trial.value for trial in found.trials] == [t["value"] for t in said["trials"]]
    assert all(d.holds(t.settings[n]) for t in found.trials for n, d in found.space.items())
    assert len(write_trials(outputs).read_text().splitlines()) == 7


def test_other_settings_read_test_again_and_the_report_says_so(search, outputs):
    search()
    assert read_searches(outputs).read_again == []
    search(more="    seed: 5\n")
    (said,) = read_searches(outputs).read_again
    assert said.startswith("toy: with 2 choices of settings")


def test_the_list_of_runs_has_a_line_for_the_search(search, outputs):
    said = search()
    *_, run, found = list_runs("asked")
    assert (run.name, found.name, found.state, found.trials) == ("toy", "trials/toy", "done", 6)
    assert found.value == said["chosen"]["value"]


def test_a_report_whose_table_of_trials_is_missing_is_made_again(search, outputs, monkeypatch):
    from candgen.session import status

    made = []

    def make_report(folder, *, kernel, fingerprint):
        made.append(folder)
        (folder / "report").mkdir(exist_ok=True)
        for name in ("report/notebook.ipynb", "report/page.html", "report.html", "leaderboard.csv"):
            (folder / name).write_text("x")
        status.write(folder / "report", {"state": "done", "fingerprint": fingerprint})

    monkeypatch.setattr(run_report, "make_report", make_report)
    search(), search()
    assert len(made) == 2
    (outputs / "trials.csv").write_text("x")
    search()
    assert len(made) == 2
