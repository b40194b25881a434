"""Effects of samplers and of example weights on a learner."""

import numpy as np
import pytest

from candgen import evaluation
from candgen.datasets import preparation
from candgen.evaluation.beyond_accuracy import item_popularity
from candgen.evaluation.significance import bootstrap_intervals
from candgen.models import SoftmaxNetwork, TwoTower
from candgen.negatives import item_exposure
from candgen.training import checkpoints
from candgen.training.checkpoints import Checkpoint

IDS = {
    "query_inputs": ["history"], "item_inputs": ["id"], "dim": 8, "batch_size": 64, "hidden": [],
    "n_negatives": 1000, "history_length": 50, "id_at_least": 1, "negatives": "in-batch",
}  # fmt: skip
SMALL = {**IDS, "epochs": 3, "learning_rate": 0.02, "seed": 1}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    sizes = {"n_users": 150, "n_items": 100, "events_per_user": 15.0, "days": 90}
    return preparation.prepare(folder, source="world", seed=1, **sizes)


# --- log Q


def popularity_of_lists(world, **settings):
    """Mean popularity of each user's candidates, and the popularity bias of all."""
    towers = {**IDS, "epochs": 4, "learning_rate": 0.02, "temperature": 0.2, "seed": 2, **settings}
    model = TwoTower(**towers).fit(world)
    found = evaluation.judge(model, world, k=10, cutoffs=[10])
    items = found.candidates.for_users(found.per_user["user"].to_numpy())
    return item_popularity(world)[items].mean(axis=1), found.mean("popularity_bias@10")


@pytest.mark.parametrize("kind", ["in-batch", "cross-batch"])
def test_log_q_moves_the_popularity_of_candidates_towards_that_of_histories(world, kind):
    """Frequent items are frequent negatives; taken for distaste, that drives them off the lists.

    With the sign of log Q reversed they are driven off for good, and this test fails.
    """
    plain, bias = popularity_of_lists(world, negatives=kind, correction=False)
    right, less_bias = popularity_of_lists(world, negatives=kind, correction=True)
    assert abs(less_bias - 1) < abs(bias - 1)
    towards = np.sign(1 - bias) * (right - plain)  # user by user, above 0 if towards 1
    low, _ = bootstrap_intervals(towards[:, None], seed=0)
    assert low[0] > 0


# --- checkpoints


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "settings",
    [
        {"model": TwoTower, "negatives": "cross-batch", "memory": 3},
        {"model": SoftmaxNetwork, "negatives": "mixed", "n_negatives": 20, "examples_per_user": 8},
    ],
    ids=["memory", "estimated frequencies"],
)
def test_what_the_sampler_remembers_survives_a_kill(world, tmp_path, monkeypatch, settings):
    """`examples_per_user` has frequencies estimated from the stream of batches."""
    make = settings.pop("model")
    whole = make(**{**SMALL, **settings}).fit(world)
    save = Checkpoint.save

    def save_and_die(checkpoint, arrays, notes):
        save(checkpoint, arrays, notes)
        raise Killed

    monkeypatch.setattr("candgen.training.loop._SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    checkpoints.keep_in(tmp_path)
    try:
        with monkeypatch.context() as dying:
            dying.setattr(Checkpoint, "save", save_and_die)
            with pytest.raises(Killed):
                make(**{**SMALL, **settings}).fit(world)
        resumed = make(**{**SMALL, **settings}).fit(world)
    finally:
        checkpoints.keep_in(None)
    assert resumed.resumed_after_ == 1
    np.testing.assert_array_equal(resumed.item_vectors(), whole.item_vectors())
    assert [e.loss for e in resumed.history_] == [e.loss for e in whole.history_]


# --- weights by exposure


@pytest.mark.parametrize("make", [TwoTower, SoftmaxNetwork])
def test_without_power_exposure_changes_nothing_to_the_bit(world, make):
    plain = make(**SMALL).fit(world)
    weighed = make(**SMALL, exposure_power=0.0, exposure_clip=2.0).fit(world)
    np.testing.assert_array_equal(plain.item_vectors(), weighed.item_vectors())
    other = make(**SMALL, exposure_power=0.5).fit(world)
    assert np.abs(other.item_vectors() - plain.item_vectors()).max() > 1e-3


@pytest.mark.parametrize("make", [TwoTower, SoftmaxNetwork])
def test_the_loss_of_a_batch_is_weighed_by_exposure_and_padding_stays_out(world, make):
    """Against the losses of its examples, learned one at a time with nothing moved."""
    settings = {**SMALL, "id_dropout": 0.0, "negatives": "all", "correction": False}
    weighed, plain = (make(**settings, exposure_power=p) for p in (1.0, 0.0))
    for model in (weighed, plain):
        chosen = model._inputs_of(world) if make is SoftmaxNetwork else (["history"], ["id"])
        model.query_inputs_, model.item_inputs_ = chosen
    one, other = weighed._learner(world), plain._learner(world)
    examples, rng = np.arange(64), np.random.default_rng(0)
    padding = (np.arange(64) < 5).astype(np.float32)
    found = one.learn(examples, padding, 0.0, rng)
    alone = [other.learn(examples, (np.arange(64) == n).astype(np.float32), 0.0, rng)
             for n in range(5)]  # fmt: skip
    shown = item_exposure(world)[one.log.items[:5]]
    assert len(set(shown)) > 1
    np.testing.assert_allclose(found, np.average(alone, weights=1 / shown), rtol=1e-5)


def test_weights_by_exposure_bring_up_what_was_seldom_shown(world):
    plain, _ = popularity_of_lists(world, negatives="all", correction=False)
    weighed, _ = popularity_of_lists(world, negatives="all", correction=False, exposure_power=1.0)
    _, high = bootstrap_intervals((weighed - plain)[:, None], seed=0)
    assert high[0] < 0
