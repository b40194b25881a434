import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from candgen.plots import preferences


@pytest.fixture(autouse=True)
def drawn_nowhere():
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def test_twice_as_often_and_half_as_often_reach_equally_far():
    ax = preferences(pd.Series({"Comedy": 2.0, "Drama": 1.0, "War": 0.5}))
    assert [round(bar.get_width(), 6) for bar in ax.patches] == [1, 0, -1]
    low, high = ax.get_xlim()
    assert low == -high


def test_the_first_value_is_on_top():
    ax = preferences(pd.Series({"Comedy": 2.0, "War": 0.5}))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Comedy", "War"]
    assert ax.yaxis_inverted()


def test_ticks_are_ratios():
    ax = preferences(pd.Series({"Comedy": 4.0, "War": 0.25}))
    ax.figure.canvas.draw()
    assert {"1/4", "1/2", "1", "2", "4"} <= {label.get_text() for label in ax.get_xticklabels()}
