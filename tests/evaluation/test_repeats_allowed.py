"""With `repeats: allow` every measure offers what users had, as generators do."""

import numpy as np
import pandas as pd
import pytest

from candgen import evaluation, models
from candgen.datasets import preparation
from candgen.datasets.world import oracle_of
from candgen.errors import SettingError
from candgen.evaluation.freshness import best_candidates
from candgen.evaluation.truth import best_true_relevance
from candgen.studies.filters_and_pools import filter_study
from candgen.studies.retrieval import losses

RULES = ("withhold", "allow")
SIZES = {"n_users": 80, "n_items": 50, "events_per_user": 12}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The same world with seen items left out, and with them left in."""
    folder = tmp_path_factory.mktemp("worlds")
    told = {"source": "world", "seed": 4, "split": "timeline", **SIZES}
    return {rule: preparation.prepare(folder / rule, repeats=rule, **told) for rule in RULES}


@pytest.fixture(scope="module")
def judged(made):
    """A generator, and its judgement, by rule."""
    fitted = {rule: models.TruncatedSVD(dim=6).fit(data) for rule, data in made.items()}
    return {rule: (model, evaluation.judge(model, k=10)) for rule, model in fitted.items()}


def seen(data, users, items):
    """Count the listed items that users had."""
    had = data.history_matrix[users].toarray() > 0
    return int(np.take_along_axis(had, np.maximum(items, 0), axis=1)[items >= 0].sum())


@pytest.mark.parametrize("rule", RULES)
def test_what_is_best_in_truth_is_among_the_items_that_may_be_offered(made, rule):
    data, users = made[rule], np.arange(40)
    oracle = oracle_of(data)
    best = best_candidates(users, data, oracle, 10)
    assert (seen(data, users, best.items) > 0) == (rule == "allow")
    relevance = oracle.relevance(users)
    if rule == "withhold":
        relevance[data.history_matrix[users].nonzero()] = 0
    expected = np.sort(relevance, axis=1)[:, -10:].mean(axis=1)
    np.testing.assert_allclose(best_true_relevance(users, data, oracle, 10), expected, rtol=1e-5)


def test_a_generator_lists_what_users_had(made, judged):
    for rule, (_, found) in judged.items():
        users, items = found.candidates.users, found.candidates.items
        assert (seen(made[rule], users, items) > 0) == (rule == "allow")


@pytest.mark.parametrize("rule", RULES)
def test_studies_of_search_offer_the_items_that_judging_offers(made, judged, rule):
    data, (model, found) = made[rule], judged[rule]
    users = np.sort(found.per_user["user"].to_numpy())
    told = {"days": 7, "half_life": 30.0, "weight": 0.1, "metric": "recall@10"}
    ways = filter_study.freshness(model, data, users, k=10, since="", **told).set_index("way")
    assert ways.loc["as found", "recall"] == pytest.approx(found.mean("recall@10"))
    picks = pd.DataFrame({"kind": ["exact", "faiss-hnsw"], "settings": [{}, {}]})
    options = {"metric": "recall@10", "margin": 0.005, "k": 10, "cutoffs": [10]}
    lost = losses.lost_to_approximation(model, data, picks, **options)
    assert lost["baseline_mean"].iloc[0] == pytest.approx(found.mean("recall@10"))


@pytest.mark.parametrize("name", ["exclude_seen", "filter_viewed"])
def test_the_name_that_other_libraries_use_leads_to_ours(name):
    with pytest.raises(SettingError, match="Prepare it with repeats: allow"):
        preparation.check_settings({name: False})
