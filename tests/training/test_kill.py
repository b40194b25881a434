"""A process that is killed while it trains, by the system and without warning."""

import signal
import subprocess
import sys

import numpy as np

from waiting import SECONDS

SCRIPT = """
import sys, time
import numpy as np
from candgen.training import EmbeddingTable, Learner, TrainingSettings, loop, train
from candgen.training.checkpoints import Checkpoint

loop._SECONDS_BETWEEN_CHECKPOINTS = 0.0
checkpoint, result, last_batch = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Noisy(Learner):
    n_examples = 40

    def __init__(self):
        self.tables = {"rows": EmbeddingTable(40, 4, seed=1)}
        self.batches = 0

    def learn(self, examples, weights, rate, rng):
        self.batches += 1
        if self.batches == last_batch:  # stuck in the middle of an epoch until it is killed
            print("stuck", flush=True)
            time.sleep(3600)
        gap = self.tables["rows"].gather(examples) - rng.normal(1, 0.3, (len(examples), 4))
        self.tables["rows"].add(examples, gap)
        return float((gap**2).mean())

    def scores(self, users):
        raise NotImplementedError

learner = Noisy()
settings = TrainingSettings(epochs=30, batch_size=8, learning_rate=0.05, schedule="cosine")
trained = train(learner, settings, checkpoint=Checkpoint(__import__("pathlib").Path(checkpoint)))
losses = np.array([epoch.loss for epoch in trained.history])
np.savez(result, rows=learner.tables["rows"].rows, losses=losses, resumed=trained.resumed_after)
"""


def start(checkpoint, result, last_batch=0, **streams) -> subprocess.Popen:
    arguments = [sys.executable, "-c", SCRIPT, checkpoint, result, last_batch]
    return subprocess.Popen([str(argument) for argument in arguments], **streams)


def test_after_kill_9_training_goes_on_to_the_very_same_result(tmp_path):
    whole = tmp_path / "whole.npz"
    assert start(tmp_path / "checkpoints" / "a.npz", whole).wait(timeout=SECONDS) == 0
    left = tmp_path / "checkpoints" / "b.npz"
    stuck = 3 * 5 + 2  # five batches an epoch
    victim = start(left, tmp_path / "never.npz", stuck, stdout=subprocess.PIPE)
    assert victim.stdout.readline() == b"stuck\n"  # or nothing, should it have died
    assert left.exists()
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert victim.returncode == -signal.SIGKILL
    assert not (tmp_path / "never.npz").exists()
    resumed = tmp_path / "resumed.npz"
    assert start(left, resumed).wait(timeout=SECONDS) == 0
    with np.load(whole) as expected, np.load(resumed) as found:
        assert found["resumed"] == 3
        np.testing.assert_array_equal(found["rows"], expected["rows"])
        np.testing.assert_array_equal(found["losses"], expected["losses"])
    assert not left.exists()  # a training that has ended needs none
