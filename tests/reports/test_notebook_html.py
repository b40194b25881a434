import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from candgen.reports import notebook_html
from candgen.reports.interaction.data_blocks import data_block

EVIL = "<script>alert(1)</script>"


def code(source, *outputs, tags=()):
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def shown(**data):
    names = {"html": "text/html", "markdown": "text/markdown", "plain": "text/plain"}
    return new_output("display_data", data={names[k]: v for k, v in data.items()})


def page(*cells, **settings):
    return notebook_html.render(new_notebook(cells=list(cells)), "a_page", **settings)


def test_hidden_inputs_are_left_out_and_other_code_is_folded():
    made = page(
        code("secret_setup = 1", tags=["setup"]),
        code("secret_number = 2", shown(plain="the number"), tags=["hide-input"]),
        code("shown_name = 3"),
    )
    assert "secret" not in made
    assert "the number" in made
    [folded] = re.findall(r"<details class=\"code\">.*?</details>", made, flags=re.DOTALL)
    assert "shown_name" in folded


@pytest.mark.parametrize(
    "cell",
    [
        new_markdown_cell(f"A film: {EVIL}"),
        code("", shown(html=f"<table><tr><td>{EVIL}</td></tr></table>")),
        code("", shown(markdown=f"**{EVIL}**")),
        code("", shown(plain=EVIL)),
        code("", new_output("stream", text=EVIL)),
        code("", new_output("error", ename="E", evalue=EVIL, traceback=[EVIL])),
        new_markdown_cell(f"# {EVIL}"),
    ],
    ids=["prose", "table", "markdown", "text", "printed", "error", "title"],
)
def test_a_script_in_the_data_stays_text(cell):
    made = page(cell)
    assert "<script" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made


@pytest.mark.parametrize(
    "html", ['<img src="x" onerror="alert(1)">', '<a href="javascript:alert(1)">x</a>']
)
def test_what_would_run_when_touched_is_dropped(html):
    made = page(code("", shown(html=html)))
    assert "alert" not in made


def test_the_error_of_a_run_stands_at_the_top_as_text():
    error = {"name": "ValueError", "message": EVIL, "cell": 3, "traceback_tail": [EVIL, "end"]}
    made = page(new_markdown_cell("Prose."), error=error)
    assert "<script" not in made
    assert made.index("This run did not finish") < made.index("Prose.")
    assert "in cell 3" in made


def test_the_page_fetches_nothing_and_says_so_to_the_browser():
    made = page(new_markdown_cell("$x^2$"), code("", shown(plain="1")))
    assert "default-src 'none'" in made
    assert "http" not in made.replace("http-equiv", "")
    assert "$x^2$" in made


def test_the_first_heading_is_the_title_else_the_name():
    assert "<title>40 · Taste &amp; time</title>" in page(new_markdown_cell("# 40 · Taste & time"))
    assert "<title>a_page</title>" in page()


def test_tables_headings_and_figures_survive():
    figure = new_output("display_data", data={"image/png": "iVBORw0KGgo=\n", "text/plain": "x"})
    made = page(
        new_markdown_cell("## Heading\n\n| a |\n|---|\n| 1 |"),
        code("", shown(html="<table class='dataframe'><tr><th>b</th></tr></table>", plain="b")),
        code("", figure),
    )
    assert "<h2" in made and "<td>1</td>" in made and "<th>b</th>" in made
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in made


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [({"image/png": {"width": 330}}, ' width="330"'), ({"image/png": {"width": '"><b>'}}, ""),
     ({"image/png": "wide"}, ""), ({}, "")],
)  # fmt: skip
def test_a_figure_is_as_wide_as_the_notebook_says(metadata, expected):
    figure = new_output("display_data", data={"image/png": "iVBORw0KGgo="}, metadata=metadata)
    image = '<img alt="Figure" src="data:image/png;base64,iVBORw0KGgo="'
    assert f"{image}{expected}/>" in page(code("", figure))


def test_the_notebook_itself_is_not_changed():
    notebook = new_notebook(cells=[code("x", new_output("stream", text="y" * 50_000))])
    notebook_html.render(notebook, "a_page")
    assert len(notebook.cells[0].outputs[0].text) == 50_000
    assert "transient" not in notebook.cells[0].metadata


def test_a_page_of_a_run_has_its_name_and_a_link_back_to_the_report(small_sweep):
    made = page(new_markdown_cell("# Which?"), folder=small_sweep)
    (link,) = re.findall(r'<a href="([^"]+)">Report of small</a>', made)
    assert (small_sweep / link).resolve() == (small_sweep.parent / "report.html").resolve()
    assert "<strong>only</strong>" in made and "<title>only · Which?</title>" in made
    trial = small_sweep.parent / "trials/only/003"
    assert 'href="../../../report.html"' in page(code(""), folder=trial)


def test_a_page_outside_of_a_sweep_has_its_name_alone(tmp_path):
    made = page(code(""), folder=tmp_path / "scratch & more")
    assert "<strong>scratch &amp; more</strong>" in made and "Report of" not in made


def test_data_of_a_report_s_scripts_is_left_out_and_other_scripts_stay_text():
    block = data_block("users", {"titles": ["<b>never shown</b>"]})
    made = page(code("", shown(html=f"<p>kept</p>{block}{EVIL}")))
    assert "never shown" not in made and "<p>kept</p>" in made
    assert "&lt;script&gt;alert" in made
