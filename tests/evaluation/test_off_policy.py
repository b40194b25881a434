"""Values of policies from a log with known chances, against a truth that is known."""

import numpy as np
import pytest

from candgen import evaluation
from candgen.columns import PROPENSITY
from candgen.datasets import preparation
from candgen.errors import DataError
from candgen.evaluation import off_policy as pv

# Four rounds of two users; the policy offers user 0 items 0 and 1, and user 1 item 2 alone.
LISTS = np.array([[0, 1, 3], [2, -1, -1]])
USERS = np.array([0, 1])
ROUNDS = pv.Rounds(
    np.array([0, 0, 1, 1]),
    np.array([1, 2, 2, -1]),
    np.array([1, 2, 1, 1]),
    np.array([0.25, 0.5, 0.5, 0.5]),
    np.array([True, True, False, True]),
)
NOTHING = pv.Rates(np.zeros(4), np.ones(2))
HALF = pv.Rates(np.array([0.5, 0.1, 0.2, 0.9]), np.array([1.0, 0.5]))


def estimates(**changed):
    asked = {"rates": NOTHING, **changed}
    return pv.value_of(LISTS, USERS, ROUNDS, 2, **asked).set_index("estimate")


def test_weights_are_the_chance_of_the_policy_over_that_of_the_log():
    found = estimates()  # weights 0.5 / 0.25, 0, 1 / 0.5, 0; only the first of them is engaged
    assert found.loc["ips", "value"] == pytest.approx(2 / 4)
    assert found.loc["snips", "value"] == pytest.approx(2 / 4)
    assert (found["weight"] == 1).all() and (found["matched"] == 2).all()
    assert (found["matched_engaged"] == 1).all()
    assert found["effective"].tolist() == pytest.approx([16 / 8] * 3)


def test_doubly_robust_adds_what_the_prediction_missed():
    found = estimates(rates=HALF).loc["dr", "value"]
    direct = [(0.5 + 0.1) / 2, (0.5 + 0.1) / 2 * 0.5, 0.2, 0.2]
    missed = [2 * (1 - 0.1), 0, 2 * (0 - 0.2), 0]
    assert found == pytest.approx((sum(direct) + sum(missed)) / 4)


def test_without_a_prediction_doubly_robust_is_ips():
    found = estimates()
    assert found.loc["dr", "value"] == found.loc["ips", "value"]


def test_a_smaller_k_offers_the_first_candidates_alone():
    found = pv.value_of(LISTS, USERS, ROUNDS, 1, rates=NOTHING).set_index("estimate")
    assert found.loc["ips", "value"] == 0 and found.loc["ips", "matched"] == 1


def test_rounds_of_users_without_a_list_are_left_out():
    found = pv.value_of(LISTS[:1], USERS[:1], ROUNDS, 2, rates=NOTHING)
    assert (found["rounds"] == 2).all()
    with pytest.raises(DataError, match="No round of the log is of a user with candidates"):
        pv.value_of(np.full((1, 2), -1), USERS[:1], ROUNDS, 2, rates=NOTHING)


def test_rates_are_drawn_to_the_mean_where_little_was_shown():
    items = np.repeat([0, 1], [1000, 1])
    engaged = np.r_[np.ones(500), np.zeros(500), 1]
    found = pv.rates_of(items, np.ones(1001, int), engaged, n_items=3)
    mean = engaged.mean()
    assert found.items[0] == pytest.approx(0.5, abs=0.01)
    assert mean < found.items[1] < 0.6 and found.items[2] == pytest.approx(mean)


def test_positions_below_the_deepest_known_one_are_predicted_as_it():
    engaged = np.r_[np.ones(300), np.zeros(100), np.ones(100), np.zeros(300)]
    found = pv.rates_of(np.zeros(800, int), np.repeat([1, 2], 400), engaged, n_items=1)
    near, deep, deeper = found.of(np.zeros(3, int), np.array([1, 2, 9]))
    assert near == pytest.approx(0.75, abs=0.02) and deep == deeper == pytest.approx(0.25, abs=0.02)


