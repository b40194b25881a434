"""Settings of a generator are written flat, checked before a run starts, and reach its notebook."""

import json
import shutil

import pytest

from candgen import models
from candgen.errors import SettingError
from candgen.sweeps import single_run
from candgen.sweeps.notebook_parameters import read_notebook
from candgen.sweeps.plan import read_plan

FIT = """\
dataset: str = "world"
generator: str = "Line"
dim: int = 8  # length of a vector
k: int = 100
settings: dict = {}  # further settings of the generator
seed: int = 0
run_folder: str = ""
"""
HEAD = "notebook: notebooks/30_fit.ipynb\ndatasets:\n  world: {n_users: 30}\n"


class Line:
    def __init__(self, dim=8, slope=0.5, seed=0):
        if not 1 <= dim <= 64:
            raise SettingError(f"dim must be at most 64, got {dim}.")
        if not isinstance(slope, float) or slope <= 0:
            raise SettingError(f"slope must be greater than 0, got {slope!r}.")

    @classmethod
    def setting_names(cls):
        return ["dim", "slope", "seed"]


class Wave(Line):
    def __init__(self, dim=8, waves=(2,), seed=0):
        super().__init__(dim)

    @classmethod
    def setting_names(cls):
        return ["dim", "waves", "seed"]


@pytest.fixture
def page(write_notebook, monkeypatch):
    def by_name(name):
        if name not in ("Line", "Wave"):
            raise SettingError(f"There is no generator {name!r}.")
        return {"Line": Line, "Wave": Wave}[name]

    monkeypatch.setattr(models, "by_name", by_name)
    return read_notebook(write_notebook("30_fit", FIT))


@pytest.fixture
def plan(write_sweep, page):
    def read(text, *overrides):
        return read_plan(write_sweep(HEAD + text), overrides)

    return read


def given(run):
    """The parameters of a run without its dataset's folder."""
    return {key: value for key, value in run.parameters.items() if key != "dataset"}


def test_a_setting_that_the_notebook_does_not_list_reaches_it_in_settings(plan):
    (run,) = plan("runs:\n  a: {dim: 16, slope: 0.25}\n").runs
    assert given(run) == {"dim": 16, "settings": {"slope": 0.25}}
    assert run.written == run.differs == {"dim": 16, "slope": 0.25}


def test_a_run_without_further_settings_leaves_the_parameter_alone(plan):
    (run,) = plan("runs:\n  a: {dim: 16}\n").runs
    assert given(run) == {"dim": 16}


def test_a_default_reaches_the_runs_whose_generator_has_the_setting(plan):
    text = "defaults: {slope: 1e-3, waves: [1e2]}\nruns:\n  a: {}\n  b: {generator: Wave}\n"
    a, b = plan(text).runs
    assert given(a) == {"settings": {"slope": 0.001}}
    assert given(b) == {"generator": "Wave", "settings": {"waves": [100.0]}}


def test_a_grid_may_vary_the_generator_and_any_setting(plan):
    found = plan("runs:\n  a: {grid: {generator: [Line, Wave], dim: [2, 4]}}\n").runs
    assert [run.name for run in found] == [
        "a-Line-dim2", "a-Line-dim4", "a-Wave-dim2", "a-Wave-dim4",
    ]  # fmt: skip
    found = plan("runs:\n  a: {grid: {slope: [0.5, 1.5]}}\n").runs
    assert [run.parameters["settings"] for run in found] == [{"slope": 0.5}, {"slope": 1.5}]


def test_a_setting_can_be_set_from_the_command_line(plan):
    (run,) = plan("runs:\n  a: {}\n", "slope=0.75").runs
    assert given(run) == {"settings": {"slope": 0.75}}


