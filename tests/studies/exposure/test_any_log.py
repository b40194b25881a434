"""Study of exposure on a log whose truth nobody knows."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from candgen import evaluation, models
from candgen.datasets import preparation
from candgen.datasets.world import oracle_of
from candgen.datasets.world.service_log import make_service_log
from candgen.studies.exposure import any_log, plots, study


@pytest.fixture(scope="module")
def log():
    return make_service_log(n_users=300, n_items=60, visits=30, seed=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory, log):
    folder = tmp_path_factory.mktemp("log")
    log.write(folder)
    settings = {"impressions_path": str(folder / "impressions.csv"), "test_fraction": 0.2}
    return preparation.prepare(folder / "made", source="table", **settings)


@pytest.fixture(scope="module")
def fitted(data):
    return {m.name: m.fit(data) for m in (models.Popularity(), models.Random(seed=0))}


@pytest.fixture(scope="module")
def values(data, fitted):
    return any_log.policy_values(fitted, data, 10)


def test_what_candidates_would_earn_is_within_three_standard_errors(log, data, fitted, values):
    lists, users = any_log.lists_of(fitted, data, 10)
    own_users = data.users["user_id"].to_numpy()[users]
    for name, items in lists.items():
        truth = log.value(own_users, data.items["item_id"].to_numpy()[items]).mean()
        found = values[values["generator"] == name]
        reach = 1.5 * (found["high"] - found["low"]) / 2  # three standard errors
        assert (abs(found["value"] - truth) < reach).all(), name
        assert (reach < 0.12).all()


def test_sentences_name_the_best_and_the_log(data, values):
    said = any_log.said_of_values(data, values)
    assert said[0].startswith("Most by dr: ") and "The log itself has 0." in said[0]
    assert any_log.UNIFORM not in said
    few = values.assign(effective=3.0)
    assert "as much as 3 rounds" in " ".join(any_log.said_of_values(data, few))


def test_without_an_oracle_numbers_and_tables_leave_the_truth_out(data, fitted):
    assert oracle_of(data) is None
    items = study.log_against_truth(data, None)
    assert items["relevance"].isna().all() and (items["taken"] <= items["shown"]).all()
    found = study.rank_correlations(items)
    assert 0 < found["top"] <= 1 and -1 <= found["taken"] <= 1
    judged = {"popularity": evaluation.judge(fitted["popularity"], data, k=10, cutoffs=[10])}
    table = evaluation.recall_estimates(judged, data, 10)
    assert {"plain", "weighed", "pooled"} <= study.preferred(table).keys()
    found = any_log.outcomes(judged, None, 10, "recall@10")["popularity"]
    assert np.array_equal(found, judged["popularity"].values("recall@10"))


def test_the_picture_shows_every_estimate_and_the_log(values):
    ax = plots.policy_values(values, k=10)
    shown = {text.get_text() for text in ax.get_legend().get_texts()}
    assert shown == {"as logged", "ips", "snips", "dr"}
    assert [t.get_text().partition("\n")[0] for t in ax.get_yticklabels()] == [
        "popularity",
        "random",
    ]
    plt.close("all")
