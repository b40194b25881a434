from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from candgen.reports.comparing import Contender, comparisons
from candgen.reports.reading import read_run, read_sweep


@pytest.fixture(scope="session")
def grounds(sweep_folder):
    return {ground.name: ground for ground in comparisons(read_sweep(sweep_folder))}


def test_datasets_stand_apart(grounds):
    assert sorted(grounds) == ["films", "world"]
    assert grounds["films"].find("films-wals") is not None
    assert grounds["world"].find("films-wals") is None


def test_the_same_dataset_judged_on_another_part_stands_apart(sweep_builder, tmp_path):
    world = sweep_builder.build_dataset(tmp_path / "datasets/world", n_users=20, n_items=40)
    for part in ("test", "validation"):
        sweep_builder.write_run(tmp_path / part, world, "WALS", 1.0, params={}, evaluate_on=part)
    sweep_builder.write_sweep(tmp_path, {"test": {}, "validation": {}})
    found = comparisons(read_sweep(tmp_path))
    assert [ground.title for ground in found] == ["world, judged on test",
                                                  "world, judged on validation"]  # fmt: skip


def test_repeats_over_seeds_become_one_row_with_their_mean_and_spread(grounds):
    row = grounds["world"].find("wals-dim16")
    values = [entry.numbers["recall@20"] for entry in row.entries]
    assert row.seeds == [1, 2]
    assert row.number("recall@20") == pytest.approx(sum(values) / 2)
    assert row.spread("recall@20") == (min(values), max(values))


def test_per_user_values_of_repeats_are_averaged_user_by_user(grounds):
    row = grounds["world"].find("wals-dim16")
    one, other = (entry.per_user["recall@20"] for entry in row.entries)
    np.testing.assert_allclose(row.per_user["recall@20"], (one + other) / 2)
    low, high = row.interval("recall@20")
    assert low < row.number("recall@20") < high


def test_different_dimensions_are_no_repeats(grounds):
    labels = {row.label for row in grounds["world"].contenders}
    assert {"wals-dim04", "wals-dim16", "wals-dim64", "ease"} <= labels


def test_a_baseline_that_every_run_recorded_is_shown_once(grounds):
    generators = [row.generator for row in grounds["world"].contenders]
    assert generators.count("popularity") == generators.count("random") == 1


def test_random_with_two_seeds_is_one_row_over_two_seeds(grounds):
    assert sorted(grounds["world"].find("random").seeds) == [1, 2]


def test_a_run_of_popularity_takes_the_place_of_the_recorded_baseline(sweep_builder, tmp_path):
    world = sweep_builder.build_dataset(tmp_path / "datasets/world", n_users=20, n_items=40)
    sweep_builder.write_run(tmp_path / "wals", world, "WALS", 1.0, params={})
    sweep_builder.write_run(tmp_path / "popular", world, "popularity", 0.5, params={})
    metrics = tmp_path / "popular/metrics.json"
    metrics.write_text(metrics.read_text().replace('{"dim": 1, "seed": 0}', "{}", 1))
    sweep_builder.write_sweep(tmp_path, {"wals": {}, "popular": {}})
    (ground,) = comparisons(read_sweep(tmp_path))
    popular = [row for row in ground.contenders if row.generator == "popularity"]
    assert [(row.label, bool(row.runs)) for row in popular] == [("popular", True)]


def test_rows_are_found_by_label_run_or_generator(grounds):
    ground = grounds["world"]
    by_label, by_run, by_generator = map(ground.find, ("wals-dim16", "wals-dim16-seed2", "EASE"))
    assert by_label is by_run
    assert by_generator.label == "ease"
    assert ground.find("wall") is None


def test_the_reference_leads_and_the_rest_is_ordered_best_first(grounds):
    ground = grounds["world"]
    ranked = ground.ranked("recall@20", first=ground.find("popularity"))
    assert ranked[0].label == "popularity"
    values = [row.number("recall@20") for row in ranked[1:]]
    assert values == sorted(values, reverse=True)


def test_a_dataset_that_was_changed_since_is_not_used(small_sweep):
    folder = small_sweep.parent / "datasets/world"
    (folder / "test.parquet").write_bytes(b"other")
    (ground,) = comparisons(read_sweep(small_sweep.parent))
    assert ground.dataset is None


def test_a_dataset_prepared_anew_with_other_events_is_not_used(sweep_builder, small_sweep):
    folder = small_sweep.parent / "datasets/world"
    sweep_builder.build_dataset(folder, n_users=20, n_items=40, seed=9)
    (ground,) = comparisons(read_sweep(small_sweep.parent))
    assert ground.dataset is None


def test_two_datasets_of_one_name_stand_apart_by_their_digests(sweep_builder, small_sweep):
    sweep = small_sweep.parent
    other = sweep_builder.build_dataset(sweep / "elsewhere", n_users=20, n_items=40, seed=9)
    sweep_builder.write_run(sweep / "later", other, "WALS", 1.0, params={})
    sweep_builder.write_sweep(sweep, {"only": {}, "later": {}})
    titles = [ground.title for ground in comparisons(read_sweep(sweep))]
    assert len(set(titles)) == 2
    assert titles[1] == f"world ({other.digest[:8]}), judged on test"


def test_a_sweep_moved_elsewhere_finds_its_dataset(small_sweep, tmp_path):
    moved = small_sweep.parent.rename(tmp_path / "elsewhere")
    (ground,) = comparisons(read_sweep(moved))
    assert ground.dataset.folder == moved / "datasets/world"


def test_seeds_that_draw_their_own_users_are_no_repeats_of_the_same_users(small_sweep):
    run = read_run(small_sweep.parent, "only", {})
    frame = pd.DataFrame({"recall@20": [0.1, 0.3]}, index=pd.Index([0, 1], name="user"))
    other = frame.set_axis(pd.Index([5, 6], name="user"))
    entries = tuple(SimpleNamespace(run=run, per_user=f, seed=s, row={}, numbers={"recall@20": 0.2},
                                    generator="WALS", baseline=False)
                    for s, f in ((1, frame), (2, other)))  # fmt: skip
    row = Contender("x", entries)
    assert row.judgement.repeats == {} and len(row.per_user) == 4
    same = Contender("x", (entries[0], entries[0].__class__(**{**vars(entries[0]), "seed": 2})))
    assert list(same.judgement.repeats) == ["1", "2"] and len(same.per_user) == 2
