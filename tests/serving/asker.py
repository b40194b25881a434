"""A process that reads folders as the command line does; a test sees whether one ends it.

Each line of standard input is a call and its arguments as JSON, each line of standard output how
it ended ("right", "refused" by an error of ours, "fault") and what came of it.
"""

import contextlib
import io
import json
import os
import sys
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


def main():
    calls = (candidates, runs, dataset, index, report)
    known = {call.__name__: call for call in calls}
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = ["right", known[name](*arguments)]
        except CandgenError as error:
            answer = ["refused", str(error)]
        except BaseException:
            answer = ["fault", traceback.format_exc()]
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
