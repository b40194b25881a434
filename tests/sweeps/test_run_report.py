import json
import re
import zipfile

import nbformat
import pytest

from candgen.errors import DataError
from candgen.reports import write_leaderboard, zip_report
from candgen.sweeps import run_report
from candgen.sweeps.run_report import make_report

pytestmark = pytest.mark.notebook


@pytest.fixture
def project_like(root, tmp_path, monkeypatch):
    """A project elsewhere, with the comparison page and nothing else."""
    import shutil

    (tmp_path / "params").mkdir()
    (tmp_path / "notebooks").mkdir()
    shutil.copy(root / "notebooks/90_compare_runs.ipynb", tmp_path / "notebooks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_report_follows_the_order_of_the_house(reported_sweep):
    html = (reported_sweep / "report.html").read_text()
    assert re.findall(r"<h2[^>]*>([^<]+)", html) == [
        "The result", "Leaderboard", "Explore the runs", "Accuracy against cost",
        "Paired differences", "By user activity", "By item popularity",
        "Coverage and popularity bias", "Candidates of a few users",
        "Where runs disagree", "Map of the items", "What differs", "Datasets", "Failures",
        "How to make it again", "What this cannot show", "Terms",
    ]  # fmt: skip
    assert "<title>How many dimensions?</title>" in html


def test_the_report_names_nothing_to_fetch(reported_sweep):
    html = (reported_sweep / "report.html").read_text()
    sources = re.findall(r'(?:src|srcset|href)="([^"]*)"', html)
    assert sources
    assert [s for s in sources if re.match(r"(?!data:)[a-z]+:|//|/", s)] == []
    assert "@import" not in html
    outside = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)  # Vega names gradients
    assert not re.search(r"url\((?!['\"]?data:)", outside)


def test_every_relative_link_leads_to_a_file_or_a_heading(reported_sweep):
    html = (reported_sweep / "report.html").read_text()
    links = set(re.findall(r'href="([^"]*)"', html)) - {"data:,"}
    pages = {link for link in links if not link.startswith("#")}
    assert {"ease/page.html", "broken/page.html", "leaderboard.csv"} <= pages
    assert [page for page in pages if not (reported_sweep / page).is_file()] == []
    assert [link for link in links - pages if f'id="{link[1:]}"' not in html] == []


def test_every_picture_has_words_for_those_who_cannot_see_it(reported_sweep):
    html = (reported_sweep / "report.html").read_text()
    pictures = re.findall(r"<img [^>]*>", html)
    assert len(pictures) >= 10
    assert all(re.search(r'alt="[^"]{20,}', picture) for picture in pictures)


def test_no_path_of_this_machine_is_in_the_report(sweep_builder, project_like):
    folder = sweep_builder.build_empty_sweep(project_like / "outputs" / "asked")
    html = make_report(folder).read_text()
    assert "outputs/asked" in html
    assert str(project_like) not in html


def test_the_notebook_that_made_the_report_is_a_run_whose_page_is_the_report(reported_sweep):
    names = {path.name for path in (reported_sweep / "report").iterdir()}
    assert {"notebook.ipynb", "status.json", "params.json"} <= names
    assert "page.html" not in names


def test_a_sweep_in_which_all_failed_gets_its_report(sweep_builder, tmp_path):
    folder = sweep_builder.build_empty_sweep(tmp_path / "empty")
    html = make_report(folder).read_text()
    assert "no memory left" in html
    assert "No run finished" in html


def test_a_report_that_cannot_be_made_leaves_the_old_one_and_calls_it_older(
    small_sweep, monkeypatch
):
    from candgen.sweeps import execution

    folder = small_sweep.parent
    old = ("report.html", "leaderboard.csv", "reproduced.csv")
    for name in old:
        (folder / name).write_text("old")
    broken = {"state": "failed", "error": {"name": "KeyError", "message": "x", "cell": 7}}
    monkeypatch.setattr(execution, "execute", lambda *a, **k: broken)
    with pytest.raises(
        DataError, match=r"in cell 7: KeyError: x.*report\.html and the tables.* older: of"
    ):
        make_report(folder)
    assert {(folder / name).read_text() for name in old} == {"old"}

    def done(notebook, asked, folder, **_):  # a notebook that cannot be turned into a page
        folder.mkdir()
        (folder / "notebook.ipynb").write_text("{")
        return {"state": "done"}

    monkeypatch.setattr(execution, "execute", done)
    with pytest.raises(Exception, match="not appear to be JSON"):
        make_report(folder)
    assert {(folder / name).read_text() for name in old} == {"old"}
    assert {p.name for p in folder.iterdir()} == {
        *old, "only", "datasets", "report", "sweep.json"
    }  # fmt: skip


