from typing import NamedTuple

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from candgen import plots
from candgen.models.factorization.reconstruction import Reconstruction


class Epoch(NamedTuple):
    epoch: int
    objective: float
    seconds: float


@pytest.fixture(autouse=True)
def close_all():
    yield
    plt.close("all")


def lines_of(panel):
    return {line.get_label(): line for line in panel.lines if not line.get_label().startswith("_")}


def test_solvers_are_shown_above_the_best_that_any_of_them_reached():
    histories = {
        "slow": [Epoch(0, 90.0, 0.0), Epoch(1, 40.0, 3.0), Epoch(2, 22.0, 3.0)],
        "fast": [Epoch(0, 90.0, 0.0), Epoch(1, 20.0, 0.5)],
    }
    by_epoch, by_second = plots.convergence(histories)
    slow = lines_of(by_epoch)["slow"]
    np.testing.assert_allclose(slow.get_ydata(), [1.0, 0.1])
    assert list(slow.get_xdata()) == [1, 2]
    assert list(lines_of(by_second)["slow"].get_xdata()) == [3, 6]
    assert lines_of(by_epoch)["fast"].get_ydata()[0] > 0  # a logarithm has no 0


def test_panels_show_observed_pairs_and_others_by_name():
    found = {
        "collapsed": Reconstruction(np.ones(50), np.ones(70)),
        "apart": Reconstruction(np.ones(50), np.zeros(70)),
    }
    panels = plots.reconstructions(found)
    assert [panel.get_title(loc="left") or panel.get_title() for panel in panels] == list(found)
    tops = []
    for panel in panels:
        stairs = [patch for patch in panel.patches if hasattr(patch, "get_data")]
        tops.append([data.edges[data.values.argmax()] for data in map(_data, stairs)])
    assert tops[0][0] == tops[0][1]
    assert tops[1][0] < 0.05 and tops[1][1] > 0.9  # others at 0, observed at 1


def _data(patch):
    return patch.get_data()


def test_values_beyond_the_axis_are_counted_at_its_ends():
    panel = plots.reconstructions({"far": Reconstruction(np.full(9, 7.0), np.full(9, -7.0))})[0]
    others, observed = (patch.get_data().values for patch in panel.patches)
    assert others[0] == 1 and observed[-1] == 1
