"""Pictures of judgements show the numbers they were given, in the house style."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from candgen import plots
from candgen.evaluation import Judgement, compare
from candgen.plots.style import line_of


@pytest.fixture(autouse=True)
def _fresh():
    with mpl.rc_context():
        plots.use_style()
        yield
    plt.close("all")


@pytest.fixture
def judged():
    rng = np.random.default_rng(0)
    base = rng.random(300) * 0.3
    made = []
    for name, lift in (("WALS", 0.3), ("popularity", 0.1), ("EASE", 0.35), ("random", 0.0)):
        values = {f"recall@{k}": np.clip(base + lift * k / 50, 0, 1) for k in (10, 20, 50)}
        cost = {"fit_seconds": lift * 10}
        made.append(Judgement(name, pd.DataFrame({"user": range(300)} | values), cost=cost))
    return made


@pytest.fixture
def rows(judged):
    return [judgement.row() for judgement in judged]


def drawn(ax):
    """Draw for real, so that any warning surfaces, and return everything written."""
    ax.figure.canvas.draw()
    return " ".join(text.get_text() for text in ax.findobj(mpl.text.Text))


def test_the_spread_counts_every_user_and_draws_the_baseline_dashed(judged):
    values, baseline = (j.values("recall@20") for j in judged[:2])
    ax = plots.per_user_spread(values, baseline=baseline, label="recall@20", name="WALS")
    assert sum(bar.get_height() for bar in ax.containers[0]) == 300
    means = {line.get_xdata()[0]: line for line in ax.lines}
    assert means[baseline.mean()].get_linestyle() == "--"
    assert means[baseline.mean()].get_color() == plots.BASELINE
    written = drawn(ax)
    assert "300 users" in written and f"popularity {baseline.mean():.3f}" in written
    assert ax.get_xlim() == (0, 1)


def test_curves_by_k_end_in_their_names_and_stand_on_zero(rows):
    ax = plots.recall_by_k(rows)
    lines = {line.get_color(): line for line in ax.lines}
    assert lines[plots.MODEL].get_xdata().tolist() == [10, 20, 50]
    assert lines[plots.MODEL].get_ydata().tolist() == [rows[0][f"recall@{k}"] for k in (10, 20, 50)]
    assert ax.get_ylim()[0] == 0
    assert all(name in drawn(ax) for name in ("WALS", "EASE", "popularity", "random"))


def test_names_at_line_ends_do_not_cover_each_other(rows):
    close = [dict(row, generator=f"model {n}") for n, row in enumerate([rows[0]] * 5)]
    ax = plots.recall_by_k(close)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)  # only itself


def test_the_leaderboard_puts_baselines_first_and_the_best_model_on_top_of_the_rest(rows):
    ax = plots.leaderboard(rows, "recall@20")
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == ["popularity", "random", "EASE", "WALS"]
    assert ax.yaxis_inverted() and ax.get_xlim()[0] == 0
    assert f"{rows[0]['recall@20']:.3f}" in drawn(ax)


def test_paired_differences_show_the_margin_and_the_verdicts(judged):
    table = compare(judged, "recall@20", margin=0.01)
    ax = plots.paired_differences(table, margin=0.01)
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((-0.01, 0.01))
    written = drawn(ax)
    assert "better" in written and "worse" in written and "300 users" in written


def test_group_bars_begin_at_zero_and_carry_their_values():
    table = pd.DataFrame(
        [
            {"generator": g, "by": "item popularity", "group": group, "range": "1–3", "low": np.nan,
             "high": np.nan, "metric": "recall@20", "value": value, "count": 7}
            for g, values in {"popularity": (0.5, 0.0), "EASE": (0.6, 0.2)}.items()
            for group, value in zip(("head", "tail"), values, strict=True)
        ]
    )  # fmt: skip
    ax = plots.group_bars(table, by="item popularity")
    assert [bar.get_height() for bars in ax.containers for bar in bars] == [0.5, 0, 0.6, 0.2]
    assert all(bar.get_y() == 0 for bars in ax.containers for bar in bars)
    assert ax.get_ylim()[0] == 0
    assert "7 held-out events" in drawn(ax)


def test_an_objective_is_drawn_sweep_by_sweep():
    ax = plots.objective([9.0, 4.0, 2.0], label="squared error")
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert ax.get_ylabel() == "squared error"


def test_several_objectives_are_named_where_they_end():
    ax = plots.objective({"dim 8": [9.0, 4.0], "dim 16": [9.0, 3.0]})
    assert "dim 8" in drawn(ax) and len({line.get_color() for line in ax.lines}) == 2


def test_every_picture_draws_on_the_axes_it_is_given(rows, judged):
    for draw in (plots.recall_by_k, plots.leaderboard):
        own = plt.subplots()[1]
        assert draw(rows, ax=own) is own


def test_a_generator_keeps_its_colour_whatever_the_baselines_around_it():
    alone = plots.colours(["ItemKNN", "EASE"])
    among = plots.colours(["random", "ItemKNN", "popularity", "EASE"])
    assert among["ItemKNN"] == alone["ItemKNN"] == plots.MODEL
    assert among["EASE"] == alone["EASE"]
    assert among["random"] == among["popularity"] == plots.BASELINE


def test_baselines_are_told_apart_by_their_dashes():
    assert {line_of("popularity"), line_of("random"), line_of("EASE")} == {"--", ":", "-"}


def test_colours_stay_apart_for_colour_blind_readers():
    """Simulate the lack of red or green cones (Viénot et al., 1999) and measure distances."""
    rgb = np.array([mpl.colors.to_rgb(colour) for colour in plots.PALETTE]) ** 2.2
    for share_of_red in (0.11238, 0.29275):
        yellow = rgb[:, 0] * share_of_red + rgb[:, 1] * (1 - share_of_red)
        seen = np.column_stack([yellow, yellow, rgb[:, 2]]) ** (1 / 2.2)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)
        assert apart[np.triu_indices(len(rgb), 1)].min() > 0.1
