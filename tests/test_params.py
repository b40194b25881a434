"""Every sweep that comes with the project can be planned, and opens with its question."""

import pytest

from candgen.errors import SettingError
from candgen.workbench.plan import read_plan

FILES = ("content.yaml", "films.yaml", "quick.yaml")  # with popularity and random in them
OTHERS = ("objectives.yaml", "source.yaml")


def test_these_are_all(root):
    assert tuple(sorted(path.name for path in (root / "params").glob("*"))) == tuple(
        sorted(FILES + OTHERS)
    )


@pytest.mark.parametrize("name", FILES)
def test_a_sweep_opens_with_its_question_and_has_its_rivals(root, tmp_path, name):
    file = root / "params" / name
    assert file.read_text().splitlines()[0].endswith("?")
    setting = {"films.yaml": "data", "content.yaml": "films"}.get(name)
    overrides = [f"{setting}={tmp_path}"] if setting else []
    plan = read_plan(file, overrides)
    assert plan.question.endswith("?") and plan.report["title"]
    generators = {run.parameters.get("generator") for run in plan.runs}
    assert {"random", "popularity"} <= generators


def test_the_source_is_made_again_on_its_own_films_with_its_own_report(root, tmp_path):
    file = root / "params" / "source.yaml"
    assert file.read_text().splitlines()[0].endswith("?")
    plan = read_plan(file, [f"films={tmp_path}"])
    assert plan.report["notebook"] == "notebooks/91_source_figures.ipynb"
    films = {run.name: run.parameters.get("films") for run in plan.runs}
    assert films["content-based"] == films["learning-ratings"] == str(tmp_path)
    with pytest.raises(SettingError, match="--set films=VALUE"):
        read_plan(file)


def test_the_films_must_be_named(root):
    with pytest.raises(SettingError, match="--set data=VALUE"):
        read_plan(root / "params" / "films.yaml")


def test_the_part_to_judge_on_can_be_changed_for_all_runs(root):
    plan = read_plan(root / "params" / "quick.yaml", ["evaluate_on=validation"])
    assert {run.parameters["evaluate_on"] for run in plan.runs} == {"validation"}
