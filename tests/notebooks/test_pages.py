"""Every notebook is a thin page that papermill can run and a person can read."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
each_page = pytest.mark.parametrize("path", NOTEBOOKS, ids=[p.stem for p in NOTEBOOKS])


def page(path):
    return nbformat.read(path, as_version=4)


def code(path):
    return [cell for cell in page(path).cells if cell.cell_type == "code"]


def tagged(path, tag):
    return [cell for cell in code(path) if tag in cell.metadata.get("tags", [])]


@each_page
def test_a_page_is_a_valid_notebook_with_the_kernel_that_everyone_has(path):
    nbformat.validate(page(path))
    assert page(path).metadata.kernelspec.name == "python3"


@each_page
def test_a_page_is_committed_without_outputs(path):
    assert all(not cell.outputs and cell.execution_count is None for cell in code(path))
    assert set(page(path).metadata) == {"kernelspec"}  # what Jupyter adds differs by machine


@each_page
def test_a_page_opens_with_its_title_and_its_question(path):
    opening = page(path).cells[0]
    assert opening.cell_type == "markdown"
    assert re.match(rf"# {path.stem[:2]} · \S", opening.source)
    assert "**Question.**" in opening.source and "?" in opening.source


@each_page
def test_parameters_are_typed_literals_that_explain_themselves(path):
    (cell,) = tagged(path, "parameters")
    lines = cell.source.splitlines()
    for node in ast.parse(cell.source).body:
        assert isinstance(node, ast.AnnAssign), f"{lines[node.lineno - 1]!r} is not typed"
        ast.literal_eval(node.value)
        last = lines[node.end_lineno - 1]
        assert re.search(r"#\s*\S", last), f"{last!r} has no comment to serve as help"


@each_page
def test_a_page_is_thin(path):
    lines = sum(len(cell.source.splitlines()) for cell in code(path))
    assert lines <= 160
    definitions = [
        node.name
        for cell in code(path)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    ]
    assert len(definitions) <= 3, f"{definitions} belong in the library"


@each_page
def test_a_page_records_what_it_found(path):
    text = "\n".join(cell.source for cell in code(path))
    assert "open_run(" in text
    a_dataset_is_its_own_record = path.stem.startswith("10")
    reads_only = path.stem.startswith("9")
    assert (
        re.search(r"\brun\.record(_reproduced)?\(", text)
        or a_dataset_is_its_own_record
        or reads_only
    )


@each_page
def test_prose_outweighs_code(path):
    words = sum(
        len(cell.source.split()) for cell in page(path).cells if cell.cell_type == "markdown"
    )
    lines = sum(len(cell.source.splitlines()) for cell in code(path))
    assert words >= 3 * lines


def test_there_are_pages():
    assert {"00_tour", "10_prepare_data", "15_baselines"} <= {path.stem for path in NOTEBOOKS}
    assert {"40_matrix_factorization", "90_compare_runs"} <= {path.stem for path in NOTEBOOKS}
