"""Parameters are read from a page's cell and checked before anything starts."""

import json

import pytest

from candgen.errors import DataError, SettingError
from candgen.sweeps.notebook_parameters import read_notebook

CELL = """\
dataset: str = "world"  # a prepared dataset's name or folder
dim: int = 64  # length of user
# two lines
# above it
rate: float = 0.1
cutoffs: list = [10, 20]
rates: list[float] = [0.1]
genre: str | None = None
weights: dict[str, float] = {"click": 1.0}
quick: bool = False
plain = 3
either: str | float = 1.0
sizes: list[int] | None = None
path: str = ""
"""


@pytest.fixture
def make_page(tmp_path):
    def make(source, *, tags=("parameters",), name="40_page.ipynb"):
        cell = {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source}
        path = tmp_path / name
        path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
        return read_notebook(path)

    return make


@pytest.fixture
def page(make_page):
    return make_page(CELL)


def test_names_defaults_and_types_come_from_the_cell(page):
    assert page.defaults()["cutoffs"] == [10, 20]
    assert page.parameters["genre"].spelling == "str | None"
    assert page.parameters["plain"].spelling == "int"


def test_the_comment_beside_or_above_is_the_help(page):
    assert page.parameters["dim"].help == "length of user"
    assert page.parameters["rate"].help == "two lines above it"
    assert page.parameters["cutoffs"].help == ""


def test_a_source_in_lines_reads_like_one_text(make_page):
    assert make_page(CELL.splitlines(keepends=True)).defaults() == make_page(CELL).defaults()


def test_values_that_fit_pass_unchanged(page):
    given = {"dim": 3, "rate": 1, "genre": "Drama", "weights": {"a": 0.5}, "cutoffs": [5]}
    assert page.check(given) == given
    assert page.check({"genre": None}) == {"genre": None}


def test_a_misspelt_name_gets_a_suggestion(page):
    with pytest.raises(SettingError, match=r"40_page.ipynb has no parameter 'dims'.*mean 'dim'"):
        page.check({"dims": 3})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("dim", 2.5, r"^dim must be a whole number, got 2\.5\.$"),
        ("dim", True, "dim must be a whole number, got True"),
        ("dim", "64", "must be a whole number, got '64'. Write 64 without quotes"),
        ("dim", "1e3", r"Write 1000: in YAML, 1e3 is text"),
        ("dataset", 100, r"Put quotes around it: '100'"),
        ("dataset", False, r"YAML reads yes, no, on and off"),
        ("rate", "fast", "rate must be a finite number, got 'fast'"),
        ("rates", [0.1, "x"], r"rates\[1\] must be a finite number, got 'x'"),
        ("rate", float("nan"), "rate must be a finite number, got nan"),
        ("quick", 1, "quick must be true or false, got 1"),
        ("weights", {"click": "much"}, r"weights\['click'\] must be a finite number, got 'much'"),
        ("sizes", [1, "x"], r"^sizes\[1\] must be a whole number, got 'x'"),
        ("cutoffs", [float("inf")], "cutoffs must be a value that JSON can hold"),
    ],
)
def test_a_wrong_type_is_named_with_what_arrived(page, name, value, message):
    with pytest.raises(SettingError, match=message):
        page.check({name: value})


def test_text_that_looks_like_a_float_is_one_where_a_float_is_expected(page):
    assert page.check({"rate": "1e-3"}) == {"rate": 0.001}
    assert page.check({"rates": ["1e-3", 2]}) == {"rates": [0.001, 2]}
    assert page.check({"dataset": "1e-3", "either": "1e-3"}) == {
        "dataset": "1e-3",
        "either": "1e-3",
    }


def test_derived_values_are_refused_with_their_line(make_page):
    with pytest.raises(DataError, match=r"line 2: expected `name: type = literal`.*half"):
        make_page("dim: int = 64\nhalf: int = dim // 2\n")


@pytest.mark.parametrize("source", ["import os", "x: int", "a, b = 1, 2", "print(1)"])
def test_only_assignments_of_literals_belong_in_the_cell(make_page, source):
    with pytest.raises(DataError, match="line 1"):
        make_page(source)


def test_an_unknown_type_is_refused(make_page):
    with pytest.raises(DataError, match=r"the type of 'x', 'set', is not understood"):
        make_page("x: set = 1")


def test_a_page_without_the_cell_takes_no_parameters(make_page):
    page = make_page("x = 1", tags=())
    assert page.defaults() == {}
    with pytest.raises(SettingError, match="no cell tagged 'parameters'"):
        page.check({"x": 2})


def test_a_missing_notebook_gets_a_suggestion(make_page, tmp_path):
    make_page("x = 1", name="10_prepare_data.ipynb")
    with pytest.raises(DataError, match=r"Did you mean '10_prepare_data.ipynb'"):
        read_notebook(tmp_path / "10_prepare.ipynb")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": '])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, text):
    (tmp_path / "x.ipynb").write_text(text)
    with pytest.raises(DataError, match=r"x.ipynb is not a notebook"):
        read_notebook(tmp_path / "x.ipynb")


