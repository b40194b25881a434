"""A reader gets sliders, an unattended page the same picture."""

from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from candgen.errors import SettingError
from candgen.session import runs, widgets


@pytest.fixture
def drawn(monkeypatch):
    """Every set of values that was drawn, in order."""
    values = []
    monkeypatch.setattr(plt, "show", lambda: None)

    def draw(given):
        values.append(given)
        return plt.figure().subplots()

    values.append(draw)
    yield values
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """Return the displayed objects."""
    import IPython.display

    things = []
    monkeypatch.setattr(IPython.display, "display", things.append)
    return things


def test_an_unattended_page_shows_the_picture_of_the_first_values_and_no_slider(drawn, shown):
    ax = widgets.sliders(drawn[0], {"Ada": 0.1}, live=False)
    assert drawn[1:] == [{"Ada": 0.1}]
    assert plt.fignum_exists(ax.figure.number) and shown == []


def test_moving_a_slider_draws_the_new_values(drawn, shown):
    widgets.sliders(drawn[0], {"Ada": 0.1, "Bo": -0.5}, live=True)
    (box,) = shown
    ada, bo, _picture = box.children
    assert (ada.description, ada.value, bo.min, bo.max) == ("Ada", 0.1, -1, 1)
    ada.value = 0.8
    assert drawn[-1] == {"Ada": 0.8, "Bo": -0.5}


def test_with_sliders_the_picture_can_still_be_saved_and_is_not_shown_twice(drawn, shown, tmp_path):
    ax = widgets.sliders(drawn[0], {"Ada": 0.1}, live=True)
    assert ax.figure not in [plt.figure(number) for number in plt.get_fignums()]
    ax.figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0


def test_a_first_value_off_the_scale_is_named(drawn):
    with pytest.raises(SettingError, match=r"Ada must lie in -1 .. 1, got 3"):
        widgets.sliders(drawn[0], {"Ada": 3}, live=False)
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("front_end", "run_folder", "expected"),
    [("a.ipynb", "", True), ("a.ipynb", "outputs/s/r", False), (None, "", False)],
)
def test_somebody_is_there_only_with_a_front_end_and_without_a_run_folder(
    monkeypatch, front_end, run_folder, expected
):
    for name in ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    if front_end:
        monkeypatch.setenv("JPY_SESSION_NAME", front_end)
    monkeypatch.setattr(runs, "_current", SimpleNamespace(parameters={"run_folder": run_folder}))
    assert widgets.attended() is expected
