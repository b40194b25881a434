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


def stage_part(path):
    return [cell for cell in code(path) if cell not in tagged(path, "explore")]


def names(cell, context):
    found = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)]
    return {node.id for node in found if isinstance(node.ctx, context)}


def defined(cell):
    """Names that a cell gives a value: assigned, imported, of a function or its arguments."""
    found = names(cell, ast.Store)
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def left_behind(node):
    """Names that code sets anew for the cells after it; `+=` adds to what an earlier cell set."""
    if isinstance(node, ast.comprehension | ast.Lambda | ast.AugAssign):
        return set()
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.alias):
        return {(node.asname or node.name).partition(".")[0]}
    own = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
    return own.union(*map(left_behind, ast.iter_child_nodes(node)))


def taken(cell):
    """Names that a cell uses and does not define itself."""
    return names(cell, ast.Load) - defined(cell)


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
def test_the_parameters_are_seen_at_a_glance(path):
    (cell,) = tagged(path, "parameters")
    # Data preparation lists the settings of all sources.
    assert len(cell.source.splitlines()) <= 22 or path.stem == "10_prepare_data"


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
def test_the_stage_part_is_short(path):
    lines = [line for cell in stage_part(path) for line in cell.source.splitlines() if line.strip()]
    if path.stem == "10_prepare_data":  # its parameters are those of all sources
        (cell,) = tagged(path, "parameters")
        lines = lines[len([line for line in cell.source.splitlines() if line.strip()]) :]
    assert len(lines) <= 120


@each_page
def test_parameters_and_setup_belong_to_the_stage(path):
    tags = [set(cell.metadata.get("tags", [])) for cell in page(path).cells]
    assert not [found for found in tags if "explore" in found and found & {"parameters", "setup"}]
    assert "explore" not in tags[0] | tags[-1]


@each_page
def test_no_cell_of_the_stage_uses_a_name_that_an_exploring_cell_sets(path):
    explored = left_behind(ast.parse("\n".join(cell.source for cell in tagged(path, "explore"))))
    for cell in stage_part(path):
        assert not explored & taken(cell), f"{cell.id} uses a name that an exploring cell sets"


@each_page
def test_no_parameter_switches_a_part_of_the_page_off(path):
    (cell,) = tagged(path, "parameters")
    parameters = defined(cell) - {"run_folder"}
    for cell in code(path):
        for node in ast.parse(cell.source).body:
            asked = node.test if isinstance(node, ast.If) else None
            asked = asked.operand if isinstance(asked, ast.UnaryOp) else asked
            several = asked.values if isinstance(asked, ast.BoolOp) else [asked]
            alone = {one.id for one in several if isinstance(one, ast.Name)}
            assert not alone & parameters, f"{cell.id}: `if {alone}:` around a part of the page"


@each_page
def test_a_page_asks_one_question(path):
    opening = page(path).cells[0].source
    question = opening.partition("**Question.**")[2].partition("\n\n")[0]
    assert question.count("?") == 1
    assert opening.splitlines()[0].endswith("?"), "the title is a question that a user would type"


@each_page
def test_a_page_records_what_it_found(path):
    text = "\n".join(cell.source for cell in code(path))
    assert "open_run(" in text
    a_dataset_is_its_own_record = path.stem.startswith("10")
    reads_only = path.stem.startswith("9")
    assert re.search(r"\brun\.record(_\w+)?\(", text) or a_dataset_is_its_own_record or reads_only


@each_page
def test_prose_outweighs_code(path):
    words = sum(
        len(cell.source.split()) for cell in page(path).cells if cell.cell_type == "markdown"
    )
    lines = sum(len(cell.source.splitlines()) for cell in code(path))
    assert words >= 3 * lines


def test_next_leads_from_the_tour_through_every_page():
    by_name = {path.stem: path for path in NOTEBOOKS}
    visited = ["00_tour"]
    while found := re.search(r"^Next: `(\w+)`", page(by_name[visited[-1]]).cells[-1].source, re.M):
        assert found[1] in by_name, f"{visited[-1]} leads to {found[1]}, which is not there"
        assert found[1] not in visited, f"{visited[-1]} leads back to {found[1]}"
        visited.append(found[1])
    assert visited == sorted(by_name)


def test_there_are_pages():
    assert {"00_tour", "10_prepare_data", "15_baselines"} <= {path.stem for path in NOTEBOOKS}
    assert {"40_matrix_factorization", "90_compare_runs"} <= {path.stem for path in NOTEBOOKS}


@each_page
def test_jupyterlab_hides_the_code_of_cells_whose_output_is_the_point(path):
    hidden = [c for c in code(path) if c.metadata.get("jupyter", {}).get("source_hidden")]
    assert hidden == tagged(path, "hide-input")