def test_paths_are_known_by_their_name(page):
    assert [name for name, parameter in page.parameters.items() if parameter.is_path] == ["path"]


@pytest.mark.parametrize(
    ("value", "typed", "hint"),
    [
        (7, "007", "'007'."),
        (83, "0123", "'0123'."),
        (90, "1:30", "'1:30'."),
        (1000.0, "1.e+3", "'1.e+3'."),
        (10, "1_0", "'1_0'."),
        (True, "yes", "'yes'."),
        (7, None, "'7'."),
    ],
)
def test_a_hint_quotes_what_was_typed(page, value, typed, hint):
    for name in ("dataset", "genre"):
        with pytest.raises(SettingError) as caught:
            page.parameter(name).check(value, typed)
        assert str(caught.value).endswith(hint)


WHOLE = {"cell_type": "code", "source": "x = 1", "metadata": {"tags": ["parameters"]}}
ODD = {
    "a cell that is text": (["x = 1"], r"cells\[0\] must be"),
    "a cell that is null": ([WHOLE, None], r"cells\[1\] must be"),
    "no source": ([{"cell_type": "code", "metadata": {}}], r"it lacks cells\.0\.source"),
    "a source that is a number": ([WHOLE | {"source": 7}], r"cells\[0\]\['source'\] must be"),
    "a source with a number": ([WHOLE | {"source": ["x", 7]}], r"cells\[0\]\['source'\]"),
    "no type": ([{"source": "x = 1"}], r"it lacks cells\.0\.cell_type"),
    "metadata that are a list": ([WHOLE | {"metadata": []}], r"cells\[0\]\['metadata'\] must be"),
    "tags that are text": ([WHOLE | {"metadata": {"tags": "parameters"}}], r"\['tags'\] must be a"),
    "a tag that is a number": (
        [WHOLE | {"metadata": {"tags": [7]}}],
        r"\['tags'\]\[0\] must be text",
    ),
    "cells by name": ({"a": WHOLE}, "cells must be a list"),
    "no cells": (None, "cells must be a list, got None"),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_cell_that_is_odd_is_named_by_its_place(tmp_path, odd):
    cells, message = ODD[odd]
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    with pytest.raises(DataError, match=message) as refused:
        read_notebook(tmp_path / "x.ipynb")
    assert "x.ipynb is not a notebook of format 4" in str(refused.value)


@pytest.mark.parametrize(
    "text", ['{"nbformat": 3, "worksheets": []}', '{"nbformat": 5, "cells": []}']
)
def test_a_notebook_of_another_format_is_refused(tmp_path, text):
    (tmp_path / "x.ipynb").write_text(text)
    with pytest.raises(DataError, match="not a notebook of format 4"):
        read_notebook(tmp_path / "x.ipynb")


def test_deep_nesting_and_files_beyond_all_measure_are_refused(tmp_path):
    (tmp_path / "deep.ipynb").write_text('{"cells": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(DataError, match=r"deep\.ipynb is not a notebook.*nested too deeply"):
        read_notebook(tmp_path / "deep.ipynb")
    with open(tmp_path / "vast.ipynb", "wb") as file:
        file.truncate(2**34)
    with pytest.raises(DataError, match=r"17,179,869,184 bytes, expected at most 134,217,728"):
        read_notebook(tmp_path / "vast.ipynb")


def test_a_folder_and_a_device_are_no_notebook(tmp_path):
    for path in (tmp_path, "/dev/zero"):
        with pytest.raises(DataError, match="is not a notebook: it is a folder or a device"):
            read_notebook(path)


def test_large_outputs_of_any_kind_do_not_matter(tmp_path):
    outputs = [{"output_type": "display_data", "data": {"x": [float("nan"), "y" * 2**22]}}, None, 7]
    cells = [WHOLE | {"outputs": outputs, "execution_count": "seven"}]
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    assert read_notebook(tmp_path / "x.ipynb").defaults() == {"x": 1}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\nx = 2", "line 2: x is set twice"),
        ("x: list[int, str] = []", r"the type of 'x', 'list\[int, str\]', is not understood"),
        ("x: dict[str] = {}", "is not understood"),
        ("x = 1\ny: int = 'a'", "line 2: the default does not fit its type. y must be a whole"),
        ("x = '\0'", "parameters cell"),
        ("x = " + "(" * 3000 + ")" * 3000, "parameters cell"),
        ("x = " + "-" * 3000 + "1", "parameters cell"),
        ("x = a" + ".b" * 1500, "parameters cell"),
    ],
    ids=range(8),
)
def test_a_cell_that_python_cannot_take_is_refused(make_page, source, message):
    with pytest.raises(DataError, match=message) as refused:
        make_page(source)
    assert len(str(refused.value)) < 900


@pytest.mark.parametrize("code", ["x\0", "(" * 3000, "f" + "()" * 2000, "a" + ".b" * 3000 + "()"])
def test_other_cells_may_hold_what_python_cannot_take(tmp_path, code):
    cells = [WHOLE, {"cell_type": "code", "source": code, "metadata": {}}]
    cells += [{"cell_type": "code", "source": "run = open_run()", "metadata": {}}]
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    assert read_notebook(tmp_path / "x.ipynb").opens_run
