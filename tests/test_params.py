"""Every sweep that comes with the project can be planned, and opens with its question."""

import re
from pathlib import Path

import pytest
import yaml

from candgen import evaluation, models
from candgen.datasets.preparation import prepare
from candgen.errors import SettingError
from candgen.sweeps.plan import read_plan

FILES = sorted((Path(__file__).parents[1] / "params").glob("*.yaml"))
OWN_DATA = ("data", "films", "gowalla", "log")  # settings that name files of the reader


@pytest.fixture
def own_data(tmp_path) -> dict[str, str]:
    """Values for settings that name data: plans look at the first rows."""
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,4.5,3\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n2,A (1999),Drama\n")
    (tmp_path / "events.csv").write_text("user,item\n1,2\n")
    (tmp_path / "log.csv").write_text("user,item,timestamp,propensity,clicked\n1,2,3,0.5,1\n")
    for name in ("train.txt", "test.txt"):
        (tmp_path / name).write_text("1 2\n")
    files = {"table": str(tmp_path / "events.csv"), "log": str(tmp_path / "log.csv")}
    return dict.fromkeys(OWN_DATA, str(tmp_path)) | files


@pytest.mark.parametrize("file", FILES, ids=[path.stem for path in FILES])
def test_a_sweep_opens_with_its_question_and_can_be_planned(file, own_data):
    text = file.read_text()
    assert text.splitlines()[0].endswith("?")
    named = [name for name in OWN_DATA if f"\n  {name}:" in text.partition("datasets:")[0]]
    own = own_data | ({"data": own_data["table"]} if file.stem == "table" else {})
    plan = read_plan(file, [f"{name}={own[name]}" for name in named])
    assert plan.question.endswith("?") and plan.report["title"]
    assert plan.runs


@pytest.mark.parametrize("name", ["quick", "films", "table"])
def test_the_baselines_are_runs_of_their_own_where_people_begin(root, own_data, name):
    data = own_data["table" if name == "table" else "data"]
    overrides = [] if name == "quick" else [f"data={data}"]
    plan = read_plan(root / "params" / f"{name}.yaml", overrides)
    generators = {run.parameters.get("generator") for run in plan.runs}
    assert {"random", "popularity"} <= generators


def test_the_course_is_reproduced_on_its_own_films_with_its_own_report(root, own_data):
    plan = read_plan(root / "params" / "course.yaml", [f"films={own_data['films']}"])
    assert plan.report["notebook"] == "notebooks/91_reproduced_numbers.ipynb"
    films = {run.name: run.parameters.get("films") for run in plan.runs}
    assert films["content-based"] == films["learning-ratings"] == own_data["films"]


def test_the_films_must_be_named(root):
    with pytest.raises(SettingError, match="--set data=VALUE"):
        read_plan(root / "params" / "films.yaml")


def test_the_part_to_judge_on_can_be_changed_for_all_runs(root):
    plan = read_plan(root / "params" / "quick.yaml", ["evaluate_on=validation"])
    assert {run.parameters["evaluate_on"] for run in plan.runs} == {"validation"}


ADMITS = {  # what a comment of a params file admits -> the disclosure that its report must print
    r"test (gave|was evaluated|influenced)": ("test_reuse", "selection_on_test"),
    r"as similar to each other as those of test": ("selection_on_test",),
    r"(chosen|selected) on test": ("selection_on_test",),
    r"more trials for|single runs|best of\s+\d+ settings|for recall@20, for each": (
        "unequal_tuning",
    ),
    r"settings? (is|are) those of quick|with its settings": ("other",),
}


@pytest.mark.parametrize("file", FILES, ids=[path.stem for path in FILES])
def test_what_a_comment_admits_about_test_and_tuning_is_disclosed_in_the_report(file):
    text = file.read_text()
    comments = " ".join(line.strip("# ") for line in text.splitlines() if line.startswith("#"))
    report = yaml.safe_load(text).get("report", {})
    for words, kinds in ADMITS.items():
        if re.search(words, comments, re.IGNORECASE):
            assert set(kinds) & set(report.get("disclosures", {})), (words, kinds)


