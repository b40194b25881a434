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


def test_files_of_that_name_stay_and_nothing_is_written(tmp_path, candgen):
    (tmp_path / "items.csv").write_text("mine")
    code, out, err = candgen("invent", tmp_path, "--users", "20", "--items", "20", "--visits", "2")
    assert (code, out) == (2, "") and "items.csv is there already and stays as it is" in err
    assert [path.name for path in tmp_path.iterdir()] == ["items.csv"]
    assert (tmp_path / "items.csv").read_text() == "mine"
