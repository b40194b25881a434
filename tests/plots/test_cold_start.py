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


def table(measures=("recall@20",), top=0.4):
    rows = [
        {
            "measure": m, "known": n, "generator": name, "mean": mean, "low": mean - 0.02,
            "high": mean + 0.02, "users": 1234,
        }
        for m in measures
        for n, last in ((0, 0.3), (5, 0.35), (20, top))
        for name, mean in (("popularity", 0.3), ("WALS", last))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_numbers_known_stand_at_equal_distances_and_in_order():
    (ax,) = plots.by_known(table().sample(frac=1, random_state=0), x_label="events known")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "5", "20"]
    assert np.diff(ax.get_xticks()).tolist() == [1, 1]
    wals = next(line for line in ax.lines if line.get_color() != BASELINE)
    np.testing.assert_allclose(wals.get_ydata(), [0.3, 0.35, 0.4])
    assert ax.get_ylim()[0] == 0 and ax.get_title().startswith("1,234 users")


def test_each_measure_has_its_panel_and_a_generator_one_colour():
    both = plots.by_known(
        table(["recall@20", "true relevance@20"]), x_label="x", best={"true relevance@20": 0.9}
    )
    assert [ax.get_ylabel() for ax in both] == ["recall@20", "true relevance@20"]
    assert "best possible" not in both[0].get_title() and "0.900" in both[1].get_title()
    colours = [{t.get_text(): t.get_color() for t in ax.texts} for ax in both]
    assert colours[0] == colours[1] and colours[0]["popularity"] == BASELINE


def test_what_lies_beyond_the_axis_is_said():
    (ax,) = plots.by_known(table(top=3.5), x_label="x", highest=1.0)
    assert ax.get_ylim()[1] == 1.0
    assert any(t.get_text() == "3.50 ↑" for t in ax.texts)
