"""Tables of a report as files: the numbers, the best one bold, and data that stays text."""

import io
import re
import shutil
import subprocess

import pandas as pd
import pytest

from candgen.errors import DataError, SettingError
from candgen.reports import open_report
from candgen.reports.rendering import Cell, Table, value
from candgen.reports.tables import export, latex
from candgen.reports.tables.cards import card_text

ATTACKS = [
    r"\input{/etc/passwd}", "100% & more_ #1 $x^2$ {a} ~b", "=cmd|' /C calc'!A0",
    'the "Matrix"', "<script>alert(1)</script>", "[5pt] a | b\n\n# c `d` **e**", "\\",
]  # fmt: skip


@pytest.fixture(scope="module")
def tables(report):
    return export.named_tables(report)


def board(tables):
    return tables["leaderboard-world-judged-on-test"]


@pytest.fixture
def evil():
    cells = [[Cell(text, note=text), value(n / 10)] for n, text in enumerate(ATTACKS)]
    return Table("Caption of " + ATTACKS[1], ["run_&", "recall@20"], cells)


def test_every_table_of_the_report_has_a_name(tables):
    assert {
        "leaderboard-world-judged-on-test", "leaderboard-films-judged-on-test",
        "differences-from-popularity-world-judged-on-test",
        "differences-from-ease-world-judged-on-test", "costs-world-judged-on-test",
        "parameters-that-differ-between-runs",
    } <= set(tables)  # fmt: skip


def test_csv_holds_numbers_unrounded_with_the_ends_of_intervals(report, tables):
    frame = pd.read_csv(io.StringIO(export.as_csv(board(tables)))).set_index("run")
    row = report.comparisons[0].find("ease")
    assert frame.loc["ease", "recall@20"] == row.number("recall@20")
    ends = frame.loc["ease", ["recall@20_low", "recall@20_high"]].tolist()
    assert ends == pytest.approx(row.interval("recall@20"), abs=1e-12)
    assert pd.isna(frame.loc["random", "memory, MiB"])


def test_a_table_of_differences_has_its_interval_in_every_format(report, tables):
    table = tables["differences-from-popularity-world-judged-on-test"]
    frame = pd.read_csv(io.StringIO(export.as_csv(table)))
    assert (frame["difference_low"] < frame["difference"]).all()
    low, high = (f"{frame[f'difference_{end}'][0]:.4f}" for end in ("low", "high"))
    assert f"({low} to {high})" in export.as_markdown(table)
    assert rf"{{\footnotesize {low} to {high}}}" in export.as_latex(table)


def test_the_best_value_of_each_metric_is_bold(report, tables):
    best = report.comparisons[0].ranked("recall@20")[0]
    shown = f"{best.number('recall@20'):.4f}"
    line = next(x for x in export.as_markdown(board(tables)).splitlines() if x.startswith("| ease"))
    assert f"**{shown}** (" in line
    row = next(x for x in export.as_latex(board(tables)).splitlines() if x.startswith("ease"))
    assert rf"\textbf{{{shown}}}" in row
    marks = export.bold(board(tables))
    for place, column in enumerate(board(tables).columns):
        numbers = [row[place].sort for row in board(tables).rows]
        marked = [n for n, mark in zip(numbers, marks, strict=True) if mark[place]]
        if column.startswith(("recall", "ndcg")):
            assert marked and set(marked) == {max(numbers)}
        else:
            assert not marked


def test_the_smallest_error_is_the_best():
    from candgen.columns import RMSE

    table = Table("t", ["run", RMSE], [[Cell("a"), value(0.9)], [Cell("b"), value(0.8)]])
    assert [row[1] for row in export.bold(table)] == [False, True]


def test_latex_has_the_rules_of_booktabs_and_one_ampersand_between_columns(evil, tables):
    for table in (evil, board(tables)):
        text = export.as_latex(table)
        assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
        rows = [line for line in text.splitlines() if line.endswith(r" \\")]
        assert len(rows) == len(table.rows) + 1
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(table.columns) - 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_latex_sets_every_table_within_its_line(evil, tables, tmp_path):
    named = {"evil": evil, "board": board(tables)}
    for name, table in named.items():
        (tmp_path / f"{name}.tex").write_text(export.as_latex(table))
    inputs = "".join(rf"\input{{{name}}}\clearpage" for name in named)
    packages = r"\usepackage{booktabs,graphicx}"
    page = rf"\documentclass{{article}}{packages}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert said.returncode == 0, said.stdout[-2000:]
    assert "Overfull" not in said.stdout


def test_no_text_becomes_a_command_of_latex(evil):
    text = export.as_latex(evil)
    assert r"\input" not in text and r"\textbackslash{}input\{" in text
    assert r"100\% \& more\_ \#1 \$x\textasciicircum{}2\$ \{a\} \textasciitilde{}b" in text
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    assert not re.search(r"(?<!\\)[$#%_^~]", body)
    assert "\n{[}5pt]" in body  # else a length after the end of the row before


def test_minus_signs_are_set_as_such():
    assert latex.escaped("−0.5 – c") == "$-$0.5 -- c"


def test_no_text_becomes_a_mark_of_markdown(evil):
    lines = export.as_markdown(evil).splitlines()
    assert len(lines) == 4 + len(evil.rows)
    for line in lines[2:]:
        assert len(re.findall(r"(?<!\\)\|", line)) == len(evil.columns) + 1
        assert "<script" not in line
    assert r"\# c \`d\` \*\*e\*\*" in lines[-2]


def test_no_text_becomes_a_formula(evil):
    assert "\n\"'=cmd" in export.as_csv(evil) or "\n'=cmd" in export.as_csv(evil)


@pytest.mark.parametrize(("form", "ending"), [("csv", "csv"), ("markdown", "md"),
                                              ("latex", "tex")])  # fmt: skip
def test_files_lie_in_the_sweep_and_are_replaced(small_sweep, form, ending):
    report = open_report(small_sweep.parent)
    paths = export.export_tables(report, form)
    assert {path.parent for path in paths} == {small_sweep.parent / "tables"}
    assert {path.suffix for path in paths} == {f".{ending}"}
    paths[0].write_text("old")
    assert export.export_tables(report, form) == paths and "old" not in paths[0].read_text()[:4]
    cards = [path for path in paths if path.name.startswith("card-")]
    assert len(cards) == (form == "markdown")


def test_an_unknown_format_and_a_sweep_without_results_are_refused(sweep_builder, report, tmp_path):
    with pytest.raises(SettingError, match="csv, markdown, latex"):
        export.export_tables(report, "latx")
    empty = open_report(sweep_builder.build_empty_sweep(tmp_path / "empty"))
    with pytest.raises(DataError, match="No run of empty finished"):
        export.export_tables(empty, "csv")


def test_tables_are_written_without_drawing(report, monkeypatch):
    from candgen.reports import rendering

    monkeypatch.setattr(rendering, "_svg", lambda figure: pytest.fail("drawn"))
    assert len(export.named_tables(report)) > 8


def test_a_card_has_counts_licence_citation_split_and_leaks(report):
    text = card_text(report, report.comparisons[0])
    assert text.startswith("# world, judged on test\n")
    for part in ("## Licence\n\ninvented; free to use", "## Citation\n\nNobody, Nowhere, 2026.",
                 "## Split\n\npolicy", "| users | 150 |", report.comparisons[0].digest,
                 "- The split lets the model see the future of 3 users of world."):  # fmt: skip
        assert part.replace("policy", "") in text
