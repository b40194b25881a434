"""Every sweep that comes with the project can be planned, and opens with its question."""

import pytest

from candgen.errors import SettingError
from candgen.workbench.plan import read_plan

FILES = ("films.yaml", "quick.yaml")


def test_these_are_all(root):
    assert tuple(sorted(path.name for path in (root / "params").glob("*"))) == FILES


@pytest.mark.parametrize("name", FILES)
def test_a_sweep_opens_with_its_question_and_has_its_rivals(root, tmp_path, name):
    file = root / "params" / name
    assert file.read_text().splitlines()[0].endswith("?")
    overrides = [f"data={tmp_path}"] if name == "films.yaml" else []
    plan = read_plan(file, overrides)
    assert plan.question.endswith("?") and plan.report["title"]
    generators = {run.parameters.get("generator") for run in plan.runs}
    assert {"random", "popularity"} <= generators


def test_the_films_must_be_named(root):
    with pytest.raises(SettingError, match="--set data=VALUE"):
        read_plan(root / "params" / "films.yaml")


def test_the_part_to_judge_on_can_be_changed_for_all_runs(root):
    plan = read_plan(root / "params" / "quick.yaml", ["evaluate_on=validation"])
    assert {run.parameters["evaluate_on"] for run in plan.runs} == {"validation"}
