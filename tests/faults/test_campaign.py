"""A short form of the campaign of faults, and proof that it sees what it looks for."""

import json
import os
import random
import resource
import subprocess
import sys
import time

import pytest

from candgen.sweeps.plan import read_plan
from faults import campaign, hardships, large
from faults.project import Project


@pytest.mark.notebook
def test_a_sweep_survives_a_kill_at_a_random_moment():
    campaign.run(0, seed=1, faults=("sweep",), rounds=1, runs=("popularity",), in_a_row=1)


def test_the_sweep_of_a_large_world_can_be_planned(tmp_path, root):
    (tmp_path / "notebooks").symlink_to(root / "notebooks")
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "large.yaml").write_text(large.WORLD.format(items=large.ITEMS))
    assert len(read_plan(tmp_path / "params" / "large.yaml").runs) == 2


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, runs=("popularity",))


def test_a_run_that_says_it_is_done_without_its_results_is_seen(project):
    run = project.sweep / "popularity"
    run.mkdir(parents=True)
    (run / "status.json").write_text('{"state": "failed"}')
    assert project.pretending() == []
    (run / "status.json").write_text('{"state": "done"}')
    (run / "metrics.json").write_text('{"generators": []}')
    assert project.pretending() == ["popularity/candidates.parquet"]


def test_files_that_are_cut_off_are_seen(project):
    project.sweep.mkdir()
    project.dataset.mkdir(parents=True)
    (project.sweep / "report.html").write_text("<html></html>\n")
    (project.sweep / "leaderboard.csv").write_text("run,recall\na,0.1")
    (project.dataset / "train.parquet").write_bytes(b"PAR1")
    described = {"tables": {"train": {"sha256": "0" * 64}}}
    (project.dataset / "dataset.json").write_text(json.dumps(described))
    assert project.whole_files() == {
        "asked/report.html": "whole", "asked/leaderboard.csv": "damaged", "d1": "damaged",
    }  # fmt: skip


def test_passing_files_and_living_processes_are_seen(project):
    (project.outputs / ".a.json.1-2-3-4.part").write_text("")
    assert project.litter() == ["outputs/.a.json.1-2-3-4.part"]
    process = project.start("runs", limit="-f 1000")
    project.end(process)
    assert process.returncode == 0 and len(project.litter()) == 1


def test_a_clock_that_steps_is_seen_by_a_process_and_what_cannot_be_is_named(project, monkeypatch):
    monkeypatch.delenv(hardships.MOUNTED, raising=False)
    possible, left_out = hardships.possible()
    assert "full disk" not in possible and "full disk is left out: this machine" in left_out[0]
    if "stepping clock" not in possible:
        pytest.skip(left_out[-1])
    clock = hardships.SteppingClock(project, random.Random(0))  # refuses a clock that stands
    before = (project.folder / "steps").read_text()
    clock.step()
    assert (project.folder / "steps").read_text() != before
    assert set(clock.environment) == {"LD_PRELOAD", "CLOCK_STEPS"} and os.path.isfile(
        clock.environment["LD_PRELOAD"]
    )


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="it limits another process")
def test_memory_runs_out_in_the_middle_and_a_status_that_says_so_is_found(project):
    hardship = hardships.OutOfMemory(project, random.Random(2))
    with hardship.arranged():
        assert not hardship.limit  # with this seed: none from the start
        grows = "import time\nheld = []\nfor _ in range(2**14):\n"
        grows += "    held.append(bytearray(2**16))\n    time.sleep(0.001)"
        process = subprocess.Popen([sys.executable, "-c", grows], stderr=subprocess.PIPE, text=True)
        hardship.watch(process, 0.2)
    said = process.communicate()[1]
    assert any(sign in said for sign in hardship.signs)

    run = project.sweep / "popularity"
    run.mkdir(parents=True)
    attempt = {"error": {"name": "DeadKernelError"}}
    (run / "status.json").write_text(json.dumps({"error": None, "attempts": [attempt]}))
    assert "DeadKernelError" in project.told_since(time.time() - 60)
    assert "DeadKernelError" not in project.told_since(time.time() + 60)
