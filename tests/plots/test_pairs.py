import matplotlib
import pandas as pd
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from candgen import plots


@pytest.fixture(autouse=True)
def close_all():
    yield
    plt.close("all")


def test_each_way_to_search_is_a_line_and_the_dot_product_is_grey_and_dashed():
    speeds = pd.DataFrame({"WALS": [900.0, 100.0], "MLP": [90.0, 8.0]}, index=[1000, 10000])
    panel = plots.search_speed(speeds, baselines=["WALS"])
    plain, layered = panel.lines
    assert list(plain.get_xdata()) == [1000, 10000] and list(layered.get_ydata()) == [90, 8]
    assert plain.get_color() == plots.BASELINE != layered.get_color()
    assert plain.get_linestyle() == "--" and layered.get_linestyle() == "-"
    assert panel.get_xscale() == panel.get_yscale() == "log"
    written = {text.get_text() for axes in panel.figure.axes for text in axes.texts}
    assert {"WALS", "MLP"} <= written
