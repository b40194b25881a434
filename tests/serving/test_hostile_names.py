"""An exported folder whose texts attack: they stay text in the terminal and in its README."""

import json
import subprocess
import sys

import mistune
import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import write_dataset
from candgen.models import WALS
from candgen.serving import export
from candgen.text.tables import NO_MATHS
from notebooks.executed_pages import ATTACKS
from serving.odd_project import write_run_of

USER = "\x1b[2J\nuser\t<b>"
NAME = "<img src=x onerror=ran=1>\n\n# [films](javascript:ran=2) $x_1$\x1b[31m"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Export a run on a dataset with attacks as titles, ids and name."""
    root = tmp_path_factory.mktemp("hostile")
    for name in ("notebooks", "params", "outputs"):
        (root / name).mkdir()
    events = pd.DataFrame({"user": np.repeat([0, 1, 2], 3), "item": [0, 1, 2, 2, 3, 4, 4, 5, 6]})
    titles = [*ATTACKS, "plain"]
    tables = {
        "interactions": events, "train": events, "test": events.head(2),
        "users": pd.DataFrame({"user": range(3), "user_id": [USER, *ATTACKS[:2]]}),
        "items": pd.DataFrame({
            "item": range(8), "item_id": [f"{n} {title}" for n, title in enumerate(titles)],
            "title": titles,
        }),
    }  # fmt: skip
    data = write_dataset(root / "outputs" / "datasets" / "films", tables, {"name": NAME})
    run = write_run_of(WALS(dim=3, seed=1).fit(data), data, root / "outputs" / "asked" / "`a` <b>")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return export.export(run, root / "exported")


@pytest.mark.parametrize("asked", [("--user", USER), ("--popular",), ("--user", "\x1b]0;x\x07\n")])
def test_the_reader_s_lines_are_whole_and_hold_no_control_character(folder, asked):
    command = [sys.executable, str(folder / "reader.py"), *asked, "-k", "8"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    said = done.stdout if done.returncode == 0 else done.stderr
    lines = said.removesuffix("\n").split("\n")
    assert all(line.replace("\t", "").isprintable() for line in lines), said
    if done.returncode:
        assert len(lines) == 1 and "Traceback" not in said
    else:
        assert [line.count("\t") for line in lines] == [3] * len(lines) and len(lines) > 3
        assert any("<svg/onload=ran=4>" in line or "<script>" in line for line in lines[1:])


def test_json_of_the_reader_is_plain_letters_and_whole(folder):
    command = [sys.executable, str(folder / "reader.py"), "--popular", "-k", "8", "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.isascii() and "\x1b" not in said
    assert {row["title"] for row in json.loads(said)} <= {*ATTACKS, "plain"}


def test_the_folder_s_readme_holds_names_as_text(folder):
    text = (folder / "README.md").read_text()
    assert "\x1b" not in text and "\u202e" not in text
    page = mistune.create_markdown(escape=False)(text)
    assert page.count("<h1>") == 1 and "<img" not in page and "<a " not in page
    assert "&lt;img src=x onerror=ran=1&gt;" in page
    assert "$" not in page.replace(f'<span class="{NO_MATHS}">$</span>', "")