def test_gowalla_discloses_that_test_was_read_before_and_labels_what_test_helped_to_choose(root):
    text = (root / "params/gowalla.yaml").read_text()
    told = yaml.safe_load(text)["report"]["disclosures"]
    assert {"test_reuse", "selection_on_test"} == set(told)
    assert ".1714" in told["test_reuse"] and ".1838" in told["test_reuse"]
    honest, _, shaped = text.partition("# Figures that test helped to choose")
    assert ".1714" in honest and ".1838" not in honest
    assert ".1838" in shaped.partition("question:")[0]


def test_gowalla_is_searched_on_a_random_part_of_training(root):
    values = yaml.safe_load((root / "params/gowalla.yaml").read_text())
    (dataset,) = values["datasets"].values()
    assert {"validation_clustering", "validation_popularity"}.isdisjoint(dataset)
    assert dataset["validation_fraction"] == 0.1
    tuned = {name for name, run in values["runs"].items() if "search" in run}
    assert tuned == values["runs"].keys() - {"popularity", "svd"}


def test_every_sweep_on_a_validation_shaped_by_test_says_so(root):
    values = {file.stem: yaml.safe_load(file.read_text()) for file in FILES}
    shaped = {
        name
        for name, held in values.items()
        for dataset in (held.get("datasets") or {}).values()
        if "validation_clustering" in dataset
    }
    assert shaped == {"retrieval"}
    for name in shaped:
        assert "selection_on_test" in values[name]["report"]["disclosures"]


SEARCHED = [file for file in FILES if "    search:" in file.read_text()]


def test_what_had_a_sweep_for_choosing_settings_searches_them_itself():
    assert {file.stem for file in SEARCHED} >= {
        "towers", "movielens", "negatives", "sequences", "softmax_network", "deep_factorization",
        "gowalla",
    }  # fmt: skip
    assert not [file for file in FILES if file.stem.endswith("_validation")]


@pytest.mark.parametrize("file", SEARCHED, ids=[path.stem for path in SEARCHED])
def test_a_sweep_with_searches_states_their_budget_and_earlier_readings_of_test(file):
    values = yaml.safe_load(file.read_text())
    assert {"trials", "minutes"} <= values["budget"].keys()
    assert "test_reuse" in values["report"]["disclosures"]


@pytest.mark.parametrize("file", SEARCHED, ids=[path.stem for path in SEARCHED])
def test_a_searched_run_is_judged_on_test(file, own_data):
    text = file.read_text()
    named = [name for name in OWN_DATA if f"\n  {name}:" in text.partition("datasets:")[0]]
    plan = read_plan(file, [f"{name}={own_data[name]}" for name in named])
    assert plan.searches
    for search in plan.searches:
        assert {run.parameters.get("evaluate_on", "test") for run in search.finals} == {"test"}


def test_every_run_of_the_large_sweep_needs_less_than_eight_gibibytes(root):
    plan = read_plan(root / "params" / "large.yaml")
    data = plan.datasets[0].parameters
    sizes = data["n_users"], data["n_items"], int(data["n_users"] * data["events_per_user"])
    assert sizes == (160_000, 60_000, 25_000_000)
    for run in plan.runs:
        known = {name: p.default for name, p in run.notebook.parameters.items()} | run.parameters
        model = models.from_parameters(known["generator"], known, known["settings"])
        assert model.memory_needed(*sizes) < 7 * 2**30, run.name


def test_a_small_size_of_the_large_sweep_can_be_prepared_learned_and_judged(root, tmp_path):
    small = {"n_users": 200, "n_items": 250, "events_per_user": 20.0}
    plan = read_plan(
        root / "params" / "large.yaml", [f"datasets.crowd.{k}={v}" for k, v in small.items()]
    )
    settings = {k: v for k, v in plan.datasets[0].parameters.items() if k != "run_folder"}
    data = prepare(tmp_path / "crowd", **settings)
    assert data.n_users == 200 and data.info["split"]["policy"] == "leave_last_out"
    recalls = {}
    for run in plan.runs:
        known = {name: p.default for name, p in run.notebook.parameters.items()} | run.parameters
        if known["generator"] in ("popularity", "RecentPopularity", "ItemKNN", "WALS"):
            model = models.from_parameters(known["generator"], known, known["settings"]).fit(data)
            recalls[run.name] = evaluation.judge(model, data, k=20).mean("recall@20")
    assert len(recalls) == 6 and min(recalls.values()) > 0
