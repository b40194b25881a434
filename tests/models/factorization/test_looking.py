"""Factorizations that look at validation while they are trained, as in a search."""

import numpy as np
import pytest

from candgen import evaluation
from candgen.datasets.dataset import write_dataset
from candgen.models import WALS, LogisticFactorization, SGDFactorization
from candgen.training import steps

EPOCHS = 5


@pytest.fixture(params=[WALS, SGDFactorization, LogisticFactorization], ids=lambda kind: kind.name)
def make(request):
    return lambda **settings: request.param(dim=6, epochs=EPOCHS, **settings)


class TestLooking:
    def test_it_writes_a_step_an_epoch_and_learns_the_same(self, make, late_world, tmp_path):
        plain = make().fit(late_world.for_validation())
        steps.keep_in(tmp_path)
        watched = make(watch_always=True).fit(late_world.for_validation())
        steps.keep_in(None)
        found = steps.read(tmp_path, watched.name)
        assert [epoch for epoch, _ in found] == [1, 2, 3, 4, 5]
        assert len({value for _, value in found}) > 1
        assert (list(watched.watched_), list(plain.watched_)) == (found, [])
        users = np.flatnonzero(np.diff(late_world.train_matrix.indptr))
        np.testing.assert_array_equal(plain.user_vectors(users), watched.user_vectors(users))
        np.testing.assert_array_equal(plain.item_vectors(), watched.item_vectors())

    def test_its_last_step_is_what_judging_finds(self, make, late_world, tmp_path):
        validation = late_world.for_validation()
        steps.keep_in(tmp_path)
        model = make(watch_always=True, watch="ndcg@10", watch_every=2).fit(validation)
        steps.keep_in(None)
        found = steps.read(tmp_path, model.name)
        assert [epoch for epoch, _ in found] == [2, 4, 5]
        judged = evaluation.judge(model, validation, k=10).mean("ndcg@10")
        assert found[-1][1] == pytest.approx(judged, rel=1e-6)

    def test_it_never_looks_at_test(self, make, late_world, tmp_path):
        steps.keep_in(tmp_path)
        make(watch_always=True).fit(late_world.for_test())
        steps.keep_in(None)
        assert not (tmp_path / steps.STEPS).exists()


def test_users_who_fold_in_are_not_looked_at(taste_world, tmp_path):
    tables = {name: taste_world.table(name) for name in taste_world.info["tables"]}
    folder = tmp_path / "dataset"
    data = write_dataset(folder, tables | {"validation": tables["test"]}, {"name": "folding"})
    data = data.for_validation()
    steps.keep_in(tmp_path)
    model = WALS(dim=2, epochs=1, watch_always=True, watch="recall@10").fit(data)
    steps.keep_in(None)
    per_user = evaluation.judge(model, data, k=10).per_user.set_index("user")
    trained = np.diff(data.train_matrix.indptr)[per_user.index] > 0
    recall = per_user["recall@10"]
    assert 0 < recall[trained].mean() != recall.mean()
    assert steps.read(tmp_path, "WALS") == [(1, pytest.approx(recall[trained].mean()))]
