"""A process that reads folders as the command line does; a test sees whether one ends it.

Each line of standard input is a call and its arguments as JSON, each line of standard output how
it ended ("right", "refused" by an error of ours, "fault") and what came of it.
"""

import contextlib
import io
import json
import os
import sys
import time
import traceback

import numpy as np

from candgen import cli
from candgen.errors import CandgenError


def told(*arguments):
    """Call the command line; return what it printed, or raise its refusal."""
    out, err, sys.argv = io.StringIO(), io.StringIO(), ["candgen", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    if code == 2 and err.getvalue().startswith("candgen: "):
        raise CandgenError(err.getvalue())
    assert code in (0, None) and not err.getvalue(), (code, err.getvalue())
    return json.loads(out.getvalue())


def candidates(folder, *asked):
    return told("candidates", folder, *asked, "-k", "5", "--json")


def runs(project):
    os.chdir(project)
    return told("runs", "--json")


def dataset(folder):
    from candgen.datasets.dataset import open_dataset
    from candgen.datasets.description import content_digest

    data = open_dataset(folder)
    _ = repr(data), data.titles, data.history_matrix, data.for_validation().held_out_matrix
    return {name: content_digest(data.table(name)) for name in sorted(data.info["tables"])}


def index(folder):
    from candgen.retrieval import indexes

    found = indexes.load(folder)
    queries = np.random.default_rng(0).normal(size=(3, found.dim)).astype(np.float32)
    answer = found.query(queries, 5)
    assert len(np.unique(answer.items[0])) == 5 and answer.items.max() < found.n_items
    return answer.items.tolist()


def report(folder):
    from candgen import reports
    from candgen.reports import closing, leaderboard, overview, reading, results

    table = leaderboard.leaderboard(reading.read_sweep(folder))
    made = reports.open_report(folder)
    for section in (
        overview.opening, overview.datasets, overview.parameters, results.leaderboard,
        results.breadth, closing.failures, closing.recipe,
    ):  # fmt: skip
        _ = section(made).html
    return table.to_csv(index=False)


def command(project, *arguments):
    """Call the command line with input that is at fault; return what it printed, or refuse.

    A kernel that is about to start ends the call: what is wrong was not seen beforehand.
    """
    from candgen.sweeps import run_stage

    os.environ["CANDGEN_HOME"], run_stage.execute_stage = project, _started
    out, err, sys.argv = io.StringIO(), io.StringIO(), ["candgen", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    said = err.getvalue()
    if code in (1, 2) and said and "Traceback" not in said:
        raise CandgenError(said)
    assert code in (0, None), (code, said)
    return out.getvalue()


def _started(*_):
    raise SystemExit(0)


def table(path, settings):
    from candgen.datasets import tables

    found = tables.read(path=path, **settings).interactions
    return {name: found[name].tolist() for name in ("user", "item")}


def movielens(path):
    from candgen.datasets import movielens as reader

    return reader.read(path=path).interactions.to_csv(index=False)


def lists(path, folder):
    from candgen.datasets import open_dataset
    from candgen.evaluation import Candidates

    found = Candidates.load(path, open_dataset(folder))
    return [found.users.tolist(), found.items.tolist()]


def notebook(path):
    from candgen.sweeps.notebook_parameters import read_notebook

    return sorted(read_notebook(path).parameters)


def plan(path, project, *overrides):
    from candgen.sweeps.plan import read_plan

    os.environ["CANDGEN_HOME"] = project
    return read_plan(path, overrides).question


class Cost:
    """Return what a call needs."""

    def __init__(self):
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins anew
        self.began, self.held = time.process_time(), _mib("VmRSS")

    def so_far(self):
        return time.process_time() - self.began, _mib("VmHWM") - self.held


def _mib(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) / 1024


def main():
    calls = (
        candidates, runs, dataset, index, report, command, table, movielens, lists, notebook, plan,
    )  # fmt: skip
    cost = None
    known = {call.__name__: call for call in calls}
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        if name == "cost":
            print(json.dumps(["right", cost]), file=answers, flush=True)
            continue
        spent = Cost()
        try:
            answer = ["right", known[name](*arguments)]
        except CandgenError as error:
            answer = ["refused", str(error)]
        except BaseException:
            answer = ["fault", traceback.format_exc()]
        cost = spent.so_far()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