def test_intervals_over_users_are_wider_where_rounds_of_a_user_go_together():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(50), 40)
    engaged = rng.random(50)[users] < 0.5  # a user engages with everything, or with nothing
    ones = np.ones(len(users))
    rounds = pv.Rounds(users, ones.astype(int) * 0, ones.astype(int), ones, engaged)
    lists = np.zeros((50, 1), int)
    reach = {}
    for name in ("users", "rounds"):
        found = pv.value_of(lists, np.arange(50), rounds, 1, rates=NOTHING, independent=name)
        reach[name] = (found["high"] - found["low"])[0]
    assert reach["users"] == pytest.approx(reach["rounds"] * np.sqrt(40), rel=0.1)


# --- coverage


def invented(seed, n_users=200, n_rounds=30, n_items=60, k=5):
    """Return lists, rounds, rates and the true value, of a log whose chances are known."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(n_users, n_items))
    chance = 1 / (1 + np.exp(2.5 - taste - rng.normal(size=(n_users, 1))))
    shown = np.exp(0.7 * (taste + rng.normal(size=n_items)))
    shown /= shown.sum(axis=1, keepdims=True)
    lists = np.argsort(-(chance + 0.05 * rng.normal(size=chance.shape)), axis=1)[:, :k]

    def log():
        users = np.repeat(np.arange(n_users), n_rounds)
        items = (rng.random(len(users))[:, None] > shown.cumsum(axis=1)[users]).sum(axis=1)
        items = np.minimum(items, n_items - 1)
        positions = rng.integers(1, 4, len(users))
        engaged = rng.random(len(users)) < chance[users, items] * positions**-0.5
        return pv.Rounds(users, items, positions, shown[users, items], engaged)

    before, rounds = log(), log()
    rates = pv.rates_of(before.items, before.positions, before.engaged, n_items=n_items)
    offered = np.take_along_axis(chance, lists, axis=1).mean(axis=1)
    return lists, rounds, rates, (offered[rounds.users] * rounds.positions**-0.5).mean()


def test_the_truth_lies_in_the_interval_for_95_of_100_seeds():
    hits, errors = np.zeros(3), []
    for seed in range(100):
        lists, rounds, rates, truth = invented(seed)
        found = pv.value_of(lists, np.arange(len(lists)), rounds, 5, rates=rates)
        hits += ((found["low"] <= truth) & (truth <= found["high"])).to_numpy()
        errors.append(found["value"].to_numpy() - truth)
        assert found["effective"][0] > pv.FEW
    assert (hits >= 95).all(), hits
    bias, spread = np.mean(errors, axis=0), np.std(errors, axis=0)
    assert (abs(bias) < 3 * spread / 10).all()
    assert spread[2] < spread[0]  # the prediction takes noise away


# --- on a prepared dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A log of 60 users, 12 items and a page of two places, prepared with a split by time."""
    folder, rng = tmp_path_factory.mktemp("log"), np.random.default_rng(0)
    rows = ["user,item,timestamp,position,propensity,clicked"]
    for n in range(6000):
        user, item = n % 60, int(12 * rng.random() ** 1.5)
        chance = ((item + 1) / 12) ** (1 / 1.5) - (item / 12) ** (1 / 1.5)
        clicked = int(item < 10 and rng.random() < 0.02 * (item + 1))  # nobody wants 10 and 11
        rows.append(f"{user},{item},{n},{n % 2 + 1},{chance:.6f},{clicked}")
    (folder / "log.csv").write_text("\n".join(rows))
    return preparation.prepare(
        folder / "made", source="table", impressions_path=str(folder / "log.csv"), test_fraction=0.3
    )


@pytest.mark.parametrize("part", ["test", "validation"])
def test_all_rounds_of_the_held_out_time_count_and_no_others(data, part):
    data = data.for_test() if part == "test" else data.for_validation()
    rounds = pv.held_out_rounds(data)
    end = data.info["split"]["test_starts"] if part == "validation" else 6000
    history = np.diff(data.history_matrix.indptr) > 0
    times = np.arange(data.known_until, end)
    assert len(rounds.users) == history[times % 60].sum()
    assert set(rounds.items) >= {-1, 0}  # of items outside of the catalogue, too
    assert rounds.engaged.sum() > 0


