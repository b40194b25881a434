"""Text from data on one line of a terminal and as data in a spreadsheet."""

import csv
import io

import numpy as np
import pytest

from candgen.serving import reader
from candgen.text import plain as text

CONTROLS = {
    "a\x1b[31mb": "a [31mb",  # ANSI, with ESC and with the single byte for ESC [
    "a\x9b31mb": "a 31mb",
    "a\tb\r\n\x00c": "a b c",
    "a\u202eb\u2066c\u200fd": "a b c d",  # writing direction
    "a\u200b\u2060\ufeffb": "a b",  # no width
    "a\u2028b\u2029c": "a b c",
    "a\U000e0041b\ud800c": "a b c",  # tags that nobody sees, half a character
    "映画 é 👩‍👩‍👧 \u0301": "映画 é 👩‍👩‍👧 \u0301",  # wide, combined and joined ones stay
}


@pytest.mark.parametrize("written", CONTROLS)
def test_control_characters_become_a_space(written):
    assert text.one_line(written) == CONTROLS[written]
    assert reader.one_line(written) == CONTROLS[written]


def test_the_exported_reader_takes_off_the_same():
    assert reader._CONTROL.pattern == text._CONTROL.pattern


def test_lines_stay_lines():
    assert text.lines("a\x1b[2J\n  b\u202e\n") == "a [2J\n  b \n"


def cells(*row: object) -> list[str]:
    ((found),) = csv.reader(io.StringIO(text.csv_text(["a"], [row]).partition("\n")[2]))
    return found


FORMULAS = ["=1+1", "+cmd", "-cmd|'/C calc'!A0", "@SUM(A1)", " =1", "＝1+1", "-", "=HYPERLINK(1)"]


@pytest.mark.parametrize("written", FORMULAS)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(written):
    assert cells(written) == [f"'{written}"]
    assert text.read_cell(cells(written)[0]) == written


def test_tabs_and_line_ends_do_not_begin_a_cell():
    assert cells("\t=1", "\r=1", "\n=1", "a\nb") == ["' =1", "' =1", "' =1", "a b"]


def test_numbers_stay_numbers():
    assert cells(-1, -0.5, np.float64(-2.5), "-0.5", "+3", "-1e-3", "-.5") == [
        "-1", "-0.5", "-2.5", "-0.5", "+3", "-1e-3", "-.5",
    ]  # fmt: skip
    assert cells(None, float("nan"), "", True, "it's", "'quoted'") == [
        "", "", "", "True", "it's", "'quoted'",
    ]  # fmt: skip


def test_columns_are_cells_too():
    assert text.csv_text(["=a", "b,c"], []) == '\'=a,"b,c"\n'


def test_only_what_was_added_is_taken_off():
    assert [text.read_cell(t) for t in ("'=1", "'it", "''", "'", "a", "'-1")] == [
        "=1", "'it", "''", "'", "a", "'-1",
    ]  # fmt: skip
