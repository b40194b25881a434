import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from candgen.studies.toys import plots as toys


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    figure.canvas.draw()
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_an_axis_has_a_dot_a_name_at_its_value_the_first_on_top(ax):
    toys.along_axis([-0.9, 0.4], ["for $5", "b"], ends=("low", "high"), ax=ax)
    dots = ax.lines[0]
    assert dots.get_xdata().tolist() == [-0.9, 0.4]
    assert [t.get_text() for t in ax.get_yticklabels()] == [r"for \$5", "b"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_three_meanings_have_three_signs(ax):
    toys.signs(np.array([[1, 0, np.nan]]), ["u"], ["a", "b", "c"], ax=ax)
    assert texts(ax) == ["✓", "0", "?"]


def test_without_zeros_only_what_was_watched_is_marked(ax):
    toys.signs(np.array([[1, 0, np.nan]]), ["u"], ["a", "b", "c"], zeros=False, ax=ax)
    assert texts(ax) == ["✓"]


def test_scores_are_written_beside_the_signs_and_colour_the_cells(ax):
    scores = np.array([[0.94, -0.5, 0.0]])
    toys.signs(np.array([[1, 0, np.nan]]), ["u"], ["a", "b", "c"], scores=scores, ax=ax)
    assert texts(ax) == ["0.9 ✓", "-0.5", "0.0 ?"]
    shade = ax.images[0]
    assert shade.get_array().tolist() == scores.tolist()
    assert (shade.norm.vmin, shade.norm.vmax) == (-1, 1)


def test_a_plane_has_equal_aspect_and_names_all_with_films_clear_of_arrows(ax):
    films, users = np.array([[0.5, 0.0], [0.0, -0.5]]), np.array([[1.0, 0.02]])
    toys.space(films, users, ["First film", "Second film"], ["Ada"], ax=ax)
    assert ax.get_aspect() == 1 and ax.get_xlim() == ax.get_ylim()
    assert {"Ada", "First film", "Second film"} == set(texts(ax))
    (name,) = (t for t in ax.texts if t.get_text() == "First film")
    box = name.get_window_extent()
    arrow = ax.transData.transform(np.linspace([0, 0], [1.0, 0.02], 200))
    assert not any(box.contains(x, y) for x, y in arrow)


def test_arrows_that_end_together_share_one_place_for_their_names(ax):
    users = np.array([[0.8, 0.6], [0.81, 0.6], [-0.9, 0.0]])
    toys.space(np.zeros((1, 2)), users, ["f"], ["Bo", "Finn", "Ada"], name_films=False, ax=ax)
    assert sorted(texts(ax)) == ["Ada", "Bo, Finn"]


def test_moments_of_learning_share_their_limits_and_an_odd_one_leaves_no_empty_picture():
    rng = np.random.default_rng(0)
    steps = [(f"sweep {i}", i * rng.normal(size=(2, 2)), rng.normal(size=(3, 2))) for i in range(4)]
    grid = toys.learning(steps, ["a", "b"], colours=["red", "blue"])
    assert grid.shape == (2, 3) and len(grid[0, 0].figure.axes) == 4
    assert len({ax.get_xlim() for ax in grid.flat[:4]}) == 1
    assert grid[1, 0].get_title(loc="left") + grid[1, 0].get_title() == "sweep 3"
    plt.close("all")


def test_a_descent_ends_beside_its_landing_among_named_posts(ax):
    toys.descent({"product": np.array([2.0, 1.0, 0.5])}, {"product": 0.2}, [0, 1, 2], ax=ax)
    assert texts(ax) == ["post 0", "post 1", "post 2", "product"]
    assert ax.lines[-1].get_xdata()[0] == 2 and ax.lines[-1].get_ydata()[0] == 0.2


def test_relevance_is_summed_up_by_its_median(ax):
    toys.relevance_by_meaning({"engaged": np.linspace(0.2, 1.0, 101), "left": np.zeros(3)}, ax=ax)
    assert texts(ax) == ["0.60", "0.00"]
