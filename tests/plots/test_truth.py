import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from candgen import plots
from candgen.plots import BASELINE


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_best_possible_value_is_named_in_the_picture():
    table = pd.DataFrame(
        {
            "generator": ["TwoTower", "popularity"],
            "mean": [0.5, 0.4], "low": [0.45, 0.35], "high": [0.55, 0.45], "users": 7,
        }
    )  # fmt: skip
    ax = plots.recovered_truth(table, best=0.9, k=10)
    assert any(np.allclose(line.get_xdata(), 0.9) for line in ax.lines)
    assert ax.get_xlim()[0] == 0 and ax.get_xlim()[1] > 0.9
    colours = [t.get_color() for t in ax.texts if t.get_text() in ("0.500", "0.400")]
    assert colours[1] == BASELINE and colours[0] != BASELINE
    assert ax.get_title() == "7 users" and "first 10" in ax.get_xlabel()
