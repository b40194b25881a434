import json
import re

import pandas as pd
import pytest

from candgen.errors import DataError
from candgen.reports.reading import read_sweep


def states(sweep) -> dict[str, str]:
    return {run.name: run.state for run in sweep.runs}


def test_runs_come_in_the_order_of_the_plan(sweep_folder):
    assert [run.name for run in read_sweep(sweep_folder).runs][-3:] == ["broken", "orphan", "never"]


def test_a_run_whose_owner_has_gone_is_not_running(sweep_folder):
    assert states(read_sweep(sweep_folder))["orphan"] == "interrupted"


def test_a_planned_run_without_a_folder_is_missing(sweep_folder):
    assert states(read_sweep(sweep_folder))["never"] == "missing"


def test_folders_that_the_plan_does_not_name_are_left_out(small_sweep):
    (small_sweep.parent / "old").mkdir()
    (small_sweep.parent / "old" / "status.json").write_text('{"state": "done"}')
    assert list(states(read_sweep(small_sweep.parent))) == ["only"]


def test_without_a_plan_every_folder_with_a_status_is_a_run(small_sweep):
    (small_sweep.parent / "sweep.json").unlink()
    assert states(read_sweep(small_sweep.parent)) == {"only": "done"}


def test_a_run_that_says_done_with_half_a_metrics_file_is_unreadable(small_sweep):
    whole = (small_sweep / "metrics.json").read_text()
    (small_sweep / "metrics.json").write_text(whole[: len(whole) // 2])
    run = read_sweep(small_sweep.parent).runs[0]
    assert run.state == "unreadable"
    assert "only/metrics.json cannot be read" in run.trouble


def test_a_run_without_its_per_user_metrics_is_unreadable(small_sweep):
    (small_sweep / "per_user.parquet").unlink()
    run = read_sweep(small_sweep.parent).runs[0]
    assert (run.state, run.trouble) == ("unreadable", "only/per_user.parquet is missing.")


def test_a_run_that_left_metrics_but_no_status_is_not_done(small_sweep):
    (small_sweep / "status.json").unlink()
    assert states(read_sweep(small_sweep.parent)) == {"only": "missing"}


def test_only_parameters_with_several_values_differ(sweep_folder):
    sweep = read_sweep(sweep_folder)
    assert sweep.differing_parameters() == ["dim", "seed"]


def test_a_setting_that_a_run_s_generator_does_not_take_is_not_its_parameter(
    sweep_builder, tmp_path
):
    world = sweep_builder.build_dataset(tmp_path / "datasets/world", n_users=20, n_items=40)
    for name, dim in (("wals", 16), ("ease", 64), ("top", 64), ("svd", 8)):
        sweep_builder.write_run(tmp_path / name, world, name.upper(), 1.0, params={"dim": dim})
    for name, settings in (("ease", '{"regularization": 80}'), ("top", "{}")):
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        metrics["generators"][0]["settings"] = json.loads(settings)
        (tmp_path / name / "metrics.json").write_text(json.dumps(metrics))
    sweep_builder.write_sweep(tmp_path, {"wals": {}, "ease": {}, "top": {}, "svd": {}})
    sweep = read_sweep(tmp_path)
    assert [sweep.parameter(run, "dim") for run in sweep.runs] == [16, None, None, 8]
    assert [sweep.parameter(run, "k") for run in sweep.runs] == [50, 50, 50, 50]
    assert sweep.differing_parameters() == ["dim"]


def test_further_settings_of_a_generator_stand_beside_the_other_parameters(small_sweep):
    written = json.loads((small_sweep / "params.json").read_text())
    nested = {**written, "settings": {"cg_steps": 5, "solver": "cg"}}
    (small_sweep / "params.json").write_text(json.dumps(nested))
    (run,) = read_sweep(small_sweep.parent).runs
    assert run.parameters == {**written, "cg_steps": 5, "solver": "cg"}


def test_a_missing_sweep_is_named_with_what_to_try(tmp_path):
    with pytest.raises(DataError, match=r"No sweep at .*nowhere.*candgen runs"):
        read_sweep(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metrics.json", "[]", "an object with names is expected"),
        ("metrics.json", '{"generators": [7]}', r"generators\[0\] must be"),
        ("metrics.json", '{"generators": [{"generator": "X", "settings": 7}]}', "settings"),
        ("metrics.json", '{"generators": [], "generators": []}', "'generators' twice"),
        ("status.json", '{"state": "done", "error": "none"}', "error must be"),
        ("status.json", '{"state": "done", "wall_seconds": NaN}', "holds the number NaN"),
        ("environment.json", '{"packages": ["numpy"]}', "packages must be"),
        ("params.json", "7", "an object with names is expected"),
        ("per_user.parquet", "PAR1", "cannot be read"),
    ],
)
def test_a_record_with_values_of_another_kind_makes_its_run_unreadable(
    small_sweep, name, text, message
):
    (small_sweep / name).write_text(text)
    (run,) = read_sweep(small_sweep.parent).runs
    assert run.state == "unreadable" and f"only/{name}" in run.trouble
    assert re.search(message, run.trouble) and str(small_sweep) not in run.trouble


def test_metrics_of_users_that_are_no_numbers_are_named(small_sweep):
    path = small_sweep / "per_user.parquet"
    frame = pd.read_parquet(path)
    frame.assign(**{"recall@20": "x"}).to_parquet(path)
    assert (
        "the column 'recall@20' holds no numbers" in read_sweep(small_sweep.parent).runs[0].trouble
    )
    frame.drop(columns="user").to_parquet(path)
    assert "lacks the columns user" in read_sweep(small_sweep.parent).runs[0].trouble


@pytest.mark.parametrize(
    "text", ["[]", '{"runs": [{"name": "../x"}]}', '{"report": {"margin": "x"}}']
)
def test_a_plan_with_values_of_another_kind_is_refused(small_sweep, text):
    (small_sweep.parent / "sweep.json").write_text(text)
    with pytest.raises(DataError, match=r"sweep\.json: "):
        read_sweep(small_sweep.parent)
