"""A sweep's YAML becomes stages, and whatever is wrong with it is named beforehand."""

import pytest

from candgen.errors import SettingError
from candgen.sweeps.plan import read_plan

HEAD = """\
question: Which one finds more?
notebook: notebooks/15_train.ipynb
datasets:
  world: {n_users: 30}
"""


@pytest.fixture
def plan(write_sweep):
    def read(text, *overrides):
        return read_plan(write_sweep(text), overrides)

    return read


def names(found):
    return [stage.name for stage in found.runs]


def test_defaults_reach_every_run_and_an_entry_says_what_differs(plan):
    found = plan(HEAD + "defaults: {k: 50, dim: 4}\nruns:\n  a: {dim: 16}\n  b: {}\n")
    a, b = found.runs
    assert (a.parameters["k"], a.parameters["dim"], a.differs) == (50, 16, {"dim": 16})
    assert (b.parameters["k"], b.parameters["dim"], b.differs) == (50, 4, {})


def test_a_default_reaches_only_the_notebooks_that_take_it(plan):
    text = HEAD + "defaults: {dim: 4}\nruns:\n  a: {}\n  toy: {notebook: notebooks/20_toy.ipynb}\n"
    a, toy = plan(text).runs
    assert a.written == {"dim": 4} and toy.written == {} and toy.dataset is None


def test_runs_leave_exploring_cells_out_unless_the_sweep_or_the_run_asks_for_them(plan):
    runs = "runs:\n  a: {explore: true}\n  b: {}\n  c: {explore: false}\n"
    assert [run.explore for run in plan(HEAD + runs).runs] == [True, False, False]
    assert [run.explore for run in plan(HEAD + "explore: true\n" + runs).runs] == [
        True,
        True,
        False,
    ]
    assert [run.explore for run in plan(HEAD + runs, "explore=true").runs] == [True, True, False]
    with pytest.raises(
        SettingError, match=r"runs\.a\.explore: expected true or false, got 'maybe'"
    ):
        plan(HEAD + "runs:\n  a: {explore: maybe}\n")


def test_retries_are_of_the_sweep_or_a_run_a_number_for_deaths_or_one_for_each(plan):
    def read(text, *overrides):
        found = plan(HEAD + text, *overrides)
        return [(s.retries.deaths, s.retries.errors) for s in found.stages]

    runs = "runs:\n  a: {retries: 3}\n  b: {}\n  c: {retries: {errors: 2}}\n"
    assert read(runs) == [(1, 0), (3, 0), (1, 0), (1, 2)]
    assert read("retries: 0\n" + runs) == [(0, 0), (3, 0), (0, 0), (1, 2)]
    assert read(runs, "retries=2") == [(2, 0), (3, 0), (2, 0), (1, 2)]
    found = plan(HEAD + runs).with_retries(5).stages
    assert [(s.retries.deaths, s.retries.errors) for s in found] == [(5, 0)] * 3 + [(5, 2)]
    for wrong in ("-1", "11", "true", "1.5", "often", "{death: 1}", "{errors: -1}", "[1]"):
        with pytest.raises(SettingError, match=r"retries: expected a whole number from 0 to 10"):
            plan(HEAD + f"runs:\n  a: {{retries: {wrong}}}\n")


def test_a_grid_is_every_combination_with_names_that_say_which(plan):
    text = (
        HEAD
        + "  films: {n_users: 5}\nruns:\n  w: {grid: {dim: [2, 16], dataset: [world, films]}}\n"
    )
    found = plan(text)
    assert names(found) == ["w-dim2-world", "w-dim2-films", "w-dim16-world", "w-dim16-films"]
    assert found.runs[1].differs == {"dim": 2, "dataset": "films"}
    assert found.runs[1].needs == "films"
    assert found.runs[1].parameters["dataset"] == str(found.folder / "datasets" / "films")


