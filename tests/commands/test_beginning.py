"""`candgen init`: from a table of one's own to a params file."""

import pytest
import yaml

from candgen.sweeps.plan import read_plan


@pytest.fixture
def project(root, tmp_path, monkeypatch):
    """A project with the notebooks of this one."""
    (tmp_path / "notebooks").symlink_to(root / "notebooks")
    (tmp_path / "params").mkdir()
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"c{u};sku {i};{1_700_000_000 + u * i}\n" for u in range(30) for i in range(6))
    (tmp_path / "my clicks.csv").write_text("customer;product;time\n" + rows)
    products = "".join(f"sku {i};Thing {i};{i % 2}\n" for i in range(6))
    (tmp_path / "products.csv").write_text("product;title;brand\n" + products)
    return tmp_path


def test_the_written_file_is_a_sweep_and_its_path_is_printed(project, candgen):
    code, out, err = candgen("init", "my clicks.csv", "--items", "products.csv")
    assert code == 0, err
    assert out.strip() == str(project / "params" / "my-clicks.yaml")
    assert "customer = user" in err and "180 events of 30 users with 6 items" in err
    assert "Next: candgen sweep params/my-clicks.yaml" in err
    assert "then: candgen run 60_two_tower -p dataset=my-clicks" in err
    plan = read_plan(project / "params" / "my-clicks.yaml")
    assert plan.name == "my-clicks"
    assert plan.datasets[0].written["items_path"] == "products.csv"
    assert plan.datasets[0].written["user_column"] == "customer"
    assert len(plan.runs) == 9


def test_its_runs_are_those_for_any_table(project, root, candgen):
    candgen("init", "my clicks.csv", "--name", "mine")
    made = yaml.safe_load((project / "params" / "mine.yaml").read_text())
    known = yaml.safe_load((root / "params" / "table.yaml").read_text())
    for section in ("runs", "notebook", "minutes"):
        assert made[section] == known[section]


def test_a_params_file_that_is_there_stays(project, candgen):
    there = project / "params" / "my-clicks.yaml"
    there.write_text("mine\n")
    code, _, err = candgen("init", "my clicks.csv")
    assert code == 2 and "is there already" in err
    assert there.read_text() == "mine\n"


def test_settings_that_are_told_stand_in_the_file(project, candgen):
    candgen("init", "my clicks.csv", "--set", "split=random_rows", "--set", "item_column=time")
    made = yaml.safe_load((project / "params" / "my-clicks.yaml").read_text())
    own = made["datasets"]["my-clicks"]
    assert own["split"] == "random_rows" and own["item_column"] == "time"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.csv",), "There is no file"),
        (("my clicks.csv", "--set", "splitt=random_rows"), "'splitt'"),
        (("my clicks.csv", "--name", "../x"), "name"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(project, candgen, arguments, said):
    code, out, err = candgen("init", *arguments)
    assert code == 2 and said in err and out == ""
    assert not list((project / "params").iterdir())
