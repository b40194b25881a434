"""A stage is run again when something it depends on has changed, and only then."""

import json

import pytest

from candgen import files
from candgen.session import status
from candgen.sweeps import fingerprints
from candgen.sweeps.fingerprints import Fingerprints, what_changed, why_not_done
from candgen.sweeps.notebook_parameters import read_notebook
from candgen.sweeps.plan import read_plan

SWEEP = """\
notebook: notebooks/15_train.ipynb
datasets:
  films: {path: events.csv}
runs:
  a: {dataset: films, dim: 3}
"""


@pytest.fixture
def stages(project, write_sweep):
    (project / "events.csv").write_text("1,2")

    def read(text=SWEEP, *overrides):
        return read_plan(write_sweep(text), overrides).stages

    films, _ = read()
    films.folder.mkdir(parents=True)
    files.write_json(films.folder / "dataset.json", {"digest": "d1", "tables": {}})
    return read


def prints(stages):
    return [Fingerprints().of_stage(stage) for stage in stages]


def differences(before, after):
    return [old != new for old, new in zip(before, after, strict=True)]


def edit(path, change):
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


def test_nothing_changed_gives_the_same_fingerprints(stages):
    assert prints(stages()) == prints(stages())


def test_a_parameter_changes_its_own_stage_only(stages):
    assert differences(prints(stages()), prints(stages(SWEEP, "runs.a.dim=4"))) == [False, True]


def test_a_change_in_a_cell_counts_and_a_saved_output_does_not(stages, project):
    page, before = project / "notebooks" / "15_train.ipynb", prints(stages())
    edit(page, lambda n: n["cells"][1].update(outputs=[{"text": "seen"}], execution_count=3))
    assert differences(before, prints(stages())) == [False, False]
    edit(page, lambda n: n["cells"][1].update(source="changed = 1"))
    assert differences(before, prints(stages())) == [False, True]


def test_an_exploring_cell_counts_only_where_it_is_executed(stages, project):
    def explore(notebook):
        cell = {**notebook["cells"][1], "source": "further = 1", "metadata": {"tags": ["explore"]}}
        notebook["cells"].append(cell)

    page, explores = project / "notebooks" / "15_train.ipynb", "explore=true"
    before, whole = prints(stages()), prints(stages(SWEEP, explores))
    edit(page, explore)
    assert differences(before, prints(stages())) == [False, False]
    assert differences(whole, prints(stages(SWEEP, explores))) == [False, True]


def test_input_files_count_by_content_and_not_by_place(stages, project):
    before = prints(stages())
    (project / "events.csv").rename(project / "moved.csv")
    moved = SWEEP.replace("events", "moved")
    assert differences(before, prints(stages(moved))) == [False, False]
    (project / "moved.csv").write_text("1,3")
    assert differences(before, prints(stages(moved))) == [True, False]