def test_seeds_repeat_the_runs_that_take_one_and_chose_none(plan):
    runs = "runs:\n  a: {}\n  b: {seed: 7}\n  toy: {notebook: notebooks/20_toy.ipynb}\n"
    found = plan(HEAD + "seeds: [1, 2]\n" + runs)
    assert names(found) == ["a-seed1", "a-seed2", "b", "toy"]
    assert [run.parameters.get("seed") for run in found.runs] == [1, 2, 7, None]


def test_settings_fill_whole_values_with_their_type_and_parts_as_text(plan):
    text = (
        HEAD
        + "settings: {size: 3, who: pop}\n"
        + "runs:\n  a: {dim: '${size}', generator: '${who}-${size}'}\n"
    )
    (a,) = plan(text).runs
    assert a.differs == {"dim": 3, "generator": "pop-3"}


def test_an_empty_setting_must_be_given(plan):
    text = HEAD + "settings: {size: null}\nruns:\n  a: {dim: '${size}'}\n"
    with pytest.raises(SettingError, match=r"line 5, settings.size.*--set size=VALUE"):
        plan(text)
    assert plan(text, "size=5").runs[0].differs == {"dim": 5}


def test_set_reaches_settings_then_parameters_then_dotted_keys(plan):
    text = HEAD + "settings: {k: 1}\nruns:\n  a: {k: '${k}'}\n  b: {}\n"
    found = plan(text, "k=9", "dim=3", "datasets.world.n_users=77", "runs.b.rate=1e-3", "minutes=2")
    a, b = found.runs
    assert a.parameters["k"] == 9 and "k" not in b.parameters
    assert a.parameters["dim"] == b.parameters["dim"] == 3
    assert b.parameters["rate"] == 0.001
    assert found.datasets[0].parameters["n_users"] == 77 and a.minutes == 2


def test_paths_count_from_the_root_in_the_file_and_from_the_caller_in_set(
    project, write_sweep, monkeypatch
):
    elsewhere = project.parent / "elsewhere"
    elsewhere.mkdir()
    for folder in (project, elsewhere):
        (folder / "events.csv").write_text(folder.name)
    file = write_sweep(HEAD.replace("{n_users: 30}", "{path: events.csv}") + "runs:\n  a: {}\n")
    monkeypatch.chdir(elsewhere)
    assert read_plan(file).datasets[0].parameters["path"] == str(project / "events.csv")
    found = read_plan(file, ["datasets.world.path=events.csv"]).datasets[0]
    assert found.parameters["path"] == str(elsewhere / "events.csv")
    assert type(found.parameters["path"]) is str


def test_a_path_in_a_setting_counts_from_the_caller_too(project, write_sweep, monkeypatch):
    (project.parent / "my films #1").mkdir()
    file = write_sweep(
        HEAD.replace("{n_users: 30}", "{path: '${data}'}")
        + "settings: {data: null}\nruns:\n  a: {}\n"
    )
    monkeypatch.chdir(project.parent)
    (world,) = read_plan(file, ["data=my films #1"]).datasets
    assert world.parameters["path"] == str(project.parent / "my films #1")


def test_a_path_that_begins_with_the_callers_setting_counts_from_the_caller(
    project, write_sweep, monkeypatch
):
    (project.parent / "films").mkdir()
    (project.parent / "films" / "ratings.csv").touch()
    asked = HEAD.replace("{n_users: 30}", "{path: '${data}/ratings.csv'}")
    file = write_sweep(asked + "settings: {data: null}\nruns:\n  a: {}\n")
    monkeypatch.chdir(project.parent)
    (world,) = read_plan(file, ["data=films"]).datasets
    assert world.parameters["path"] == str(project.parent / "films" / "ratings.csv")


