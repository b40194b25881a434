"""`candgen advise`: the first generators to try, from an invented finished sweep."""

import json

import pytest


@pytest.fixture
def project(sweep_builder, tmp_path, monkeypatch):
    """A project with a finished sweep and a prepared dataset of one's own."""
    for folder in ("notebooks", "params"):
        (tmp_path / folder).mkdir()
    sweep = tmp_path / "outputs" / "which_generator"
    data = sweep_builder.build_dataset(sweep / "datasets" / "world", n_users=60, n_items=80)
    for generator, skill in (("EASE", 1.8), ("ItemKNN", 0.9), ("RecentPopularity", 2.0)):
        at = sweep / generator
        sweep_builder.write_run(at, data, generator, skill, params={"generator": generator})
        held = json.loads((at / "metrics.json").read_text())
        for row in held["generators"]:
            row["settings"] = {}
        (at / "metrics.json").write_text(json.dumps(held))
    sweep_builder.write_sweep(sweep, {name: {} for name in ("EASE", "ItemKNN", "RecentPopularity")})
    sweep_builder.build_dataset(tmp_path / "outputs/datasets/mine", name="mine", n_users=50, seed=4)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_three_generators_are_named_with_memory_seconds_and_why(candgen, project):
    code, out, err = candgen("advise", "mine")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and rows[0] == ["generator", "expected", "memory", "seconds", "why"]
    assert len(rows) == 4 and rows[1][0] == "EASE"
    assert "of the best on world" in rows[1][-1]
    assert "50 users" in err and "density" in err
    assert "Left out: RecentPopularity needs times, which the dataset lacks." in err
    assert err.splitlines()[-1] == "Next: candgen tune EASE --dataset mine"


def test_advice_can_be_printed_as_json(candgen, project):
    code, out, _ = candgen("advise", "mine", "--json", "--first", "1")
    found = json.loads(out)
    assert code == 0 and [one["generator"] for one in found["choices"]] == ["EASE"]
    assert found["shape"]["users"] == 50 and found["shape"]["has"] == ["item columns"]


def test_without_the_sweep_the_command_says_how_to_make_it(candgen, project):
    (project / "outputs/which_generator").rename(project / "outputs/other")
    code, out, err = candgen("advise", "mine")
    assert (code, out) == (2, "") and "candgen sweep params/which_generator.yaml" in err
    assert candgen("advise", "mine", "--sweep", "other")[0] == 0


def test_a_dataset_that_is_not_there_is_named(candgen, project):
    code, _, err = candgen("advise", "mines")
    assert code == 2 and "mines" in err
