import matplotlib.pyplot as plt
import numpy as np
import pytest

from candgen.plots import feedback_matrix


class TwoUsers:
    """Item 1 is watched by both users, item 2 is held out for the first."""

    titles = np.array(["never", "by both", "costs $5"], dtype=object)

    class history_matrix:
        @staticmethod
        def toarray():
            return np.array([[0, 1, 0], [0, 1, 0]])

    class held_out_matrix:
        @staticmethod
        def toarray():
            return np.array([[0, 0, 1], [0, 0, 0]])


def test_the_most_watched_items_stand_on_the_left_and_counts_in_the_title():
    ax = feedback_matrix(TwoUsers())
    assert ax.get_xticklabels()[0].get_text() == "by both"
    assert "2 known, 1 held out" in (ax.get_title(), ax.get_title(loc="left"))
    shown = np.asarray(ax.collections[0].get_array()).reshape(2, 3)
    assert shown.tolist() == [[1, 0, 2], [1, 0, 0]]
    plt.close("all")


def many_users(n):
    """Each user has the first item and, every other one, the second, too."""
    history = np.zeros((n, 20), dtype=int)
    history[:, 0], history[::2, 1] = 1, 1
    nothing = np.zeros_like(history)
    matrices = {"history_matrix": history, "held_out_matrix": nothing}
    made = {
        name: type(name, (), {"toarray": staticmethod(lambda m=m: m)})
        for name, m in matrices.items()
    }
    return type("ManyUsers", (), {"titles": np.array(["x"] * 20, dtype=object), **made})


@pytest.mark.parametrize("n", [100, 400, 5000])
def test_cells_are_seen_however_many_users_there_are(n):
    ax = feedback_matrix(many_users(n))
    figure = ax.figure
    figure.canvas.draw()
    box = ax.get_window_extent()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    rows = figure.bbox.height - np.array([box.y1, box.y0])
    inside = pixels[int(rows[0]) : int(rows[1]), int(box.x0) : int(box.x1)]
    dark = inside.sum(axis=2) < 250
    assert 0.02 < dark.mean() < 0.09  # 1.5 of 20 columns are known, less the lines between cells
    assert (f"300 of {n:,} users" in ax.get_ylabel()) == (n > 300)
    plt.close("all")
