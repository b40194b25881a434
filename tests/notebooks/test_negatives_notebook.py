"""Notebook 70 with small settings, for samplers and losses that its defaults do not use."""

import json
import math

import pytest

from candgen.datasets import preparation
from candgen.sweeps import execution

SMALL = {
    "dim": 4, "epochs": 2, "n_negatives": 4, "settings": {"batch_size": 64},
    "sampled_zeros": 1, "collapse_epochs": 2, "k": 10, "cutoffs": [5, 10], "headline": "recall@5",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    sizes = {"n_users": 60, "n_items": 40, "events_per_user": 10}
    folder = tmp_path_factory.mktemp("world") / "world"
    return preparation.prepare(folder, source="world", seed=3, split="random_per_user", **sizes)


@pytest.mark.notebook
@pytest.mark.parametrize(
    "changed",
    [
        {"negatives": "impressions"},
        {"negatives": "none", "loss": "logistic", "similarity": "dot", "temperature": 1.0},
        {"negatives": "hard", "loss": "hinge", "settings": {"hardness": 0.5}},
    ],
    ids=["impressions", "positives alone", "hard"],
)
def test_a_run_of_the_study_leaves_its_record(root, world, tmp_path, changed):
    folder = str(tmp_path)
    parameters = {**SMALL, **changed, "dataset": str(world.folder), "run_folder": folder}
    notebook = root / "notebooks/70_negative_sampling.ipynb"
    status = execution.execute(notebook, parameters, tmp_path, explore=False, timeout_s=200)
    assert status["state"] == "done", status["error"]
    record = json.loads((tmp_path / "study.json").read_text())
    assert record["negatives"] == changed["negatives"] and record["k"] == 5
    assert 0 <= record["recall"] <= 1 and 0 <= record["true_relevance"] <= 1
    assert all(math.isfinite(v) for v in record.values() if isinstance(v, float))
    assert (tmp_path / "metrics.json").is_file()