def test_a_folder_counts_with_the_names_inside(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("1")
    before = fingerprints.input_digest(tmp_path)
    (tmp_path / ".hidden").write_text("x")
    assert fingerprints.input_digest(tmp_path) == before
    (tmp_path / "in" / "a.csv").rename(tmp_path / "in" / "b.csv")
    assert fingerprints.input_digest(tmp_path) != before


def test_a_dataset_that_came_out_differently_changes_the_runs_on_it(stages):
    films, before = stages()[0], prints(stages())
    files.write_json(films.folder / "dataset.json", {"digest": "d2", "tables": {}})
    assert differences(before, prints(stages())) == [False, True]


def test_what_changed_is_said_in_words():
    assert what_changed("notebook=1 library=2", "notebook=1 library=3") == "the library changed"
    both = what_changed("notebook=1 parameters=2", "notebook=3 parameters=4 dataset=5")
    assert both == "the notebook and the parameters and the dataset changed"


def finish(stage, fingerprint, state="done"):
    stage.folder.mkdir(parents=True, exist_ok=True)
    for name in ("notebook.ipynb", "page.html"):
        (stage.folder / name).write_text("x")
    status.write(stage.folder, {"state": state, "fingerprint": fingerprint, "pid": 2**22 + 1})


def test_only_a_whole_run_of_the_same_fingerprint_is_done(stages):
    _, run = stages()
    assert why_not_done(run, "notebook=1") == "never run"
    finish(run, "notebook=1")
    assert why_not_done(run, "notebook=1") is None
    assert why_not_done(run, "notebook=2") == "the notebook changed"
    (run.folder / "page.html").unlink()
    assert why_not_done(run, "notebook=1") == "its notebook or page is gone"


@pytest.mark.parametrize(
    ("state", "said"),
    [("failed", "failed"), ("killed", "killed"), ("running", "interrupted")],
)
def test_whatever_did_not_end_well_is_run_again(stages, state, said):
    _, run = stages()
    finish(run, "notebook=1", state)
    assert why_not_done(run, "notebook=1") == f"{said} last time"


def test_a_damaged_dataset_is_prepared_again(stages):
    films, _ = stages()
    table = films.folder / "train.parquet"
    table.write_text("rows")
    described = {"digest": "d", "tables": {"train": {"sha256": files.sha256_of(table)}}}
    files.write_json(films.folder / "dataset.json", described)
    finish(films, "notebook=1")
    assert why_not_done(films, "notebook=1") is None
    table.write_text("other rows")
    assert why_not_done(films, "notebook=1") == "the dataset is damaged"


def test_the_report_depends_on_what_was_asked_and_on_what_runs_left(stages, project, write_sweep):
    stages()
    notebook = read_notebook(project / "notebooks" / "90_compare_runs.ipynb")
    runs = [{"name": "a", "folder": "a", "state": "done"}]

    def of_report(text=SWEEP, runs=runs):
        return Fingerprints().of_report(read_plan(write_sweep(text)), notebook, runs)

    before = of_report()
    assert of_report() == before
    assert of_report(SWEEP + "question: Why?\n") != before
    assert of_report(runs=[{**runs[0], "state": "failed"}]) != before
    finish(stages()[1], "notebook=1")
    assert of_report() != before


def test_a_file_that_was_damaged_since_makes_its_stage_run_again(stages):
    from candgen.session import run_files

    _, run = stages()
    for name in ("notebook.ipynb", "page.html", "metrics.json", "vectors.npz"):
        (run.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (run.folder / name).write_text(name)
    left = {"state": "done", "fingerprint": "notebook=1", "files": run_files.describe(run.folder)}
    status.write(run.folder, left)
    assert why_not_done(run, "notebook=1") is None
    (run.folder / "vectors.npz").write_text("vectors.npy")  # of the same size
    assert why_not_done(run, "notebook=1") == "vectors.npz is damaged"
    (run.folder / "metrics.json").unlink()
    assert why_not_done(run, "notebook=1") == "metrics.json is missing and vectors.npz is damaged"
    assert not status.is_finished(run.folder, "notebook=1")


OWN = """\
from candgen.models import Generator
from candgen.retrieval import topk


class Mine(Generator):
    name = "Mine"

    def _fit(self, dataset): ...

    def _score(self, users, items): ...
"""


def test_a_generator_in_a_file_counts_for_the_runs_that_name_it_alone(stages, project):
    (project / "mine.py").write_text(OWN)
    (project / "params" / "theirs.py").write_text(OWN)
    text = SWEEP.replace("films, dim: 3", "films, generator: mine.py:Mine")
    text += "  b: {dataset: films, generator: theirs.py:Mine}\n  c: {dataset: films}\n"
    before = prints(stages(text))
    (project / "mine.py").write_text(OWN + "# another thought\n")
    after = prints(stages(text))
    assert differences(before, after) == [False, True, False, False]
    assert what_changed(before[1], after[1]) == "the file of a generator changed"


def test_the_modules_that_a_generator_in_a_file_imports_count(stages, project):
    (project / "mine.py").write_text(OWN)
    _, plain = stages()
    _, own = stages(SWEEP.replace("films, dim: 3", "films, generator: mine.py:Mine"))
    assert "candgen.retrieval.topk" in Fingerprints().modules_of(own)
    assert "candgen.retrieval.topk" not in Fingerprints().modules_of(plain)


def test_a_text_that_only_looks_like_a_generator_in_a_file_is_a_text(stages):
    _, run = stages(SWEEP.replace("films, dim: 3", "films, generator: notes.py:Thoughts"))
    assert fingerprints.own_files(run.parameters) == {}
    assert Fingerprints().of_stage(run)
