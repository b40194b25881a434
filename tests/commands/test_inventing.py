"""`candgen invent` writes a log in the form of a person's own, which the reader takes."""

import numpy as np
from typer.testing import CliRunner

from candgen import cli
from candgen.datasets import preparation


def test_an_invented_log_is_prepared_like_ones_own(tmp_path):
    asked = ["invent", str(tmp_path), "--users", "40", "--items", "30", "--visits", "8"]
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 0, done.output
    paths = [str(tmp_path / f"{name}.csv") for name in ("impressions", "items", "users")]
    assert done.output.split() == paths
    data = preparation.prepare(
        tmp_path / "made",
        source="table",
        **dict(zip(("impressions_path", "items_path", "users_path"), paths, strict=True)),
    )
    assert len(data.everything("impressions")) + len(data.everything("unlisted")) == 40 * 8 * 5
    assert {"title", "genres", "provider"} <= set(data.items) and "age" in data.users
    assert np.all(data.known("impressions")["propensity"] > 0)
