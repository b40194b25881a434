import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from candgen.plots import BASELINE
from candgen.studies.retrieval import plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def texts(figure):
    return {t.get_text(): t for ax in figure.axes for t in ax.texts}


def test_speed_is_drawn_over_recall_with_exact_search_dashed():
    table = pd.DataFrame(
        {
            "kind": ["exact", "annoy", "annoy", "annoy", "faiss-ivf"],
            "built": ["", "trees 5", "trees 5", "trees 9", "lists 8"],
            "recall": [1.0, 0.9, 0.7, 0.95, 0.99],
            "batch": [100.0, 500.0, 900.0, 300.0, 2000.0],
        }
    )
    ax = plots.speed_against_recall(table, k=7)
    assert ax.get_yscale() == "log" and "recall@7" in ax.get_xlabel()
    (dashed,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed.get_color() == BASELINE and set(dashed.get_ydata()) == {100.0}
    line = next(line for line in ax.lines if len(line.get_xdata()) == 2 and line != dashed)
    np.testing.assert_allclose(line.get_xdata(), [0.7, 0.9])  # from left to right
    named = texts(ax.figure)
    assert set(named) == {"annoy, trees 5", "annoy, trees 9", "faiss-ivf", "exact search"}
    assert named["annoy, trees 5"].get_color() == named["annoy, trees 9"].get_color()
    low, high = ax.get_ylim()
    assert low < 100 and high > 2000


def test_a_kind_has_the_same_colour_whatever_comes_first():
    """As in notebook 80, where the order of the kinds differs from figure to figure."""
    sizes = pd.DataFrame(
        {"n_items": 9, "kind": ["exact", "faiss-ivf", "annoy"], "times": [1.0, 3, 2], "recall": 1.0}
    )
    speeds = sizes.assign(built="", batch=sizes["times"]).iloc[[0, 2, 1]]
    one = texts(plots.speed_by_size(sizes, target=0.95).figure)
    other = texts(plots.speed_against_recall(speeds, k=7).figure)
    for kind in ("annoy", "faiss-ivf"):
        assert one[kind].get_color() == other[kind].get_color()
    assert one["annoy"].get_color() != one["faiss-ivf"].get_color()


def test_each_kind_is_drawn_by_its_quickest_that_finds_enough_else_hollow():
    rows = [
        (10, "exact", 1.0, 1.0), (10, "a", 2.0, 0.96), (10, "a", 9.0, 0.5), (10, "b", 3.0, 0.6),
        (99, "exact", 1.0, 1.0), (99, "a", 4.0, 0.99), (99, "b", 5.0, 0.95),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["n_items", "kind", "times", "recall"])
    ax = plots.speed_by_size(table, target=0.95)
    lines = [
        line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"
    ]
    assert [list(line.get_ydata()) for line in lines] == [[2.0, 4.0], [3.0, 5.0]]
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in hollow] == [(10, 3.0)]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["10", "99"]
    assert set(texts(ax.figure)) == {"a", "b", "exact search"} and "95%" in ax.get_title()


def test_ways_to_filter_have_a_panel_of_recall_and_one_of_time():
    rows = [
        {
            "share": share,
            "way": way,
            "recall": recall,
            "low": recall - 0.01,
            "high": recall,
            "ms": ms,
        }
        for share in (0.01, 1.0)
        for way, recall, ms in (
            ("before", 1.0, 2.0),
            ("after", 0.8, 1.0),
            ("by the rule", 0.96, 0.5),
        )
    ]
    found, spent = plots.ways_to_filter(
        pd.DataFrame(rows).sample(frac=1, random_state=0), target=0.95, k=9
    )
    assert spent.get_yscale() == "log" and "recall@9" in found.get_ylabel()
    promised = [line for line in found.lines if line.get_linestyle() == ":"]
    assert promised[0].get_ydata()[0] == 0.95
    assert found.get_ylim()[0] < 0.79 and found.get_ylim()[1] > 1
    assert {"before", "after", "by the rule"} <= set(texts(found.figure))
    assert [t.get_text() for t in found.get_xticklabels()] == ["0.01", "1"]
