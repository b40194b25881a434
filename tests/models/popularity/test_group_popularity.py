from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from contract import GeneratorContract

from candgen.errors import SettingError
from candgen.models import GroupPopularity, Popularity


@pytest.fixture(scope="session")
def taste_world(taste_world):
    """The taste world, whose users say what they like."""
    users = taste_world.users.assign(likes=[f"taste {u % 6}" for u in range(taste_world.n_users)])
    return replace(taste_world, _tables={**taste_world._tables, "users": users})


class TestGroupPopularity(GeneratorContract):
    def make(self, **settings):
        return GroupPopularity(**settings)


def table(data, **columns):
    return replace(data, _tables={**data._tables, "users": data.users.assign(**columns)})


def test_one_column_without_trust_is_popularity_within_the_group(taste_world):
    model = GroupPopularity(columns=["likes"], trust=0.0).fit(taste_world)
    of_group = taste_world.train[taste_world.train["user"] % 6 == 2]
    counts = of_group["item"].value_counts()
    n_group = of_group["user"].nunique()
    scores = np.exp(model.score([2], counts.index.to_numpy())[0])
    np.testing.assert_allclose(scores, counts / n_group, rtol=1e-4)


def test_much_trust_is_popularity_of_everybody(taste_world):
    model = GroupPopularity(trust=1e9).fit(taste_world)
    shares = Popularity().fit(taste_world).score([0])[0] / (taste_world.n_users - 13)
    known = model.known_items_
    np.testing.assert_allclose(np.exp(model.score([0])[0][known]), shares[known], rtol=1e-4)


def test_numbers_are_cut_into_groups_of_about_as_many_users(taste_world):
    aged = table(taste_world, age=np.arange(taste_world.n_users, dtype=float))
    model = GroupPopularity(columns=["age"], bins=3).fit(aged)
    sizes = np.bincount(model._groups[0][: taste_world.n_users - 13])
    assert sizes[0] == 0 and len(sizes) == 4 and np.ptp(sizes[1:]) <= 2


def test_who_says_nothing_or_something_new_gets_what_everybody_gets(taste_world):
    said = taste_world.users["likes"].astype(object).copy()
    said.iloc[-1], said.iloc[-2] = None, "nothing that was met before"
    model = GroupPopularity().fit(table(taste_world, likes=pd.Series(said)))
    silent, strange = model.score([taste_world.n_users - 1, taste_world.n_users - 2])
    crowd = Popularity().fit(taste_world).score([0])[0]
    known = model.known_items_
    np.testing.assert_array_equal(silent, strange)
    assert (
        np.argsort(silent[known], kind="stable") == np.argsort(crowd[known], kind="stable")
    ).all()


def test_columns_that_are_not_there_are_named(taste_world):
    with pytest.raises(SettingError, match="Did you mean 'likes'"):
        GroupPopularity(columns=["like"]).fit(taste_world)


def test_users_of_whom_nothing_is_told_make_no_groups(taste_world):
    bare = taste_world.users[["user", "user_id"]]
    silent = replace(taste_world, _tables={**taste_world._tables, "users": bare})
    with pytest.raises(SettingError, match="Use popularity"):
        GroupPopularity().fit(silent)


def test_columns_speak_independently_of_each_other(taste_world):
    both = table(taste_world, old=[u % 4 == 0 for u in range(taste_world.n_users)])
    alone = [GroupPopularity(columns=[c]).fit(both).score([5, 8]) for c in ("likes", "old")]
    plain = GroupPopularity(trust=1e9).fit(both).score([5, 8])
    together = GroupPopularity(columns=["likes", "old"]).fit(both).score([5, 8])
    known = together[0] > -np.inf
    expected = alone[0][:, known] + alone[1][:, known] - plain[:, known]
    np.testing.assert_allclose(together[:, known], expected, atol=1e-4)


def test_a_missing_number_is_no_large_one(taste_world):
    ages = np.arange(taste_world.n_users, dtype=float)
    ages[-1] = np.nan
    model = GroupPopularity(columns=["age"], bins=3).fit(table(taste_world, age=ages))
    silent, oldest = model.score([taste_world.n_users - 1, taste_world.n_users - 2])
    shares = Popularity().fit(taste_world).score([0])[0] / (taste_world.n_users - 13)
    known = model.known_items_
    np.testing.assert_allclose(np.exp(silent[known]), shares[known], rtol=1e-4)
    assert not np.allclose(silent[known], oldest[known])
