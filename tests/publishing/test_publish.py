"""A sweep where others look for it: a tracker's records, or files in a storage."""

import importlib
import sys
from types import SimpleNamespace

import fsspec
import pytest

from candgen.errors import DataError, SettingError
from candgen.publishing import publish
from candgen.publishing.published_runs import SOURCE, published_runs
from candgen.reports.reading import read_sweep


@pytest.fixture
def sweep(small_sweep):
    return small_sweep.parent


def test_each_run_has_its_parameters_metrics_costs_and_origin(sweep):
    (run,) = published_runs(read_sweep(sweep))
    (entry,) = [e for e in read_sweep(sweep).entries() if not e.baseline]
    assert run.name == "only" and run.parameters["generator"] == "WALS"
    assert run.parameters["dim"] == "4"
    assert run.metrics["recall_at_20"] == entry.numbers["recall@20"]
    assert run.metrics["fit_seconds"] == entry.numbers["fit_seconds"]
    assert not any("@" in name for name in run.metrics)
    assert run.tags[SOURCE].startswith("small/only/WALS ")
    assert run.tags["candgen.dataset_digest"] == entry.run.metrics["dataset"]["digest"]


class Tracker(SimpleNamespace):
    """MLflow, as far as it is called."""

    def __init__(self):
        super().__init__(runs=[], uri=None)

    def set_tracking_uri(self, uri):
        self.uri = uri

    def set_experiment(self, name):
        return SimpleNamespace(experiment_id=name)

    def search_runs(self, experiments, output_format):
        return [run for run in self.runs if run.experiment == experiments[0]]

    def start_run(self, run_name, tags):
        data = SimpleNamespace(tags=tags, params={}, metrics={})
        self.current = SimpleNamespace(name=run_name, data=data, files=[], experiment="small")
        self.runs.append(self.current)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def log_params(self, params):
        self.current.data.params.update(params)

    def log_metrics(self, metrics):
        self.current.data.metrics.update(metrics)

    def log_artifact(self, path):
        self.current.files.append(path)


def test_mlflow_gets_each_run_once(sweep, monkeypatch):
    tracker = Tracker()
    monkeypatch.setitem(sys.modules, "mlflow", tracker)
    assert publish(sweep, "mlflow:http://tracker:5000") == 1
    assert publish(sweep, "mlflow:http://tracker:5000") == 0
    (run,) = tracker.runs
    assert tracker.uri == "http://tracker:5000" and run.name == "only"
    assert run.data.params["dim"] == "4" and run.data.metrics["recall_at_20"] > 0
    assert any(path.endswith("metrics.json") for path in run.files)


def test_what_a_server_says_is_an_error_with_its_place(sweep, monkeypatch):
    tracker = Tracker()
    monkeypatch.setattr(tracker, "set_experiment", lambda name: 1 / 0)
    monkeypatch.setitem(sys.modules, "mlflow", tracker)
    with pytest.raises(DataError, match="mlflow:x did not take it: ZeroDivisionError"):
        publish(sweep, "mlflow:x")


def test_a_storage_gets_the_files_once_and_then_what_changed(sweep, tmp_path):
    memory = fsspec.filesystem("memory")
    assert publish(sweep, "memory://lab") >= 5
    held = {path.removeprefix("/lab/small/") for path in memory.find("/lab/small")}
    assert {"sweep.json", "only/metrics.json", "only/status.json"} <= held
    assert memory.cat_file("/lab/small/sweep.json") == (sweep / "sweep.json").read_bytes()
    assert publish(sweep, "memory://lab") == 0
    (sweep / "leaderboard.csv").write_text("run\n")
    assert publish(sweep, "memory://lab") == 1
    memory.rm("/lab", recursive=True)


def test_what_a_link_leads_to_outside_of_the_sweep_is_not_published(sweep, tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    for name in ("page.html", "candidates.parquet"):
        (sweep / "only" / name).unlink(missing_ok=True)
        (sweep / "only" / name).symlink_to(secret)
    tracker = Tracker()
    monkeypatch.setitem(sys.modules, "mlflow", tracker)
    publish(sweep, "mlflow:x")
    assert not any(path.endswith("page.html") for path in tracker.runs[0].files)
    memory = fsspec.filesystem("memory")
    publish(sweep, "memory://linked")
    held = [path for path in memory.find("/linked") if memory.cat_file(path) == b"mine"]
    assert held == [] and memory.exists("/linked/small/only/metrics.json")
    memory.rm("/linked", recursive=True)


def test_a_folder_of_others_in_the_storage_is_left_alone(sweep):
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/theirs/small/thesis.tex", b"mine")
    with pytest.raises(DataError, match=r"that is no sweep\. Nothing was written"):
        publish(sweep, "memory://theirs")
    assert memory.find("/theirs") == ["/theirs/small/thesis.tex"]
    memory.rm("/theirs", recursive=True)


@pytest.mark.parametrize("place", ["mlflow:", "wandb:", "s3://", "nowhere", ""])
def test_a_place_that_is_none_is_refused(sweep, place):
    with pytest.raises(SettingError, match="A place to publish to is"):
        publish(sweep, place)


@pytest.mark.parametrize(("place", "package"), [("mlflow:x", "mlflow"), ("wandb:x", "wandb")])
def test_a_package_that_is_not_installed_is_named(sweep, monkeypatch, place, package):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(SettingError, match=f"needs the package {package}: pip install"):
        publish(sweep, place)


def test_what_is_no_sweep_or_has_no_finished_run_is_refused(sweep, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="is not a sweep"):
        publish(tmp_path / "nothing", "memory://lab")
    (sweep / "only" / "status.json").unlink()
    monkeypatch.setitem(sys.modules, "mlflow", Tracker())
    with pytest.raises(DataError, match="no finished run to publish"):
        publish(sweep, "mlflow:x")


def test_the_command_prints_how_many_are_new(sweep, candgen):
    code, out, err = candgen("publish", sweep, "--to", "memory://bench")
    assert code == 0, err
    assert int(out) >= 5
