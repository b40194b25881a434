import matplotlib.pyplot as plt
import numpy as np

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
