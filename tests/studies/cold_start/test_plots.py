import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from candgen.studies.cold_start import plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_first_is_what_others_should_beat():
    held = pd.DataFrame(
        {"generator": ["popularity", "WALS"], "mean": [0.3, 0.4], "low": [0.28, 0.38],
         "high": [0.32, 0.42], "users": 1234}
    )  # fmt: skip
    ax = plots.users_without_events(held, measure="recall@20", best=0.8)
    dashed = [line for line in ax.lines if line.get_linestyle() != "-"]
    assert any(np.allclose(line.get_xdata(), 0.3) for line in dashed)
    assert {"0.300", "0.400"} <= {t.get_text() for t in ax.texts}
    assert "0.800" in ax.get_title() and ax.get_xlim()[0] == 0
