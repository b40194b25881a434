import numpy as np
import pytest

from candgen.errors import SettingError, TrainingError
from candgen.training import EmbeddingTable, Learner, TrainingSettings, train
from candgen.training.checkpoints import Checkpoint
from candgen.training.schedules import rate_at


class Pull(Learner):
    """Each example pulls its own row towards 1; noise from the epoch's rng makes order matter."""

    def __init__(self, n_examples=10, noise=0.1):
        self.n_examples, self.noise = n_examples, noise
        self.tables = {"rows": EmbeddingTable(n_examples, 2, seed=3)}
        self.seen = []

    def learn(self, examples, weights, rate, rng):
        gap = self.tables["rows"].gather(examples) - 1
        gap += rng.normal(0, self.noise, gap.shape)
        self.tables["rows"].add(examples, gap * weights[:, None])
        self.seen.append(examples[weights > 0])
        return float((gap**2).sum(axis=1) @ weights / weights.sum())

    def scores(self, users):
        raise NotImplementedError


class Looks:
    """A watch that says what it was told to say."""

    def __init__(self, values):
        self.values = list(values)

    def measure(self, scores):
        return self.values.pop(0)


def settings(**changed) -> TrainingSettings:
    return TrainingSettings(**{"epochs": 6, "batch_size": 4, "learning_rate": 0.1, **changed})


def test_every_epoch_learns_every_example_once_whatever_the_batch_size():
    learner = Pull()
    train(learner, settings(epochs=2))
    of_epochs = np.split(np.concatenate(learner.seen), 2)
    for seen in of_epochs:
        assert sorted(seen.tolist()) == list(range(10))
    assert of_epochs[0].tolist() != of_epochs[1].tolist()


def test_the_loss_of_an_epoch_is_the_mean_over_examples():
    learner = Pull(noise=0.0)
    learner.tables["rows"].rows[:] = 0
    learner.tables["rows"].rows[0] = 1  # nothing to gain
    history = train(learner, settings(epochs=1)).history
    assert history[0].loss == pytest.approx(9 * 2 / 10, abs=1e-6)


class Killed(Exception):
    pass


def killed_after(n_epochs, path, monkeypatch):
    """Train with a checkpoint at each epoch until the process is said to be killed."""
    monkeypatch.setattr("candgen.training.loop._SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    learner, checkpoint = Pull(), Checkpoint(path)
    save = checkpoint.save

    def save_and_die(arrays, notes):
        save(arrays, notes)
        if len(notes["history"]) == n_epochs:
            raise Killed

    checkpoint.save = save_and_die
    looks = Looks([0.1, 0.4, 0.2, 0.3, 0.35, 0.1])
    with pytest.raises(Killed):
        train(learner, settings(patience=3), watch=looks, checkpoint=checkpoint)
    return looks


def test_a_killed_training_goes_on_to_the_same_result(tmp_path, monkeypatch):
    whole = Pull()
    values = [0.1, 0.4, 0.2, 0.3, 0.35, 0.1]
    expected = train(whole, settings(patience=3), watch=Looks(values))
    left = killed_after(3, tmp_path / "a.npz", monkeypatch)
    resumed = Pull()
    checkpoint = Checkpoint(tmp_path / "a.npz")
    found = train(resumed, settings(patience=3), watch=left, checkpoint=checkpoint)
    assert found.resumed_after == 3
    assert found.best_epoch == expected.best_epoch == 2
    assert [e.loss for e in found.history] == [e.loss for e in expected.history]
    np.testing.assert_array_equal(resumed.tables["rows"].rows, whole.tables["rows"].rows)
    assert not (tmp_path / "a.npz").exists()


def test_a_checkpoint_that_was_cut_off_is_not_believed(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    killed_after(2, path, monkeypatch)
    path.write_bytes(path.read_bytes()[:100])
    assert train(Pull(), settings(), checkpoint=Checkpoint(path)).resumed_after == 0


def test_training_stops_when_validation_gets_no_better_and_goes_back():
    learner, kept = Pull(), []
    looks = Looks([0.1, 0.5, 0.4, 0.5, 0.9, 0.9])
    measure = looks.measure

    def remember(scores):
        kept.append(learner.tables["rows"].rows.copy())
        return measure(scores)

    looks.measure = remember
    trained = train(learner, settings(patience=2), watch=looks)
    assert len(trained.history) == 4 and trained.best_epoch == 2
    np.testing.assert_array_equal(learner.tables["rows"].rows, kept[1])


def test_patience_counts_looks_and_not_epochs():
    looks = Looks([0.5, 0.4, 0.3])
    trained = train(Pull(), settings(epochs=20, patience=2, watch_every=3), watch=looks)
    assert len(trained.history) == 9 and trained.best_epoch == 3


def test_an_exploding_loss_names_the_batch_and_the_rate():
    learner = Pull()
    learner.tables["rows"].rows[7] = np.inf
    with pytest.raises(TrainingError, match=r"batch \d of 3 in epoch 1 .* rate of 0\.1.*0\.01"):
        train(learner, settings())


def test_the_rate_warms_up_and_falls_to_zero():
    chosen = settings(schedule="linear", warmup_steps=3)
    rates = [rate_at(step, 13, chosen) for step in range(14)]
    np.testing.assert_allclose(rates[:4], [0.025, 0.05, 0.075, 0.1])
    np.testing.assert_allclose(rates[3:], np.linspace(0.1, 0, 11))
    middle = rate_at(8, 13, settings(schedule="cosine", warmup_steps=3))
    assert middle == pytest.approx(0.05)
    assert rate_at(8, 13, settings()) == 0.1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": 0}, "learning_rate must be greater than 0"),
        ({"optimizer": "adan"}, "Did you mean 'adam'"),
        ({"watch": "recall"}, "recall@20"),
        ({"batch_size": 0}, "batch_size must be 1 or greater"),
    ],
)
def test_settings_out_of_range_are_refused(changed, message):
    with pytest.raises(SettingError, match=message):
        settings(**changed)