def test_a_dataset_prepared_earlier_is_found_by_name(project, plan):
    folder = project / "outputs" / "datasets" / "old"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text('{"digest": "x"}')
    (a,) = plan(HEAD + "runs:\n  a: {dataset: old}\n").runs
    assert a.parameters["dataset"] == str(folder) and a.needs is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runz: {}\n", r"line 5, runz: unknown key 'runz'. Did you mean 'runs'"),
        ("runs: {}\n", r"line 5, runs: a sweep needs at least one run"),
        ("runs:\n  a: {dims: 3}\n", r"line 6, runs.a.dims: neither a parameter.*mean 'dim'"),
        ("runs:\n  a: {girds: {dim: [1]}}\n", r"line 6, runs.a.girds: .*Did you mean 'grid'"),
        ("runs:\n  a: {dim: 2.5}\n", r"line 6, runs.a.dim: dim must be a whole number, got 2.5"),
        ("runs:\n  a:\n    grid: {dim: [2, x]}\n", r"line 7, runs.a.grid.dim: .*got 'x'"),
        ("runs:\n  a: {grid: {dim: 3}}\n", r"expected a list of values, got 3"),
        ("runs:\n  a: {dim: 2, grid: {dim: [3]}}\n", r"'dim' is also given beside the grid"),
        ("runs:\n  a: {dataset: films}\n", r"no dataset 'films': neither .*: world. Add it"),
        ("runs:\n  a: {dataset: wrld}\n", r"Did you mean 'world'"),
        ("runs:\n  a: {run_folder: x}\n", r"the sweep sets it"),
        ("runs:\n  a: {generator: no}\n", r"YAML reads yes, no"),
        ("runs:\n  a: {dim: 1}\n  a: {dim: 2}\n", r"line 7: runs.a occurs twice.*line 6"),
        ("runs:\n  a: {dim: 1}\n  A: {dim: 2}\n", r"would share the folder 'A'"),
        ("runs:\n  ../a: {}\n", r"the name of a run becomes a folder.*got '../a'"),
        ("runs:\n  report: {}\n", r"'report' is taken"),
        ("runs:\n  1: {}\n", r"line 6: a key must be text, got '1'"),
        ("runs:\n  a: 3\n", r"expected `name: value` pairs, got 3"),
        ("runs:\n  a: {notebook: notebooks/15_trian.ipynb}\n", r"No notebook .*15_train.ipynb"),
        ("runs:\n  a: {dim: '${size}'}\n", r"no setting 'size'"),
        ("runs:\n  a: {}\ndefaults: {dmi: 1}\n", r"line 7, defaults.dmi: .*Did you mean 'dim'"),
        ("runs:\n  a: {}\ndefaults: &d {dim: 1}\n", r"line 7: anchors and aliases"),
        ("runs:\n  a: {}\nseeds: 3\n", r"line 7, seeds: expected a list"),
        ("runs:\n  a: {}\nminutes: 0\n", r"expected minutes above 0"),
        ("runs:\n  a: {}\nreport: {metric: recall}\n", r"such as recall@20, got 'recall'"),
        ("runs:\n  a: {}\nreport: {margin: -1}\n", r"0 or more"),
        ("runs:\n  a: {}\nreport: {titel: x}\n", r"Did you mean 'title'"),
        (
            "runs:\n  a: {}\nreport: {disclosures: {test_resue: x}}\n",
            r"line \d, report.disclosures.test_resue: unknown .* Did you mean 'test_reuse'",
        ),
        ("runs:\n  a: {}\nreport: {disclosures: {test_reuse: true}}\n", r"a sentence .* True"),
        ("runs:\n  a: {}\nreport: {disclosures: {test_reuse: ' '}}\n", r"expected a sentence"),
        ("runs:\n  a: {}\nreport: {disclosures: [test]}\n", r"expected `name: value` pairs"),
        ("runs:\n  a: {}\nreport: {notebook: 3}\n", r"report.notebook: expected the path of"),
        ("runs:\n  a: {}\nreport: {notebook: notebooks/91.ipynb}\n", r"report.notebook: No note"),
        (
            "runs:\n  a: {}\nreport: {notebook: notebooks/20_toy.ipynb}\n",
            r"makes no report: it lacks the parameters \['sweep'\]",
        ),
        ("runs: [a\n", r"line \d: not valid YAML"),
        ("runs:\n  a: !!python/object/apply:os.system [ls]\n", r"not valid YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(plan, text, message):
    with pytest.raises(SettingError, match=message):
        plan(HEAD + text)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("dims=3", r"--set dims: neither a setting of asked.yaml.*Did you mean 'dim'"),
        ("dim", r"Expected key=value, got 'dim'"),
        ("runs.a.dims=3", r"Did you mean 'dim'"),
        ("datasets.world.path=nowhere", r"no file or folder 'nowhere' .looked for .*nowhere"),
        ("question.x=1", r"question: holds 'Which one finds more\?'"),
    ],
)
def test_a_wrong_set_is_named(plan, override, message):
    with pytest.raises(SettingError, match=message):
        plan(HEAD + "runs:\n  a: {}\n", override)


