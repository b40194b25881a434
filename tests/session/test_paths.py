from pathlib import Path

import pytest

from candgen import files
from candgen.errors import DataError
from candgen.project import project_of
from candgen.session import paths


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    for name in ("notebooks", "params", "outputs"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


def _dataset(folder: Path, digest: str = "a") -> Path:
    files.write_json(folder / "dataset.json", {"digest": digest})
    return folder


def test_the_project_is_found_from_a_folder_inside_it(project, monkeypatch):
    monkeypatch.chdir(project / "notebooks")
    assert paths.project_root() == project


def test_outside_a_project_the_environment_says_where_it_is(project, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("CANDGEN_HOME", str(project))
    assert paths.project_root() == project


def test_a_run_folder_counts_from_the_project_wherever_the_kernel_started(project, monkeypatch):
    monkeypatch.chdir(project / "notebooks")
    assert paths.run_folder("p", "outputs/a/b") == project / "outputs" / "a" / "b"
    assert paths.run_folder("p", "") == project / "outputs" / "scratch" / "p"


def test_a_dataset_is_found_by_folder_and_by_name(project):
    folder = _dataset(project / "outputs" / "datasets" / "films")
    assert paths.find_dataset("films") == folder
    assert paths.find_dataset("outputs/datasets/films") == folder
    assert paths.find_dataset(folder) == folder
    assert paths.find_dataset("nothing") is None
    assert paths.find_dataset("no/such/folder") is None


def test_the_common_dataset_comes_before_those_of_sweeps(project):
    _dataset(project / "outputs" / "quick" / "datasets" / "films", "b")
    folder = _dataset(project / "outputs" / "datasets" / "films")
    assert paths.find_dataset("films") == folder


def test_one_name_for_different_datasets_is_refused_with_the_list(project):
    first = _dataset(project / "outputs" / "one" / "datasets" / "films", "a")
    second = _dataset(project / "outputs" / "two" / "datasets" / "films", "a")
    assert paths.find_dataset("films") == first
    _dataset(second, "b")
    with pytest.raises(DataError, match=r"Several different .*\n.*one.*\n.*two"):
        paths.find_dataset("films")


def test_a_missing_dataset_is_named_with_the_nearest_one(project):
    _dataset(project / "outputs" / "datasets" / "films")
    assert "Did you mean 'films'?" in str(paths.no_such_dataset("flims"))


def test_a_notebook_belongs_to_this_project_if_it_lies_in_its_folder(project, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "notebooks"
    assert project_of(project / "notebooks" / "x.ipynb") == project
    assert project_of(other / "x.ipynb") is None
    (project / "notebooks").rmdir()
    other.mkdir()
    (project / "notebooks").symlink_to(other)
    assert project_of(other / "x.ipynb") == project_of(project / "notebooks" / "x.ipynb") == project
