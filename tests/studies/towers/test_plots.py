import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from candgen.studies.towers import plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_items_are_dots_by_group_and_queries_are_arrows():
    items = np.array([[0.0, 1], [1, 0], [1, 1], [2, 2]])
    ax = plots.shared_space(items, ["a", "b", "a", "a"], np.array([[1.0, 1], [0, 2]]))
    counts = [len(held.get_offsets()) for held in ax.collections]
    assert counts == [0, 3, 1]  # none is grey; a before b, since it is more frequent
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    assert sum(a.arrow_patch is not None for a in ax.texts if hasattr(a, "arrow_patch")) == 2
    assert ax.get_title() == "4 items, 2 queries"


def test_groups_beyond_the_colours_are_grey():
    groups = [f"group {n}" for n in range(12)]
    ax = plots.shared_space(np.random.default_rng(0).normal(size=(12, 2)), groups, np.zeros((0, 2)))
    assert len(ax.collections[0].get_offsets()) == 12 - 8


def test_gains_say_how_much_was_known_and_of_how_many():
    table = pd.DataFrame(
        {"known": ["3", "all"], "difference": [0.02, 0.01], "low": [0.01, -0.01],
         "high": [0.03, 0.03], "users": [40, 41]}
    )  # fmt: skip
    ax = plots.feature_gains(table, metric="recall@20")
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["3 known (40 users)", "all of these"]
    assert ax.get_xlabel().startswith("recall@20")


def test_only_gains_beyond_the_margin_are_coloured():
    table = pd.DataFrame(
        {"known": ["1", "3", "5"], "difference": [0.02, 0.01, -0.02], "low": [0.01, 0.001, -0.03],
         "high": [0.03, 0.019, -0.01], "users": [40, 40, 40]}
    )  # fmt: skip
    ax = plots.feature_gains(table, metric="recall@20", margin=0.005)
    dots = {
        line.get_ydata()[0]: line.get_color() for line in ax.lines if len(line.get_ydata()) == 1
    }
    assert dots[0] != dots[1] and dots[1] == dots[2]
