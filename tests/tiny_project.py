"""A tiny project with pages that need no heavy library, for tests of plans and sweeps."""

import json
from pathlib import Path

import pytest

PREPARE = """\
source: str = "world"  # where events come from
n_users: int = 20
path: str = ""  # a folder or zip
name: str = ""
run_folder: str = ""
"""
PREPARE_BODY = """\
import json, pathlib, hashlib
content = pathlib.Path(path).read_text() if path else f"{source} {n_users}"
if "broken" in content:
    raise ValueError("the events are broken")
digest = hashlib.sha256(content.encode()).hexdigest()
info = {"format": 1, "name": name, "digest": digest, "tables": {}}
pathlib.Path(run_folder, "dataset.json").write_text(json.dumps(info))
"""
TRAIN = """\
dataset: str = "world"
generator: str = "popularity"
dim: int = 8  # length of a vector
rate: float = 0.1
k: int = 100
seed: int = 0
run_folder: str = ""
"""
TRAIN_BODY = """\
import json, os, pathlib, signal, time
pathlib.Path(run_folder, "trace.txt").open("a").write(f"{os.getpid()}\\n")
"""
TOY = """\
import pathlib
pathlib.Path(run_folder, "reproduced.json").write_text("[]")
"""
# What a page does when things go wrong; a file `calm` in the sweep's folder lets all end well.
DEEDS = """\
deed = "" if pathlib.Path(run_folder, "..", "calm").exists() else generator
if deed == "failing":
    raise RuntimeError("the loss did not fall")
if deed == "sleeping":
    time.sleep(600)
if deed == "leaving":
    raise SystemExit(0)
if deed == "filling":
    pathlib.Path(run_folder, "big.bin").write_bytes(bytes(64_000_000))
pathlib.Path(run_folder, "metrics.json").write_text(json.dumps({"format": 1, "generators": []}))
"""


def notebook(parameters: str, *body: str) -> dict:
    """The JSON of a notebook: a parameters cell, then one cell for each text."""

    def cell(n, source, tags=()):
        return {
            "cell_type": "code", "id": f"cell-{n}", "metadata": {"tags": list(tags)},
            "execution_count": None, "outputs": [], "source": source,
        }  # fmt: skip

    cells = [cell(0, parameters, ["parameters"]), *(cell(n, s) for n, s in enumerate(body, 1))]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The root of a tiny project, which is also where the test stands."""
    root = tmp_path / "project"
    for folder in ("notebooks", "params", "outputs"):
        (root / folder).mkdir(parents=True)
    write = {
        "10_prepare_data": notebook(PREPARE, PREPARE_BODY),
        "15_train": notebook(TRAIN, TRAIN_BODY, DEEDS),
        "90_compare_runs": notebook('title: str = ""\n'),
        "20_toy": notebook('shift: float = 0.5  # along the line\nrun_folder: str = ""\n', TOY),
    }
    for name, made in write.items():
        (root / "notebooks" / f"{name}.ipynb").write_text(json.dumps(made))
    monkeypatch.chdir(root)
    monkeypatch.setenv("CANDGEN_HOME", str(root))
    return root


@pytest.fixture
def write_sweep(project):
    """Write params/NAME.yaml; return its path."""

    def write(text: str, name: str = "asked") -> Path:
        path = project / "params" / f"{name}.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def write_notebook(project):
    """Write notebooks/NAME.ipynb with a parameters cell."""

    def write(name: str, parameters: str, *body: str) -> Path:
        path = project / "notebooks" / f"{name}.ipynb"
        path.write_text(json.dumps(notebook(parameters, *body)))
        return path

    return write