def page_of(*sections: tuple[str, bool]) -> nbformat.NotebookNode:
    """An executed notebook of sections, of which some have no subject in this sweep."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    from candgen.reports.rendering import note

    cells = []
    for name, absent in sections:
        data, told = note(f"words of {name}", absent=absent)._repr_mimebundle_()
        shown = new_output("display_data", data=data, metadata=told)
        cells += [new_markdown_cell(f"## {name}"), new_code_cell("1", outputs=[shown])]
    return new_notebook(cells=cells)


def test_a_section_without_a_subject_is_left_out_with_its_heading_and_its_line_of_contents():
    page = page_of(("One", False), ("Search", True), ("Last", False))
    page.cells.append(nbformat.v4.new_markdown_cell("## Words alone"))
    html = run_report.render_page(page)
    assert re.findall(r"<h2[^>]*>([^<]+)", html) == ["One", "Last", "Words alone"]
    assert "words of One" in html and "words of Last" in html and "Search" not in html
    assert "#Last" in html


def test_a_sweep_with_a_search_gets_a_table_of_trials_that_its_report_names(
    small_sweep, monkeypatch
):
    from candgen.sweeps import execution

    def done(notebook, asked, folder, **_):
        folder.mkdir(exist_ok=True)
        nbformat.write(page_of(("One", False)), folder / "notebook.ipynb")
        return {"state": "done", "fingerprint": "f"}

    monkeypatch.setattr(execution, "execute", done)
    sweep = small_sweep.parent
    assert "trials.csv" not in make_report(sweep).read_text()
    trial = {"number": 0, "state": "done", "params": {"dim": 4}, "value": 0.5}
    search = {"generator": "WALS", "metric": "recall@20", "space": {"dim": [4]}, "trials": [trial]}
    (sweep / "search.json").write_text(json.dumps({"runs": {"only": search}}))
    assert 'href="trials.csv"' in make_report(sweep).read_text()
    assert len((sweep / "trials.csv").read_text().splitlines()) == 2
    (sweep / "search.json").unlink()
    make_report(sweep)
    assert not (sweep / "trials.csv").exists()


@pytest.mark.parametrize("mark", [None, "{}", '{"runs": 3, "format": 1}', "not JSON"])
def test_a_report_is_made_of_a_sweep_alone(tmp_path, monkeypatch, mark):
    from candgen.sweeps import run_list

    mine = tmp_path / "thesis"
    held = {"report.html": "my report", "leaderboard.csv": "my,table\n", "reproduced.csv": "x"}
    held |= {} if mark is None else {"sweep.json": mark}
    mine.mkdir()
    for name, text in held.items():
        (mine / name).write_text(text)
    for name in ("notebooks", "params", "outputs"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(mine)
    for asked in (make_report, write_leaderboard, zip_report):
        with pytest.raises(DataError, match="Nothing was changed"):
            asked(mine)
    for named in ("", ".", str(mine), "../thesis", ".."):
        with pytest.raises(DataError, match=r"is not a sweep: it has no sweep\.json"):
            run_list.find_sweep(named)
    assert {path.name: path.read_text() for path in mine.iterdir()} == held


def test_a_sweep_that_names_a_notebook_outside_the_project_is_refused(small_sweep, project_like):
    plan = small_sweep.parent / "sweep.json"
    evil = project_like.parent / "evil.ipynb"
    for named in (str(evil), "../evil.ipynb"):
        told = json.loads(plan.read_text())
        plan.write_text(json.dumps(told | {"report": {"notebook": named}}))
        with pytest.raises(DataError, match=r"must be a path inside the project.*evil\.ipynb"):
            make_report(small_sweep.parent)


def test_a_project_whose_notebooks_are_a_link_makes_reports(
    small_sweep, project_like, tmp_path_factory, monkeypatch
):
    from candgen.sweeps import execution

    executed = []

    def done(notebook, asked, folder, **_):
        executed.append(notebook)
        folder.mkdir(exist_ok=True)
        nbformat.write(page_of(("One", False)), folder / "notebook.ipynb")
        return {"state": "done", "fingerprint": "f"}

    monkeypatch.setattr(execution, "execute", done)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "pages"
    (project_like / "notebooks").rename(elsewhere)
    (project_like / "notebooks").symlink_to(elsewhere)
    assert make_report(small_sweep.parent).is_file()
    assert executed[0].resolve() == elsewhere / "90_compare_runs.ipynb"


def test_the_archive_holds_the_report_and_every_page_it_links_to(reported_sweep):
    with zipfile.ZipFile(zip_report(reported_sweep)) as archive:
        names = archive.namelist()
        html = archive.read("asked/report.html").decode()
    links = set(re.findall(r'href="([^"#][^"]*)"', html)) - {"data:,"}
    assert {f"asked/{link}" for link in links} <= set(names)
    assert names == sorted(names)
    assert not [name for name in names if name.startswith("/") or ".." in name]


def test_the_same_sweep_gives_the_same_archive(reported_sweep):
    first = zip_report(reported_sweep).read_bytes()
    assert zip_report(reported_sweep).read_bytes() == first


def test_an_archive_needs_a_report_first(small_sweep):
    with pytest.raises(DataError, match=r"no report.html yet.*candgen report"):
        zip_report(small_sweep.parent)


def test_markup_in_printed_text_stays_text():
    page = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("'<script>code</script>'")
    cell.outputs = [
        nbformat.v4.new_output("stream", text="<script>printed</script>"),
        nbformat.v4.new_output("display_data", {"text/plain": "<script>shown</script>"}),
        nbformat.v4.new_output(
            "error", ename="E", evalue="v", traceback=["<script>raised</script>"]
        ),
    ]
    page.cells = [nbformat.v4.new_markdown_cell("## A <b>bold</b> heading"), cell]
    html = run_report.render_page(page)
    for word in ("code", "printed", "shown", "raised"):
        assert f"&lt;script&gt;{word}&lt;/script&gt;" in html
        assert f"<script>{word}" not in html


def test_the_browser_is_told_to_run_the_report_s_own_script_only(reported_sweep):
    import base64
    import hashlib

    html = (reported_sweep / "report.html").read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html
