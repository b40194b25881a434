"""Tests of the exposure study, in small worlds."""

import numpy as np
import pandas as pd
import pytest

from candgen import evaluation, models
from candgen.errors import SettingError
from candgen.session import Run
from candgen.studies.exposure import feedback_loop, study

TOWERS = {
    "query_inputs": ["history"], "item_inputs": ["id"], "dim": 8, "epochs": 1, "batch_size": 256,
    "negatives": "uniform", "n_negatives": 50, "seed": 1, "hidden": [],
}  # fmt: skip
SIZES = {"n_users": 80, "n_items": 60, "events_per_user": 10.0, "days": 60}
TRAININGS = {"clicks alone": {}, "weighed": {"exposure_power": 1.0}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return study.small_world(tmp_path_factory.mktemp("w"), 3, SIZES)


def test_relevance_of_an_item_is_the_mean_over_users(world):
    data, oracle = world
    expected = oracle.relevance(np.arange(data.n_users)).mean(axis=0)
    np.testing.assert_allclose(study.item_relevance(data, oracle), expected, rtol=1e-5)


def test_the_log_is_set_against_the_truth_item_by_item(world):
    data, oracle = world
    table = study.log_against_truth(data, oracle)
    assert len(table) == data.n_items
    assert (table["taken"] <= table["shown"]).all()
    assert table["taken"].sum() == len(data.train)


def test_a_training_takes_the_settings_in_which_it_differs(world):
    data, oracle = world
    fitted, judged = study.trained(TOWERS, TRAININGS, data, {"k": 10, "cutoffs": [10]})
    assert [m.exposure_power for m in fitted.values()] == [0.0, 1.0]
    assert [j.generator for j in judged.values()] == list(TRAININGS)
    found = study.measured(judged["weighed"], data, oracle, 10)
    assert list(found) == list(study.MEASURES)
    np.testing.assert_allclose(found["plain recall"], judged["weighed"].values("recall@10"))


def test_every_bias_and_seed_has_a_world_that_is_gone_afterwards(tmp_path):
    found = study.bias_study(
        TOWERS, {"clicks alone": {}}, biases=[0.0, 1.0], seeds=[1, 2], sizes=SIZES, k=10,
        folder=tmp_path,
    )  # fmt: skip
    assert found.groupby(["bias", "seed"]).ngroups == 4
    assert not list(tmp_path.iterdir())
    assert found[found["seed"] == 1].groupby("bias")["true relevance"].mean().nunique() == 2


def test_means_over_seeds_are_compared_with_the_first_training_user_by_user():
    asked = pd.MultiIndex.from_product(
        [(0.0, 1.0), (1, 2), ("a", "b"), range(4)], names=["bias", "seed", "training", "user"]
    )
    found = asked.to_frame(index=False)
    gained = 0.2 * found["bias"] * (found["training"] == "b")
    found["true relevance"] = 0.1 * found["user"] + gained
    table = study.bias_table(found, "true relevance").set_index(["bias", "training"])
    assert table.loc[(0.0, "b"), "difference"] == pytest.approx(0)
    np.testing.assert_allclose(
        table.loc[(1.0, "b"), ["difference", "difference_low", "difference_high"]].tolist(), 0.2
    )
    assert table.loc[(1.0, "a"), "mean"] == pytest.approx(0.15)
    assert table["users"].tolist() == [8] * 4


def test_intervals_over_small_worlds_carry_the_spread_of_worlds():
    # In two worlds of like users, "b" gains .1 and .3: a mean of .2 with a standard error of .1.
    rows = [
        (1.0, seed, name, user, 0.5 + (gain if name == "b" else 0.0))
        for seed, gain in ((0, 0.1), (1, 0.3)) for name in "ab" for user in range(30)
    ]  # fmt: skip
    found = pd.DataFrame(rows, columns=["bias", "seed", "training", "user", "true relevance"])
    row = study.bias_table(found, "true relevance").set_index("training").loc["b"]
    ends = row[["difference", "difference_low", "difference_high"]].tolist()
    assert ends == pytest.approx([0.2, 0.2 - 0.1 * 2**0.5, 0.2 + 0.1 * 2**0.5])
    assert row["users"] == 60


def test_the_generator_that_an_estimate_prefers_is_named():
    table = pd.DataFrame(
        {"generator": ["a", "b"] * 2, "estimate": ["plain", "plain", "true", "true"],
         "mean": [0.3, 0.2, 0.1, 0.2]}
    )  # fmt: skip
    assert study.preferred(table) == {"plain": "a", "true": "b"}


def test_gaps_are_told_by_popularity_and_by_provider(world):
    data, oracle = world
    users = np.flatnonzero(np.diff(data.history_matrix.indptr) > 0)
    best = evaluation.best_candidates(users, data, oracle, 10).items
    tables, gaps = study.group_gaps({"best": best}, users, data, oracle, 10)
    assert list(tables) == ["popularity", "provider"]
    assert tables["popularity"]["best"]["group"].tolist() == ["head", "middle", "tail"]
    for row in gaps.itertuples():
        assert row.gap == pytest.approx(tables[row.groups][row.lists]["gap"].abs().sum() / 2)


def test_towers_and_controls_go_round(world):
    data, oracle = world
    policies = study.loop_policies(TOWERS, ["weighted"], oracle)
    assert list(policies) == ["weighted", "at random", "the oracle's best"]
    users = np.flatnonzero(np.diff(data.history_matrix.indptr) > 0)
    found = policies["weighted"](data, users, 5, 2)
    same = models.TwoTower(**{**TOWERS, "exposure_power": 1.0, "seed": 3}).fit(data)
    expected = feedback_loop.by_generator(lambda turn: same)(data, users, 5, 0)
    np.testing.assert_array_equal(found, expected)


def test_a_change_is_called_by_its_interval():
    rows = [("a", "gap", 0.2, 0.1, 0.3), ("b", "gap", -0.2, -0.3, -0.1),
            ("c", "gap", 0.0, -0.1, 0.1), ("d", "gap", 0.002, 0.001, 0.003),
            ("a", "relevance", -0.2, -0.3, -0.1)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["policy", "measure", "change", "low", "high"])
    expected = {"grows": ["a"], "shrinks": ["b"], "is undecided": ["c"], "does not change": ["d"]}
    assert study.verdicts(table, "gap") == expected
    wide = study.verdicts(table, "gap", margin=0.15)  # no interval lies beyond it
    assert wide == {"is undecided": ["a", "b"], "does not change": ["c", "d"]}


def test_tables_are_kept_with_their_names(tmp_path):
    one, other = pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": [3]})
    study.keep(Run(tmp_path, {}), "kept.parquet", {"one": one, "other": other})
    read = pd.read_parquet(tmp_path / "kept.parquet")
    assert read["x"].tolist() == [1, 2, 3]
    assert read["table"].tolist() == ["one", "one", "other"]


def test_an_unknown_way_to_train_in_the_loop_is_named(world):
    with pytest.raises(SettingError, match="weighted"):
        study.loop_policies(TOWERS, ["weigthed"], world[1])


def test_exposure_weights_are_of_one_training_and_other_settings_of_all():
    told = {"dim": 4, "exposure_power": 2.0, "exposure_clip": 3.0, "rounds": 3, "seed": 5}
    made = study.tower_settings(told, {"hidden": [8]})
    assert (made["dim"], made["seed"], made["hidden"]) == (4, 5, [8])
    assert not {"exposure_power", "exposure_clip", "rounds"} & set(made)


def test_clicks_per_impression_follow_relevance_where_clicks_follow_impressions():
    shown = np.arange(10, 30) * 10
    relevance = np.linspace(0.9, 0.1, 20)
    items = pd.DataFrame({"shown": shown, "taken": shown * relevance, "relevance": relevance})
    told = study.rank_correlations(items)
    assert told["share"] == pytest.approx(1)
    assert told["top"] == pytest.approx((280 + 290) / shown.sum())


def test_changes_are_said_with_their_intervals():
    table = pd.DataFrame(
        {
            "training": ["a", "b"], "bias": [0.5, 0.5], "difference": [0.1, 0.9],
            "difference_low": [0.05, 0.8], "difference_high": [0.15, 1.0],
        }
    )  # fmt: skip
    assert study.said_of_biases(table, "a") == "+0.100 (+0.050 to +0.150) at a bias of 0.5"
    changed = pd.DataFrame(
        {
            "measure": "gap",
            "policy": ["a", "b"],
            "change": [0.15, 0.0],
            "low": [0.1, -0.1],
            "high": [0.2, 0.1],
        }
    )
    assert study.said_of_verdicts(changed, "gap") == "grows with a; is undecided with b"
