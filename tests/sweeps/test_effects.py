"""A grid varies only what can change the results that a notebook records."""

import json

import pytest

from candgen.errors import SettingError
from candgen.sweeps import effects, flat_settings
from candgen.sweeps.notebook_parameters import read_notebook
from candgen.sweeps.plan import read_plan

PARAMETERS = "a: int = 1\nb: int = 2\nc: int = 3\nrun_folder: str = ''"


@pytest.fixture
def found(write_notebook):
    """The parameters among a, b and c that change what a page of these lines records."""

    def found(*lines, record="run.record(found)"):
        page = read_notebook(write_notebook("page", PARAMETERS, "\n".join(lines), record))
        return "".join(sorted(effects.effective(page, None) - {"run_folder"}))

    return found


@pytest.mark.parametrize(
    ("lines", "reached"),
    [
        (["found = fit(a)"], "a"),
        (["model = fit(a)", "found = judge(model, k=b)"], "ab"),
        (["judging = {'k': b}", "found = judge(fit(a), **judging)"], "ab"),
        (["shown = fit(a)", "run.figure(shown, 'x')", "found = fit(b)"], "b"),
        (["found = fit(a)", "found = fit(b)"], "b"),
        (["found = fit(a)", "if c:", "    found = fit(b)"], "abc"),
        (["for x in a:", "    found = fit(x)"], "a"),
        (["for _ in range(2):", "    found = x if first else y", "    y = fit(a)"], "a"),
        (["with opened(a) as x:", "    found = x"], "a"),
        (["try:", "    found = fit(a)", "except E:", "    found = fit(b)"], "ab"),
        (["found = []", "found.append(fit(a))"], "a"),
        (["found = {}", "found['x'] = fit(a)"], "a"),
        (["found = O()", "found.x = a", "found.y += b"], "ab"),
        (["found = fit()", "shuffle(found, a)"], "a"),
        (["found = fit()", "run.say('{x}', found, x=a)", "display(found, b)"], ""),
        (["def f(x):", "    return x + a", "found = f(1)"], "a"),
        (["found = [fit(x) for x in range(a)]"], "a"),
        (["x, y = fit(a), fit(b)", "found = y"], "ab"),
        (["found = fit(z := a)"], "a"),
        (["found = fit(run.parameters)"], "abc"),
        (["found = eval('a')"], "abc"),
        (["while fit(a):", "    found = 1"], "a"),
        (["match a:", "    case 1:", "        found = fit(b)"], "ab"),
    ],
)
def test_a_parameter_is_followed_to_what_is_recorded(found, lines, reached):
    assert found(*lines) == reached


def test_what_is_recorded_in_a_branch_depends_on_its_condition(found):
    assert found("found = fit(a)", record="if b:\n    run.record(found)") == "ab"
    assert found("found = fit(a)", record="run.record_reproduced([x for x in found])") == "a"
    assert found("found = fit(a)", record="write('metrics.json', found)") == "abc"


# What a sweep's grid over a notebook refuses, apart from `run_folder` and `headline`, which chooses
# what pictures show. Each is of a picture, of a further study that stands on the page, or of
# exploring cells.
NO_EFFECT = {
    "21_embedding_2d": {"dataset", "level", "penalty", "seed", "sweeps", "unknown_weight"},
    "40_matrix_factorization": {"batch_size", "learning_rate"},  # WALS has neither
    "41_learning_ratings": {  # the ratings of the person at the page are its own affair
        "films", "learning_rate", "min_ratings", "my_ratings_file", "reference_steps", "steps",
    },
    "52_sequences": {"last", "reach"},
    "60_two_tower": {"change_inputs", "ids_alone", "known_events", "starts"},
    "70_negative_sampling": {"collapse_epochs", "sampled_zeros"},
    "71_exposure": {
        "bias_seeds", "exposure_biases", "loop", "rounds", "shown", "small_world",
    },
    "80_approximate_search": {"builds", "efforts", "keep", "margin", "most_queries", "target"},
    "82_filters": {
        "denied", "freshness", "index_kind", "index_settings", "invented_items",
        "invented_queries", "most_queries", "place", "shares", "since", "target", "wanted",
    },
    "83_search_at_scale": {
        "builds", "dims", "n_queries", "sigma", "sigmas", "sizes", "target", "varied_items",
    },
    "84_serving_queries": {"related_to", "tower_epochs"},
}  # fmt: skip


def test_every_parameter_of_every_notebook_has_an_effect_or_is_listed_here(root):
    for path in sorted((root / "notebooks").glob("[0-8]*.ipynb")):
        page = read_notebook(path)
        generator = flat_settings.generator_of(page, {})
        reached = effects.effective(page, generator)
        without = set(page.parameters) - reached - {"run_folder", "headline"}
        assert without == NO_EFFECT.get(path.stem, set()), path.stem


def test_a_generator_of_a_notebook_has_an_effect_by_its_own_settings_alone(root):
    page = read_notebook(root / "notebooks" / "15_baselines.ipynb")
    assert {"neighbours", "shrinkage"} <= effects.effective(page, "ItemKNN")
    assert not {"neighbours", "regularization", "dim"} & effects.effective(page, "popularity")
    assert {"k", "seed", "generator", "dataset"} <= effects.effective(page, "popularity")
    page = read_notebook(root / "notebooks" / "40_matrix_factorization.ipynb")
    assert "solver" in effects.effective(page, "WALS")


TRAIN = 'dataset: str = "world"\ndim: int = 8\nmost: int = 3\nk: int = 5\nrun_folder: str = ""'
GRID = "notebook: notebooks/40_page.ipynb\ndatasets:\n  world: {n_users: 30}\nruns:\n  a:\n"


def test_a_grid_without_effect_is_refused_with_its_line(write_notebook, write_sweep):
    write_notebook(
        "40_page", TRAIN, "run.figure(draw(most), 'x')\nrun.record(fit(dataset, dim, k))"
    )
    assert len(read_plan(write_sweep(GRID + "    grid: {dim: [1, 2], k: [3, 4]}\n")).runs) == 4
    assert len(read_plan(write_sweep(GRID + "    grid: {most: [1]}\n")).runs) == 1
    assert len(read_plan(write_sweep(GRID + "    most: 2\n")).runs) == 1
    with pytest.raises(SettingError) as caught:
        read_plan(write_sweep(GRID + "    grid: {dim: [1, 2], most: [1, 2]}\n"))
    assert "line 6, runs.a.grid.most: 'most' has no effect on the results" in str(caught.value)
    assert "give each value a run of its own" in str(caught.value)


def test_what_only_exploring_cells_record_is_said_so(write_notebook, write_sweep, project):
    page = write_notebook("40_page", TRAIN, "run.record(fit(dataset, dim))", "run.record(most)")
    content = json.loads(page.read_text())
    content["cells"][-1]["metadata"]["tags"] = ["explore"]
    page.write_text(json.dumps(content))
    with pytest.raises(SettingError, match="exploring cells record it: set `explore: true`"):
        read_plan(write_sweep(GRID + "    grid: {most: [1, 2]}\n"))
    both = GRID + "    explore: true\n    grid: {most: [1, 2]}\n"
    assert len(read_plan(write_sweep(both)).runs) == 2