def test_a_page_that_cannot_be_read_is_named_with_the_entry(project, plan):
    (project / "notebooks" / "20_toy.ipynb").write_text("{}")
    with pytest.raises(SettingError, match=r"runs.t.notebook: .*20_toy.ipynb is not a notebook"):
        plan(HEAD + "runs:\n  t: {notebook: notebooks/20_toy.ipynb}\n")


def test_a_missing_file_gets_a_suggestion(write_sweep):
    file = write_sweep(HEAD + "runs:\n  a: {}\n")
    with pytest.raises(SettingError, match=r"No sweep file .*Did you mean .*asked.yaml"):
        read_plan(file.with_name("askd.yaml"))


@pytest.mark.parametrize("text", ["", "3", "- a\n- b\n"])
def test_a_file_without_names_at_the_top_is_refused(write_sweep, text):
    with pytest.raises(SettingError, match="at the top"):
        read_plan(write_sweep(text))


def test_reading_a_plan_writes_nothing(project, plan):
    plan(HEAD + "runs:\n  a: {}\n")
    assert list((project / "outputs").iterdir()) == []


def test_datasets_may_travel_over_a_storage_that_the_sweep_names(plan):
    runs = HEAD + "runs:\n  a: {}\n"
    assert plan(runs).datasets_at is None
    assert plan("datasets_at: s3://bucket/folder\n" + runs).datasets_at == "s3://bucket/folder"
    for wrong in ("bucket/folder", "3", "[s3://a]"):
        with pytest.raises(SettingError, match=r"datasets_at: expected a URL such as s3://"):
            plan(f"datasets_at: {wrong}\n" + runs)


def test_an_unknown_dataset_parameter_is_refused(plan):
    with pytest.raises(SettingError, match=r"datasets.world.n_user: .*Did you mean 'n_users'"):
        plan(HEAD.replace("n_users", "n_user") + "runs:\n  a: {}\n")


def test_a_report_has_its_own_page_or_the_comparison(project, plan, write_notebook):
    write_notebook("91_figures", 'sweep: str = ""\nrun_folder: str = ""\n')
    text = HEAD + "runs:\n  a: {}\n"
    assert plan(text).report["notebook"] == "notebooks/90_compare_runs.ipynb"
    found = plan(text + "report: {notebook: notebooks/91_figures.ipynb}\n")
    assert found.report["notebook"] == "notebooks/91_figures.ipynb"


def test_a_folder_of_films_is_a_path(project, plan, write_notebook, monkeypatch):
    write_notebook("41_films", 'films: str = ""\nrun_folder: str = ""\n')
    (project.parent / "ml").mkdir()
    monkeypatch.chdir(project.parent)
    text = HEAD + "runs:\n  a: {notebook: notebooks/41_films.ipynb}\n"
    assert plan(text, "films=ml").runs[0].parameters["films"] == str(project.parent / "ml")
    with pytest.raises(SettingError, match="no file or folder 'mll'"):
        plan(text, "films=mll")


def test_a_dataset_cannot_be_renamed(plan):
    with pytest.raises(SettingError, match="called after its key"):
        plan(HEAD.replace("n_users: 30", "name: other") + "runs:\n  a: {}\n")