def test_settings_of_the_cell_are_kept_beside_the_written_ones(plan, write_notebook):
    write_notebook("30_fit", FIT.replace("settings: dict = {}", 'settings: dict = {"slope": 0.1}'))
    text = "runs:\n  a: {generator: Line, dim: 4}\n  b: {slope: 0.2}\n"
    a, b = plan(text).runs
    assert given(a) == {"generator": "Line", "dim": 4}
    assert given(b) == {"settings": {"slope": 0.2}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "runs:\n  a: {slop: 0.5}\n",
            r"line 5, runs.a.slop: neither a parameter of 30_fit.ipynb, nor a setting of Line, nor "
            r"one of notebook, grid, search, minutes, explore, retries. Did you mean 'slope'\?",
        ),
        ("runs:\n  a: {waves: [1]}\n", r"runs.a.waves: neither .* nor a setting of Line"),
        ("runs:\n  a: {slope: steep}\n", r"line 5, runs.a: slope must be .*, got 'steep'"),
        ("runs:\n  a: {dim: 65}\n", r"line 5, runs.a: dim must be at most 64, got 65"),
        ("runs:\n  a: {grid: {slope: [0.5, -1.0]}}\n", r"runs.a: slope must be .*, got -1.0"),
        (
            "runs:\n  a: {slope: 0.5, grid: {generator: [Line, Wave]}}\n",
            r"runs.a.slope: 'slope' is neither a parameter of 30_fit.ipynb nor a setting of Wave",
        ),
        ("runs:\n  a: {generator: Lien}\n", r"runs.a.generator: There is no generator 'Lien'"),
        ("runs:\n  a: {generator: no}\n", r"runs.a.generator: .*YAML reads yes, no"),
        ("runs:\n  a: {settings: {slope: 1.0}}\n", r"runs.a.settings: Write each .* Line flat"),
        ("defaults: {waves: [1]}\nruns:\n  a: {}\n", r"defaults.waves: no notebook or generator"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_starts(plan, text, message):
    with pytest.raises(SettingError, match=message):
        plan(text)


def test_a_wrong_set_gets_a_suggestion_among_settings(plan):
    with pytest.raises(SettingError, match=r"--set slop: .*Did you mean 'slope'"):
        plan("runs:\n  a: {}\n", "slop=0.5")


def test_one_notebook_takes_flat_settings_from_the_command_line(page, tmp_path):
    values = single_run.given(page, ["dim=4", "slope=5e-1"])
    made = single_run.stage("run", "a", page, values, tmp_path, 1.0)
    assert made.parameters == {"dim": 4, "settings": {"slope": 0.5}}
    assert made.written == {"dim": 4, "slope": 0.5}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["slop=1"], r"'slop' is neither .* nor a setting of Line. Did you mean 'slope'"),
        (["generator=Wave", "slope=0.5"], "nor a setting of Wave"),
        (["slope=0"], "slope must be greater than 0, got 0"),
        (["dim=100"], "dim must be at most 64, got 100"),
        (["generator=Lime"], "no generator 'Lime'"),
    ],
)
def test_one_notebook_is_not_started_with_a_wrong_setting(page, tmp_path, texts, message):
    with pytest.raises(SettingError, match=message):
        single_run.stage("run", "a", page, single_run.given(page, texts), tmp_path, 1.0)


def test_a_notebook_for_all_generators_takes_its_own_parameters_alone(write_notebook, plan):
    write_notebook("30_fit", FIT.replace('"Line"', '"all"'))
    (run,) = plan("runs:\n  a: {dim: 100}\n").runs
    assert given(run) == {"dim": 100}
    with pytest.raises(SettingError, match=r"neither a parameter of 30_fit\.ipynb nor one of"):
        plan("runs:\n  a: {slope: 0.5}\n")
    with pytest.raises(SettingError, match="settings are those of one generator"):
        plan("runs:\n  a: {settings: {slope: 0.5}}\n")


@pytest.fixture
def factorization(project, root):
    """The notebook of factorizations, with a parameter for further settings."""
    made = project / "notebooks" / "40_matrix_factorization.ipynb"
    shutil.copy(root / "notebooks" / made.name, made)
    if "settings" not in read_notebook(made).parameters:
        notebook = json.loads(made.read_text())
        (cell,) = [c for c in notebook["cells"] if c["metadata"].get("tags") == ["parameters"]]
        cell["source"] = "".join(cell["source"]) + "\nsettings: dict = {}\n"
        made.write_text(json.dumps(notebook))
    return read_notebook(made)


def test_real_generators_check_their_settings_before_their_notebook_runs(factorization, tmp_path):
    def stage(*texts):
        values = single_run.given(factorization, texts)
        return single_run.stage("run", "a", factorization, values, tmp_path, 1.0)

    made = stage("generator=WALS", "dim=16", "frequency_power=0.5", "regularization=0.01")
    flat = {**made.parameters, **made.parameters.get("settings", {})}
    assert (flat["dim"], flat["frequency_power"], flat["regularization"]) == (16, 0.5, 0.01)
    for wrong, message in {
        "dimm=8": "Did you mean 'dim'",
        "dim=0": "dim must be 1 or greater, got 0",
        "regularization=-1": "regularization must be 0 or greater, got -1",
        "neighbours=5": "nor a setting of WALS",
    }.items():
        with pytest.raises(SettingError, match=message):
            stage("generator=WALS", wrong)
