import csv
import json

import pytest

from candgen.reports import write_leaderboard


@pytest.fixture(scope="session")
def rows(sweep_folder) -> list[dict[str, str]]:
    with open(write_leaderboard(sweep_folder), newline="") as file:
        return list(csv.DictReader(file))


def test_columns_are_run_generator_dataset_parameters_metrics_costs(rows):
    columns = list(rows[0])
    assert columns[:6] == ["run", "generator", "dataset", "judged_on", "dim", "seed"]
    assert columns[6:9] == ["recall@10", "recall@10_low", "recall@10_high"]
    assert columns.index("coverage@50") < columns.index("fit_seconds")
    assert {"recall@20", "recall@20_low", "recall@20_high", "ndcg@20"} <= set(columns)


def test_there_is_one_row_a_run_and_generator(rows):
    pairs = [(row["run"], row["generator"]) for row in rows]
    assert len(pairs) == len(set(pairs)) == 8 * 3
    assert ("wals-dim16-seed2", "WALS") in pairs
    assert ("wals-dim16-seed2", "popularity") in pairs


def test_parameters_keep_their_spelling_and_stay_away_from_baselines(rows):
    of = {(row["run"], row["generator"]): row for row in rows}
    assert of["wals-dim16-seed2", "WALS"]["dim"] == "16"
    assert of["wals-dim16-seed2", "popularity"]["dim"] == ""
    assert of["ease", "EASE"]["dim"] == ""


def test_values_are_those_of_metrics_json(rows, sweep_folder):
    import json

    recorded = json.loads((sweep_folder / "ease/metrics.json").read_text())["generators"][0]
    (row,) = [row for row in rows if row["generator"] == "EASE"]
    for name in ("recall@20", "ndcg@20_high", "fit_seconds", "compile_seconds"):
        assert float(row[name]) == pytest.approx(recorded[name])


def test_a_sweep_in_which_all_failed_has_a_header_and_no_rows(sweep_builder, tmp_path):
    folder = sweep_builder.build_empty_sweep(tmp_path / "empty")
    (line,) = write_leaderboard(folder).read_text().splitlines()
    assert line.startswith("run,generator,dataset,judged_on")


def test_errors_of_predicted_ratings_have_columns_where_a_run_recorded_them(small_sweep):
    import json

    from candgen.reports import open_report, results

    path = small_sweep / "metrics.json"
    recorded = json.loads(path.read_text())
    own = next(row for row in recorded["generators"] if not row["baseline"])
    own |= {"rmse": 0.9125, "mae": 0.5, "rmse_of_item_means": 1.0, "other": 3.0}
    path.write_text(json.dumps(recorded))
    with open(write_leaderboard(small_sweep.parent), newline="") as file:
        of = {row["generator"]: row for row in csv.DictReader(file)}
    assert (of["WALS"]["rmse"], of["WALS"]["rmse_of_item_means"]) == ("0.9125", "1.0")
    assert of["popularity"]["rmse"] == "" and not {"other", "mae_of_item_means"} & of["WALS"].keys()
    shown = results.leaderboard(open_report(small_sweep.parent)).html
    assert "0.9125" in shown and "smaller is better" in shown


@pytest.mark.parametrize("name", ["metrics.json", "per_user.parquet", "candidates.parquet"])
@pytest.mark.parametrize("cut", [True, False])
def test_a_run_whose_files_were_cut_or_lost_keeps_a_row_that_names_them(small_sweep, name, cut):
    from candgen import reports
    from candgen.reports import results
    from candgen.session import run_files, status

    told = status.read(small_sweep) | {"files": run_files.describe(small_sweep)}
    status.write(small_sweep, told)
    path = small_sweep / name
    if cut:
        path.write_bytes(path.read_bytes()[:-40])
    else:
        path.unlink()
    said = f"only/{name} is {'damaged' if cut else 'missing'}."
    with open(write_leaderboard(small_sweep.parent), newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["run"] == "only" and said in row["trouble"]
    assert said in results.leaderboard(reports.open_report(small_sweep.parent)).html


def test_a_damaged_run_has_a_red_row_below_those_that_can_be_read(sweep_builder, small_sweep):
    from candgen import reports
    from candgen.datasets import open_dataset
    from candgen.reports import results

    sweep = small_sweep.parent
    world = open_dataset(sweep / "datasets" / "world")
    sweep_builder.write_run(sweep / "cut", world, "WALS", 1.0, params={"dim": 8})
    sweep_builder.write_sweep(sweep, {"only": {"dim": 4}, "cut": {"dim": 8}})
    (sweep / "cut" / "per_user.parquet").unlink()
    html = results.leaderboard(reports.open_report(sweep)).html
    assert "cut/per_user.parquet is missing." in html and html.count("cg-bad") == 2
    with open(write_leaderboard(sweep), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows][-1] == "cut" and rows[0]["trouble"] == ""


def test_a_cell_that_a_spreadsheet_would_run_is_text(small_sweep, sweep_builder):
    metrics = json.loads((small_sweep / "metrics.json").read_text())
    metrics["dataset"]["name"] = "=cmd|'/C calc'!A0"
    metrics["generators"][0]["generator"] = "\t@SUM(A1)\x1b[31m"
    metrics["generators"][0]["=1+1@2"] = -0.5
    (small_sweep / "metrics.json").write_text(json.dumps(metrics))
    with open(write_leaderboard(small_sweep.parent), newline="") as file:
        row = next(csv.DictReader(file))
    assert row["dataset"] == "'=cmd|'/C calc'!A0"
    assert row["generator"] == "' @SUM(A1) [31m"
    assert row["'=1+1@2"] == "-0.5"