def test_a_round_counts_in_its_time_even_if_it_reveals_an_event_of_test(tmp_path):
    day = 86_400
    (tmp_path / "events.csv").write_text(
        f"user,item,timestamp\n1,7,{day}\n1,8,{2 * day}\n1,9,{3 * day}\n"
    )
    (tmp_path / "shown.csv").write_text(
        "user,item,timestamp,propensity,clicked\n"
        f"1,7,{day},0.5,1\n1,8,{2 * day},0.5,1\n1,9,{2 * day + 9},0.5,1\n1,9,{3 * day},0.5,1\n"
    )
    made = preparation.prepare(
        tmp_path / "made",
        source="table",
        path=str(tmp_path / "events.csv"),
        impressions_path=str(tmp_path / "shown.csv"),
        validation_from="1970-01-03",
        test_from="1970-01-04",
    )
    assert len(made.for_validation().judging("impressions")) == 1  # item 9 is an answer of test
    assert pv.held_out_rounds(made.for_validation()).items.tolist() == [1, 2]
    assert pv.held_out_rounds(made.for_test()).items.tolist() == [2]


def test_the_value_of_what_is_logged_is_the_mean_engagement(data):
    users = np.arange(data.n_users)
    found = evaluation.policy_values({"all": np.tile(np.arange(10), (60, 1))}, users, data, 10)
    last = found.iloc[-1]
    assert (last["generator"], last["estimate"]) == ("as logged", "mean")
    assert last["value"] == pytest.approx(pv.held_out_rounds(data).engaged.mean())
    truth = 0.02 * np.arange(1, 11).mean()
    of_all = found[found["generator"] == "all"]
    assert ((of_all["low"] <= truth) & (truth <= of_all["high"])).all()


def test_lists_that_the_log_never_shows_are_told_of(data):
    users = np.arange(data.n_users)
    lists = {"ninth": np.full((60, 1), 9), "half": np.tile([0], (60, 1))}
    found = evaluation.policy_values(lists, users, data, 1)
    assert not any("half: the mean" in said for said in evaluation.value_warnings(found))
    shrunk = found.assign(weight=0.4, weight_low=0.3, weight_high=0.5)
    said = " ".join(evaluation.value_warnings(shrunk))
    assert "half: the mean weight is 0.40, less than 1" in said
    grown = found.assign(weight=1.4, weight_low=1.3, weight_high=1.5)
    assert "more than 1. Propensities are too small" in evaluation.value_warnings(grown)[-1]
    few = found.assign(effective=12.0)
    assert "as much as 12 rounds" in evaluation.value_warnings(few)[0]


def test_a_list_that_was_never_shown_has_no_value_but_a_warning():
    found = pv.value_of(np.array([[3], [3]]), USERS, ROUNDS, 1, rates=NOTHING)
    assert found["effective"][0] == 0 and np.isnan(found.set_index("estimate").value["snips"])
    said = " ".join(evaluation.value_warnings(found.assign(generator="odd")))
    assert "odd: the log says as much as 0 rounds" in said and "less than 1" in said


def test_what_is_missing_is_said(data, tmp_path):
    assert evaluation.why_no_values(data) == ""
    frame = data.known("impressions").drop(columns=PROPENSITY)
    frame.to_csv(tmp_path / "log.csv", index=False)
    settings = {"source": "table", "impressions_path": str(tmp_path / "log.csv")}
    made = preparation.prepare(tmp_path / "without", **settings)
    assert "have no propensities" in evaluation.why_no_values(made)
    with pytest.raises(DataError, match="have no propensities"):
        pv.held_out_rounds(made)
    data.known("impressions").to_csv(tmp_path / "log.csv", index=False)
    made = preparation.prepare(tmp_path / "latest", **settings, duplicates="last")
    assert "Prepare it with duplicates=first" in evaluation.why_no_values(made)
    settings["split"] = "leave_last_out"
    made = preparation.prepare(tmp_path / "last", **settings)
    assert "need the split 'timeline'" in evaluation.why_no_values(made)
    made = preparation.prepare(
        tmp_path / "world", source="world", n_users=30, n_items=30, events_per_user=8.0
    )
    assert "have no propensities" in evaluation.why_no_values(made)


def test_a_log_shown_at_random_is_known_by_its_chances():
    assert pv.shown_at_random(ROUNDS._replace(propensities=np.full(4, 0.01)))
    assert not pv.shown_at_random(ROUNDS)
