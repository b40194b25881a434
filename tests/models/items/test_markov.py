import numpy as np
import pandas as pd
import pytest
from contract import GeneratorContract

from candgen.datasets.dataset import write_dataset
from candgen.errors import ColdStartError, SettingError
from candgen.features import EventLog
from candgen.models import MarkovChain


class TestMarkovChain(GeneratorContract):
    def make(self, **settings):
        return MarkovChain(**{"last": 10, "fading": 1.0, "reach": 9, "smoothing": 1.0, **settings})


def dataset_of(folder, sequences, n_items=5, fold_in=()):
    """One sequence a user; rows come in an order that is not the order of time."""

    def events(of_users):
        rows = [(u, i, t) for u, items in of_users for t, i in enumerate(items)]
        return pd.DataFrame(rows[::-1], columns=["user", "item", "timestamp"])

    train = events(enumerate(sequences))
    n_users = len(sequences) + len(fold_in)
    tables = {
        "interactions": train,
        "train": train,
        "test": train[:1],
        "users": pd.DataFrame({"user": range(n_users), "user_id": range(n_users)}),
        "items": pd.DataFrame({"item": range(n_items), "item_id": range(n_items)}),
    }
    if fold_in:
        tables["fold_in"] = events(enumerate(fold_in, start=len(sequences)))
    return write_dataset(folder, tables, {"name": "sequences"})


SEQUENCES = [[0, 1, 2], [3, 1, 2], [4, 1, 0]]  # after 1 come 2, 2 and 0


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    fold_in = [[2, 1], [1, 0, 3, 1], [3]]
    return dataset_of(tmp_path_factory.mktemp("small"), SEQUENCES, fold_in=fold_in)


def chain(**settings):
    """Return a chain of first order, but for the settings named."""
    return MarkovChain(**{"last": 1, "reach": 1, **settings})


def test_what_followed_more_often_scores_higher(small):
    scores = chain(smoothing=0.0).fit(small).score([3])[0]  # the history ends with 1
    np.testing.assert_allclose(scores, [1 / 3, 0, 2 / 3, 0, 0], rtol=1e-6)


def test_only_the_last_item_counts_in_a_chain_of_first_order(small):
    model = chain(last=1).fit(small)
    np.testing.assert_array_equal(*model.score([3, 4]))  # both histories end with 1


def test_counts_are_pulled_towards_popularity_by_imagined_events(small):
    popularity = np.array([2, 3, 2, 1, 1]) / 9
    expected = (np.array([1, 0, 2, 0, 0]) + 4 * popularity) / (3 + 4)
    scores = chain(smoothing=4.0).fit(small).score([3])[0]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_an_item_that_nothing_followed_leads_to_popularity(small):
    scores = chain(smoothing=0.0).fit(small).score([0])[0]  # 2 always ends a sequence
    np.testing.assert_allclose(scores, np.array([2, 3, 2, 1, 1]) / 9, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 3.0])
def test_scores_are_probabilities(small, smoothing):
    model = chain(last=3, reach=2, smoothing=smoothing).fit(small)
    np.testing.assert_allclose(model.score(range(6)).sum(axis=1), 1, rtol=1e-5)


def test_older_items_have_a_fading_say(small):
    model = chain(last=2, fading=0.25, smoothing=0.0).fit(small)
    # User 4 ends with 3, then 1. After 3 comes 1 alone; the say is 1 : 1/4.
    expected = 0.8 * np.array([1 / 3, 0, 2 / 3, 0, 0]) + 0.2 * np.array([0, 1, 0, 0, 0])
    np.testing.assert_allclose(model.score([4])[0], expected, rtol=1e-6)


def test_a_longer_reach_counts_what_came_later_by_how_much_later(small):
    model = chain(reach=2, smoothing=0.0).fit(small)
    # After 3: 1 at once, 2 one place later, which counts half.
    np.testing.assert_allclose(model.score([5])[0], [0, 2 / 3, 1 / 3, 0, 0], rtol=1e-6)


def test_nobody_follows_across_users(small):
    model = chain(reach=5, smoothing=0.0).fit(small)
    assert model.transitions_[[2], :].nnz == 0  # user 0 ends with 2, user 1 begins with 3


def test_another_history_is_read_by_the_same_chain(small):
    model = chain(smoothing=0.0).fit(small)
    other = EventLog.of(pd.DataFrame({"user": [3, 3], "item": [1, 3]}), small.n_users)
    np.testing.assert_allclose(model.reading(other).score([3])[0], [0, 1, 0, 0, 0], rtol=1e-6)
    assert model.score([3])[0, 2] == pytest.approx(2 / 3)
    with pytest.raises(ColdStartError):
        model.reading(other).score([4])


def test_the_order_decides_and_not_the_set(tmp_path):
    data = dataset_of(tmp_path, SEQUENCES, fold_in=[[0, 1], [1, 0]])
    forth, back = chain(smoothing=0.1).fit(data).score([3, 4])
    assert forth.argmax() == 2 and back.argmax() == 1


@pytest.mark.parametrize("wrong", [{"last": 0}, {"reach": 0}, {"smoothing": -1}, {"fading": 1.5}])
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        MarkovChain(**wrong)
