import matplotlib.pyplot as plt
import numpy as np
import pytest

from candgen import plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


SHARES = np.tril(np.full((3, 3), 1.0)) / np.arange(1, 4)[:, None]


def test_an_event_is_never_drawn_looking_ahead():
    ax = plots.attention(SHARES, ["a", "b", "c"])
    drawn = ax.collections[0].get_array().reshape(3, 3)
    np.testing.assert_array_equal(drawn.mask, [[0, 1, 1], [0, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(drawn.compressed(), [1, 1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3])


def test_events_are_named_and_counted_back_from_the_newest():
    ax = plots.attention(SHARES, ["a", "costs $5", "x" * 60])
    titles = [label.get_text() for label in ax.get_yticklabels()]
    assert titles[0] == "a" and titles[1] == r"costs \$5" and len(titles[2]) == 32
    assert [label.get_text() for label in ax.get_xticklabels()] == ["3", "2", "1"]
    ax.figure.canvas.draw()


def test_looking_back_has_a_line_a_block_and_what_equal_shares_would_be():
    ax = plots.looking_back(
        np.array([[0.5, 0.3, 0.1, 0.1], [0.4, 0.2, 0.2, 0.2]]), alike=0.2, n_users=12
    )
    lines = {line.get_label(): line.get_ydata().tolist() for line in ax.lines[1:]}
    assert lines == {"block 1": [0.5, 0.3, 0.1, 0.1], "block 2": [0.4, 0.2, 0.2, 0.2]}
    assert set(ax.lines[0].get_ydata()) == {0.2}
    assert "12 histories" in ax.get_title("left") + ax.get_title("center")
    assert ax.get_ylim()[0] == 0


def test_axes_given_are_the_axes_drawn_on():
    ax = plt.subplots()[1]
    assert plots.looking_back(np.ones((1, 2)) / 2, alike=0.5, n_users=1, ax=ax) is ax
    ax = plt.subplots()[1]
    assert plots.attention(SHARES, list("abc"), ax=ax) is ax
