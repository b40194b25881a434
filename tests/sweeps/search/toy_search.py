"""A page with two settings, a sweep that searches them, and a stand-in for kernels."""

import math
from pathlib import Path

from candgen import files
from candgen.session import run_files, status

PAGE = """\
dataset: str = "world"
evaluate_on: str = "test"
dim: int = 8  # length of a vector
rate: float = 0.5
loss: str = "softmax"
cutoffs: list = [10, 20]
seed: int = 0
run_folder: str = ""
"""
SWEEP = """\
notebook: notebooks/30_toy.ipynb
retries: 0
datasets:
  world: {n_users: 30}
budget: {trials: TRIALS, sampler: SAMPLER, pruning: PRUNING}
runs:
  toy:
    search: {dim: {int: [2, 64], log: true}, rate: {float: [0.01, 1.0]}, loss: [softmax, bpr]}
"""


class Silent:
    """A view that shows nothing and remembers what was said."""

    said: list

    def __init__(self, records, workers):
        self.records, self.workers = records, workers
        Silent.said = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def started(self, record):
        pass

    progressed = ended = started

    def say(self, text):
        self.said.append(text)


def value_of(parameters) -> float:
    """Return what a run reaches: best at a dim of 24, a rate of 0.3 and bpr."""
    far = math.log2(parameters.get("dim", 8) / 24) ** 2 / 20
    far += (parameters.get("rate", 0.5) - 0.3) ** 2
    return 0.8 - far + 0.05 * (parameters.get("loss", "softmax") == "bpr")


class Toy:
    """Stands in for kernels: runs end at once, with a result that follows from the settings."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, dict]] = []
        self.fails = lambda parameters: False
        self.steps = lambda parameters: []
        self.heavy: tuple[str, ...] = ()  # names of large files that a run leaves

    def __call__(self, notebook, parameters, folder, *, fingerprint, stop_when, **_):
        folder = Path(folder)
        self.ran.append((folder.relative_to(Path.cwd()).as_posix(), parameters))
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("notebook.ipynb", "page.html"):
            (folder / name).write_text("x")
        found = {"state": "done", "fingerprint": fingerprint, "wall_seconds": 2.0, "error": None}
        if "n_users" in parameters:
            info = {"format": 1, "name": "world", "digest": "d1", "tables": {}}
            files.write_json(folder / "dataset.json", info)
        elif self.fails(parameters):
            error = {"name": "ValueError", "message": "it fell over", "cell": 2}
            found |= {"state": "failed", "error": error}
        else:
            self._train(parameters, folder)
            for name in self.heavy:
                run_files.note(folder, name)
                (folder / name).write_text("many numbers")
            found["files"] = run_files.describe(folder)
        status.write(folder, found)
        return found

    def _train(self, parameters, folder) -> None:
        if steps := self.steps(parameters):
            known = {"format": 1, "trainings": {"Toy": [[n, v] for n, v in enumerate(steps, 1)]}}
            files.write_json(folder / "steps.json", known)
        row = {"generator": "toy", "baseline": False, "recall@20": value_of(parameters)}
        judged = {"digest": "d1", "evaluate_on": parameters.get("evaluate_on", "test")}
        metrics = {"format": 1, "dataset": judged, "generators": [row]}
        files.write_json(folder / "metrics.json", metrics)

    def trials(self) -> list[str]:
        """Folders of the trials that ran, in order."""
        return [folder for folder, _ in self.ran if "trials/" in folder]


def told(found) -> list:
    """Return what must be the same after a kill: each trial's settings, state and value."""
    return [
        (trial["number"], trial["params"], trial["state"], trial["value"], trial["steps"])
        for trial in found["trials"]
    ]
