"""Advice on generators, from an invented finished sweep."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import Dataset, write_dataset
from candgen.errors import DataError
from candgen.models import by_name, names
from candgen.reports import open_report
from candgen.reports.advice.advising import advise
from candgen.reports.advice.shape import distance, shape_of

SKILLS = {  # dataset -> generator -> how much of the truth it knows
    "small": {"EASE": 1.8, "WALS": 0.3, "ItemKNN": 0.2, "RecentPopularity": 2.4},
    "large": {"EASE": 0.2, "WALS": 1.8, "ItemKNN": 0.4},
}
SIZES = {"small": {"n_users": 60, "n_items": 60}, "large": {"n_users": 150, "n_items": 400}}


@pytest.fixture
def sweep(sweep_builder, tmp_path):
    """EASE is best where there are few items, WALS where there are many."""
    folder, runs = tmp_path / "outputs" / "which_generator", {}
    for name, skills in SKILLS.items():
        data = sweep_builder.build_dataset(folder / "datasets" / name, name=name, **SIZES[name])
        for place, (generator, skill) in enumerate(skills.items()):
            run = f"{generator}-{name}"
            runs[run] = {"generator": generator}
            at = folder / run
            params = {"generator": generator}
            sweep_builder.write_run(at, data, generator, skill, params=params, seed=place,
                                    seconds=4.0)  # fmt: skip
            held = json.loads((at / "metrics.json").read_text())
            for row in held["generators"]:  # the builder's invented settings are no generator's
                row["settings"] = {}
            (at / "metrics.json").write_text(json.dumps(held))
    sweep_builder.write_sweep(folder, runs)
    return folder


@pytest.fixture
def asked(sweep_builder, tmp_path):
    """Return a function that prepares a dataset to ask about; its events have no times."""

    def make(**sizes) -> Dataset:
        folder = tmp_path / "outputs" / "datasets" / "mine"
        return sweep_builder.build_dataset(folder, name="mine", seed=9, **sizes)

    return make


def test_the_most_similar_dataset_decides(sweep, asked):
    few = advise(open_report(sweep), asked(n_users=55, n_items=55))
    assert few.choices[0].generator == "EASE" and len(few.choices) == 3
    assert max(few.weights, key=few.weights.get).startswith("small")
    assert sum(few.weights.values()) == pytest.approx(1)


def test_many_items_turn_the_advice(sweep, asked):
    many = advise(open_report(sweep), asked(n_users=150, n_items=420))
    assert many.choices[0].generator == "WALS"


def test_swapped_results_swap_the_advice(sweep, asked):
    """No order of generators stands in the code: other results, other advice."""
    data = asked(n_users=55, n_items=55)
    before = [choice.generator for choice in advise(open_report(sweep), data).choices]
    for path in sweep.glob("*/metrics.json"):
        held = json.loads(path.read_text())
        for row in held["generators"]:
            swap = {"EASE": "ItemKNN", "ItemKNN": "EASE"}
            row["generator"] = swap.get(row["generator"], row["generator"])
        path.write_text(json.dumps(held))
        users = pd.read_parquet(path.parent / "per_user.parquet")
        users["generator"] = users["generator"].replace({"EASE": "ItemKNN", "ItemKNN": "EASE"})
        users.to_parquet(path.parent / "per_user.parquet", index=False)
    after = [choice.generator for choice in advise(open_report(sweep), data).choices]
    assert before[0] == "EASE" and after[0] == "ItemKNN"


def test_the_expected_share_is_the_weighted_mean_over_datasets(sweep, asked):
    report = open_report(sweep)
    advice = advise(report, asked(n_users=90, n_items=150), first=9)
    (choice,) = [one for one in advice.choices if one.generator == "WALS"]
    expected = 0.0
    for ground in report.comparisons:
        values = {c.generator: c.number(report.metric) for c in ground.contenders}
        expected += advice.weights[ground.title] * values["WALS"] / max(values.values())
    assert choice.share == pytest.approx(expected)
    assert "of the best on small" in choice.why and "of the best on large" in choice.why


def test_what_the_dataset_lacks_leaves_a_generator_out(sweep, asked):
    advice = advise(open_report(sweep), asked(n_users=55, n_items=55), first=9)
    assert "RecentPopularity" not in [choice.generator for choice in advice.choices]
    assert advice.left_out["RecentPopularity"] == "needs times, which the dataset lacks"


def test_what_needs_more_memory_than_is_free_is_left_out(sweep, asked):
    data = asked(n_users=55, n_items=300)
    needed = {
        c.generator: c.bytes_needed for c in advise(open_report(sweep), data, first=9).choices
    }
    own = by_name("EASE")().memory_needed(55, 300, len(data.train))
    assert needed["EASE"] == own and needed["EASE"] > needed["WALS"]
    tight = advise(open_report(sweep), data, first=9, free=needed["EASE"] - 1)
    assert "EASE" not in [choice.generator for choice in tight.choices]
    assert "of memory" in tight.left_out["EASE"]


def test_seconds_grow_with_the_events_or_the_memory(sweep, asked):
    report, data = open_report(sweep), asked(n_users=150, n_items=400)
    (same,) = [c for c in advise(report, data, first=9).choices if c.generator == "WALS"]
    assert same.seconds == pytest.approx(4.0, rel=0.2)
    twice = replace(data, _tables={"train": pd.concat([data.table("train")] * 4)})
    (more,) = [c for c in advise(report, twice, first=9).choices if c.generator == "WALS"]
    assert more.seconds > 2 * same.seconds


def test_users_without_a_history_leave_the_generators_that_need_one_out(sweep, asked):
    data = asked(n_users=55, n_items=55)
    tables = {part: data.table(part) for part in ("train", "validation", "test")}
    cold = tables["test"]["user"].unique()[40:]
    for part in ("train", "validation"):
        tables[part] = tables[part][~tables[part]["user"].isin(cold)]
    tables["test"] = tables["test"][tables["test"]["user"].isin(cold)]
    advice = advise(open_report(sweep), replace(data, _tables=tables), first=9)
    assert advice.shape.new_users == 1 and "WALS" in advice.left_out
    assert {choice.generator for choice in advice.choices} == {"popularity", "random"}
    assert "answers users without a history" in advice.choices[0].why


def test_a_sweep_without_finished_runs_gives_no_advice(sweep_builder, tmp_path, asked):
    sweep_builder.write_failed(tmp_path / "broken" / "one", params={})
    sweep_builder.write_sweep(tmp_path / "broken", {"one": {}})
    with pytest.raises(DataError, match="No finished run"):
        advise(open_report(tmp_path / "broken"), asked(n_users=40, n_items=40))


# --- shape


def test_a_shape_counts_what_generators_learn_from(asked):
    data = asked(n_users=40, n_items=50)
    shape = shape_of(data)
    assert (shape.users, shape.items, shape.events) == (40, 50, len(data.train))
    assert shape.density == pytest.approx(len(data.train) / 2000)
    lengths = data.train.groupby("user")["item"].nunique()
    assert shape.history == lengths.median() and shape.new_users == 0
    assert shape.has == {"item columns"}  # the year; no times, ratings or user columns
    unknown = ~data.held_out["item"].isin(data.train["item"])
    assert shape.new_items == pytest.approx(unknown.mean())


def test_distance_is_nothing_to_itself_and_grows_with_each_difference(asked):
    shape = shape_of(asked(n_users=40, n_items=50))
    assert distance(shape, shape) == 0
    others = [
        replace(shape, events=10 * shape.events), replace(shape, history=10 * shape.history),
        replace(shape, new_users=0.5), replace(shape, new_items=shape.new_items + 0.5),
        replace(shape, has=shape.has | {"times"}),
    ]  # fmt: skip
    assert [distance(shape, other) for other in others] == pytest.approx([1] * 5)
    assert distance(shape, others[0]) == distance(others[0], shape)
    tenfold = replace(shape, items=10 * shape.items)  # a tenth of the density, too
    assert distance(shape, tenfold) == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize("name", [n for n in names() if by_name(n).needs and n != "Revisit"])
def test_a_generator_refuses_or_fails_without_what_it_says_it_needs(name, tmp_path):
    rng = np.random.default_rng(0)
    users, items = np.repeat(np.arange(12), 5), rng.integers(0, 9, 60)
    events = pd.DataFrame({"user": users, "item": items}).drop_duplicates()
    tables = {"interactions": events, "train": events.iloc[:30], "validation": events.iloc[30:40],
              "test": events.iloc[40:],
              "users": pd.DataFrame({"user": range(12), "user_id": range(12)}),
              "items": pd.DataFrame({"item": range(9), "item_id": range(9)})}  # fmt: skip
    bare = write_dataset(tmp_path / "bare", tables, {"name": "bare"})
    assert not shape_of(bare).has
    with pytest.raises((ValueError, KeyError)):
        by_name(name)().fit(bare)