def test_a_folder_that_is_no_utf_8_is_refused_before_anything_starts(project, write_sweep):
    from candgen.sweeps import single_run

    page = single_run.find_notebook("15_train")
    with pytest.raises(SettingError, match=r"run x, folder: .* is not UTF-8 text"):
        single_run.stage("run", "x", page, {}, project / "outputs" / "caf\udce9", 1)
    with pytest.raises(SettingError, match=r"run x, dataset: .* is not UTF-8 text"):
        single_run.stage("run", "x", page, {"dataset": "caf\udce9"}, project / "x", 1)


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ("runs:\n  a: {generator: 007}\n", []),
        ("defaults: {generator: 007}\nruns:\n  a: {}\n", []),
        ("runs:\n  a: {grid: {generator: [x, 007]}}\n", []),
        ("settings: {which: 007}\nruns:\n  a: {generator: '${which}'}\n", []),
        ("runs:\n  a: {}\n", ["generator=007"]),
        ("settings: {which: 8}\nruns:\n  a: {generator: '${which}'}\n", ["which=007"]),
        ("runs:\n  a: {generator: 8}\n", ["runs.a.generator= 007 "]),
        ("runs:\n  a: {generator: [8]}\n", ["runs.a.generator=007"]),
    ],
)
def test_a_hint_quotes_what_was_typed_wherever_it_stands(plan, text, overrides):
    with pytest.raises(SettingError, match=r"must be text, got 7\. Put quotes around it: '007'\."):
        plan(HEAD + text, *overrides)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("\t", "\t"),
        (" ", " "),
        (" \t ", " \t "),
        ("'\t'", "\t"),
        ('"\t"', "\t"),
        (r'"\t"', "\t"),
        ("' '", " "),
        (r"\t", r"\t"),  # two characters; what they mean is up to the setting
        (" tab ", "tab"),
        ("2024-02-30", "2024-02-30"),
        ("[[", "[["),
        ("*new*", "*new*"),
        ("&co", "&co"),
    ],
)
def test_white_space_is_a_value_on_the_command_line(plan, typed, meant):
    (stage,) = plan(HEAD + "runs:\n  a: {}\n", f"generator={typed}").runs
    assert stage.parameters["generator"] == meant
    assert type(stage.parameters["generator"]) is str


def test_what_yaml_cannot_make_of_a_value_is_named_with_its_line(plan):
    with pytest.raises(SettingError, match=r"line 6: '2024-02-30' is no valid value .*quotes"):
        plan(HEAD + "runs:\n  a: {generator: 2024-02-30}\n")
    with pytest.raises(SettingError, match="nested too deep"):
        plan(HEAD + "runs:\n  a: {generator: " + "[" * 2000 + "]" * 2000 + "}\n")


def test_a_plan_opens_the_tables_of_its_datasets_and_names_the_option(root, project, write_sweep):
    from candgen.sweeps import single_run

    page = "notebooks/10_prepare_data.ipynb"
    (project / page).write_text((root / page).read_text())
    (project / "events.csv").write_text("userId,item no\n1,2\n")
    text = (
        "notebook: notebooks/15_train.ipynb\n"
        "datasets:\n  mine: {source: table, path: events.csv}\n"
        "runs:\n  a: {dataset: mine}\n"
    )
    with pytest.raises(SettingError) as caught:
        read_plan(write_sweep(text))
    assert "asked.yaml, line 3, datasets.mine: " in str(caught.value)
    advice = "Change it with `--set datasets.mine.user_column=userId`."
    assert str(caught.value).endswith(advice)
    with pytest.raises(SettingError) as caught:
        read_plan(write_sweep(text), [advice.split("`")[1].removeprefix("--set ")])
    assert "--set 'datasets.mine.item_column=item no'`." in str(caught.value)
    set_right = ["datasets.mine.user_column=userId", "datasets.mine.item_column=item no"]
    assert len(read_plan(write_sweep(text), set_right).datasets) == 1
    notebook = single_run.find_notebook("10_prepare_data")
    given = single_run.given(notebook, ["source=table", "path=events.csv"])
    with pytest.raises(SettingError, match=r"mine: .*Change it with `-p user_column=userId`"):
        single_run.stage("dataset", "mine", notebook, given, project / "x", 1)
