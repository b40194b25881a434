"""A figure is drawn when it is saved; the notebook shows that picture while it is up to date."""

from base64 import b64decode
from types import SimpleNamespace

import IPython
import matplotlib
import pytest
from IPython.core import pylabtools
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

from candgen.session import runs


@pytest.fixture
def notebook(monkeypatch):
    """Stand in for a notebook that shows figures as Jupyter does; returns what sets the format."""
    matplotlib.get_backend()  # chosen by now, with no notebook in sight
    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)

    def show_as(form: str):
        pylabtools.select_figure_formats(shell, {form}, bbox_inches="tight")
        return lambda figure: shell.display_formatter.formatters["image/png"](figure)

    return show_as


@pytest.fixture
def run(tmp_path):
    return runs.Run(tmp_path, {})


@pytest.fixture
def figure():
    made = Figure(figsize=(3, 2), dpi=100)
    made.subplots().plot([1, 2])
    return made


def width_of(png: bytes) -> int:
    return int.from_bytes(png[16:20], "big")


def test_the_saved_picture_is_shown_as_large_as_the_figure(notebook, run, figure):
    show = notebook("png")
    drawn = b64decode(show(figure))
    run.figure(figure, "line")
    shown, size = show(figure)
    saved = (run.folder / "figures" / "line.png").read_bytes()
    assert b64decode(shown) == saved
    assert width_of(saved) > width_of(drawn)
    assert size["width"] == pytest.approx(width_of(drawn), abs=2)


def test_a_figure_is_not_drawn_again_after_it_was_saved(notebook, run, figure, monkeypatch):
    show = notebook("png")
    run.figure(figure, "line")
    assert not figure.stale  # else pyplot draws it at the end of the cell
    monkeypatch.setattr(Figure, "draw", lambda *_: pytest.fail("it was drawn again"))
    show(figure)


def test_what_is_added_after_saving_is_shown(notebook, run, figure):
    show = notebook("png")
    run.figure(figure, "line")
    figure.axes[0].set_title("later")
    shown = b64decode(show(figure))
    assert shown != (run.folder / "figures" / "line.png").read_bytes()
    run.figure(figure, "line")
    assert b64decode(show(figure)[0]) == (run.folder / "figures" / "line.png").read_bytes()


def test_a_figure_that_is_not_saved_is_drawn_as_ever(notebook, run, figure):
    show = notebook("png")
    before = show(figure)
    saved = Figure()
    saved.subplots()
    run.figure(saved, "other")
    assert show(figure) == before


def test_a_reader_who_wants_another_resolution_gets_it(notebook, run, figure):
    show = notebook("retina")
    before = show(figure)
    run.figure(figure, "line")
    assert show(figure) == before


def test_a_reader_who_wants_vectors_gets_no_pixels(notebook, run, figure):
    show = notebook("svg")
    run.figure(figure, "line")
    assert show(figure) is None
