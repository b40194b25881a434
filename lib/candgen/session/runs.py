"""A run: one page, one set of parameters, one folder that keeps what happened.

A page opens its run, shows its argument, and records the result:

    run = session.open_run()
    data = session.open_dataset(dataset, evaluate_on=evaluate_on)
    ...
    run.record(found, baselines=[popular], model=model)

Every file appears whole or not at all, `metrics.json` last.
"""

from __future__ import annotations

import json
import math
import numbers
import os
import re
import string
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candgen import checks, files, locks
from candgen.errors import DataError, SettingError
from candgen.records import fault_of
from candgen.session import (
    environment,
    notebook_name,
    paths,
    recent_baseline,
    run_files,
    saved_figures,
)
from candgen.session.needs import refuse_lacking
from candgen.session.records import Pool
from candgen.session.run_files import (
    ENVIRONMENT,
    METRICS,
    PARAMETERS,
    PER_USER,
    POOL,
    QUERY_TOWER,
    REPRODUCED,
    VECTORS,
    slug,
)
from candgen.text import markdown, tables
from candgen.training import checkpoints, steps
from candgen.training.progress import BATCH

if TYPE_CHECKING:
    import pandas as pd

    from candgen.datasets import Dataset
    from candgen.evaluation import Judgement
    from candgen.models import Generator

FORMAT = 1
DEFAULT_DATASET = "world"
_DPI = 144  # of saved figures

_NUMBER_KEYS = {"name": str, "printed": numbers.Real, "ours": numbers.Real, "why": str}
_current: Run | None = None  # the run of this kernel's page


def open_run(*, records: bool = True) -> Run:
    """Open the run of the notebook that calls this: read and check its parameters, write them.

    The parameters are the annotated names of the caller, with the values they have now; papermill
    changes the values and leaves the annotations. The folder is the parameter `run_folder` if it
    is set, as in a sweep, else `outputs/scratch/<notebook>`: a copied notebook has a folder of its
    own. Results of an earlier run in the same folder are removed, so nothing old passes for new.

    Args:
        records: Whether the page records a result. A page that should and ends without one has
            failed. One that only reads, such as a report, says `open_run(records=False)`.

    Raises:
        SettingError: If a parameter has the wrong type or cannot be written as JSON.
        DataError: If the folder holds something else than a run.
        BusyError: If the folder lies in that of a sweep that is at work.
    """
    global _current
    namespace = sys._getframe(1).f_globals
    parameters = read_parameters(namespace)
    page = notebook_name.of_caller(namespace)
    run = Run(paths.run_folder(page, parameters.get("run_folder", "")), parameters, records)
    if not os.environ.get(BATCH):  # else it is the sweep or the command that holds the locks
        for lock in run_files.locks_around(run.folder):
            with locks.locked(lock):
                pass
    run_files.claim(run.folder)
    run_files.forget_results(run.folder)
    run_files.mark(run.folder)
    checkpoints.keep_in(run.folder / "checkpoints")  # left there only by a run that was killed
    steps.keep_in(run.folder)
    files.write_json(run.folder / PARAMETERS, parameters)
    files.write_json(run.folder / ENVIRONMENT, environment.describe(parameters))
    tables.keep_text()
    _current = run
    return run


def open_dataset(
    name_or_folder: str | Path = DEFAULT_DATASET,
    evaluate_on: str = "test",
    *,
    needs: Sequence[str] = (),
) -> Dataset:
    """Open a prepared dataset by name or folder; the default world is prepared if need be.

    Args:
        name_or_folder: A folder, or a name under `outputs/datasets` or in a sweep.
        evaluate_on: "validation" while settings are being chosen, "test" afterwards.
        needs: What the page needs beside events: some of impressions, oracle and times.

    Raises:
        DataError: If there is no such dataset, or it is damaged, or lacks what is needed.
        SettingError: If `evaluate_on` is neither of the two.
    """
    from candgen import datasets

    check_evaluate_on(evaluate_on)
    if str(name_or_folder) == DEFAULT_DATASET:
        folder = _default_world()
    else:
        folder = paths.find_dataset(name_or_folder)
    if folder is None:
        raise paths.no_such_dataset(name_or_folder)
    found = datasets.open_dataset(folder)
    if needs:
        refuse_lacking(needs, found.folder, found.info)
    return opened(found, evaluate_on)


def check_evaluate_on(evaluate_on: str) -> None:
    """Check the name of the part to judge on.

    Raises:
        SettingError: If it is neither "validation" nor "test".
    """
    if evaluate_on not in ("validation", "test"):
        raise SettingError(f'evaluate_on must be "validation" or "test", got {evaluate_on!r}.')


def opened(data: Dataset, evaluate_on: str) -> Dataset:
    """Return a dataset with the part to judge on, and note it in this notebook's run."""
    data = data.for_validation() if evaluate_on == "validation" else data.for_test()
    if _current is not None:
        _current.datasets.append(data)
    return data


class Run:
    """The folder of one run, and the ways to fill it."""

    def __init__(self, folder: Path, parameters: dict[str, Any], records: bool = True) -> None:
        self.folder = folder
        self.parameters = parameters
        self.records = records
        self.datasets: list[Dataset] = []  # in the order the page opened them
        self._reproduced: list[dict[str, Any]] = []

    def figure(self, drawing: Any, name: str) -> None:
        """Save a figure as `figures/<name>.png`; the notebook shows it once, by itself.

        Args:
            drawing: Axes, an array of Axes, a Figure or a seaborn grid.
            name: Letters, digits, `-` and `_`.
        """
        if not re.fullmatch(r"[\w-]+", name, flags=re.ASCII):
            raise SettingError(f"A figure's name has letters, digits, - and _ only, got {name!r}.")
        if hasattr(drawing, "flat"):
            drawing = drawing.flat[0]
        figure = drawing if hasattr(drawing, "savefig") else drawing.figure
        with self.appearing(f"figures/{name}.png") as passing:
            figure.savefig(passing, format="png", dpi=_DPI, bbox_inches="tight")
            saved_figures.show_saved(figure, passing.read_bytes(), _DPI)

    def say(self, sentence: str, **values: Any) -> None:
        """Show a sentence of Markdown with computed values in it.

        Args:
            sentence: Markdown with `{name:format}` fields: names from `values`, or parameters.
            values: What was computed. Text among them, such as a title, is shown as it is,
                whatever Markdown or HTML it contains.
        """
        from IPython.display import Markdown, display

        known = {**self.parameters, **self._part(), **values}
        display(Markdown(_Sentence().format(sentence, **known)))

    def _part(self) -> dict[str, str]:
        """Name the judged part as tables do, where a sentence uses the parameter `evaluate_on`."""
        parts = {data.judged_on for data in self.datasets}
        return {"evaluate_on": parts.pop()} if len(parts) == 1 else {}

    def record_reproduced(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write printed numbers and ours beside them to `reproduced.json`.

        Args:
            rows: One dict a number: `name` (once a notebook), `printed` and `ours` (finite
                numbers), `why` (why they differ, "" if they do not). Where the printed number
                rests on an unknown random start, `starts` lists ours from several starts. Later
                calls add rows.

        Raises:
            SettingError: If a key is missing or unknown, a value of the wrong type or a name
                given twice.
        """
        kept = [*self._reproduced, *(_checked_number(row) for row in rows)]
        names = [row["name"] for row in kept]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise SettingError(f"Each number is recorded once, but {repeated} came several times.")
        files.write_json(self.folder / REPRODUCED, kept)
        self._reproduced = kept

    def record_pool(
        self,
        *,
        metric: str,
        k: int,
        learned_from: int,
        worth: pd.DataFrame,
        sizes: pd.DataFrame,
        importance: pd.DataFrame,
    ) -> None:
        """Write what a ranker made of a pool of candidates to `pool.json`.

        Args:
            metric: Of the ranked list, such as "ndcg@10".
            k: Size of the pool, items a user.
            learned_from: Users of validation that the ranker learned from.
            worth: One row a generator: `generator`, `adds`, `low`, `high` and `recall_adds`.
            sizes: One row a size of pool: `k`, `recall`, `ranked`, `low`, `high`, `fused` and
                `ceiling`.
            importance: One row a feature: `feature`, `drop`, `low` and `high`.

        Raises:
            DataError: If a table lacks a column, or a number is not finite.
        """
        told = {"worth": worth, "sizes": sizes, "importance": importance}
        found = {"format": FORMAT, "metric": metric, "k": k, "learned_from": learned_from}
        found |= {name: json_ready(table.to_dict("records")) for name, table in told.items()}
        if fault := fault_of(found, Pool):
            raise DataError(f"The record of the pool is at fault: {fault}")
        files.write_json(self.folder / POOL, found)

    def record(
        self,
        *judgements: Judgement,
        baselines: Sequence[Judgement] = (),
        model: Generator | None = None,
        dataset: Dataset | None = None,
    ) -> None:
        """Write the results: metrics, per-user metrics, candidates and vectors.

        Args:
            judgements: The run's own generators; each name once.
            baselines: What they are measured against. One that is the run's own generator with
                the same settings is left out. Where popularity is recorded on a dataset split at a
                date, RecentPopularity is judged and recorded, too.
            model: The fitted generator; its vectors are kept if it has any, and what it measured
                on validation after each epoch, as `curve` of its row in `metrics.json`.
            dataset: What was judged on; needed only if the notebook opened several datasets.

        Raises:
            DataError: If the results contradict themselves, such as a recall above 1.
        """
        data = dataset if dataset is not None else self._only_dataset()
        own = [(found.generator, found.settings) for found in judgements]
        others = [b for b in baselines if (b.generator, b.settings) not in own]
        others += recent_baseline.beside([*judgements, *others], data)
        _check_results(judgements, others)
        self._write_per_user([*judgements, *others])
        for found in judgements:
            suffix = "" if len(judgements) == 1 else f"-{slug(found.generator)}"
            with self.appearing(f"candidates{suffix}.parquet") as passing:
                found.candidates.save(passing, data)
        if model is not None and model.has_vectors:
            self._write_vectors(model, data)
        rows = [self._row(found, baseline=False) | _curve(found, model) for found in judgements]
        rows += [self._row(found, baseline=True) for found in others]
        described = {
            "name": data.name,
            "digest": data.digest,
            "folder": str(data.folder),
            "evaluate_on": data.evaluate_on,
            "judged_on": data.judged_on,
        }
        metrics = {"format": FORMAT, "dataset": described, "generators": rows}
        files.write_json(self.folder / METRICS, json_ready(metrics))

    @contextmanager
    def appearing(self, name: str) -> Iterator[Path]:
        """Give a passing path for a result of this run, which the block fills.

        The ledger notes the file as the run's own: its digest counts when the run is done, and
        the next run in this folder removes it.

        Args:
            name: Of the file, in the run's folder.
        """
        run_files.note(self.folder, name)
        with files.appearing(self.folder / name) as passing:
            yield passing

    def _only_dataset(self) -> Dataset:
        digests = {(data.digest, data.evaluate_on) for data in self.datasets}
        if len(digests) != 1:
            raise SettingError(
                f"The notebook opened {len(digests)} datasets; say which one was judged on: "
                "run.record(..., dataset=data)."
            )
        return self.datasets[-1]

    def _row(self, found: Judgement, *, baseline: bool) -> dict[str, Any]:
        # Memory belongs to the process, hence to the run's own generator and not to a baseline.
        memory = None if baseline else peak_memory_mib()
        named = {"generator": found.generator, "baseline": baseline, "settings": found.settings}
        return {**named, **found.row(), "peak_memory_mib": memory, "counts": found.counts}

    def _write_per_user(self, judgements: Sequence[Judgement]) -> None:
        import pandas as pd

        frames = []
        for found in judgements:
            frame = found.per_user.reset_index(drop=True)
            frame.insert(0, "generator", found.generator)
            frames.append(frame)
        with self.appearing(PER_USER) as passing:
            pd.concat(frames, ignore_index=True).to_parquet(passing, index=False)

    def _write_vectors(self, model: Generator, data: Dataset) -> None:
        import numpy as np

        users = np.flatnonzero(np.diff(data.history_matrix.indptr)).astype(np.int32)
        vectors = {
            "users": users,  # the rows of user_vectors; users without a history have none
            "user_vectors": model.user_vectors(users),
            "item_vectors": model.item_vectors(),
            "similarity": np.array(model.searched_by),
        }
        files.write_arrays(self.folder / VECTORS, vectors)
        if model.computes_queries:
            files.write_arrays(self.folder / QUERY_TOWER, model.portable_queries())


def read_parameters(namespace: dict[str, Any]) -> dict[str, Any]:
    """Read the annotated names of a notebook with their present values, checked.

    Raises:
        SettingError: If a value is missing, of another type than annotated, or not JSON.
    """
    parameters = {}
    for name, annotation in namespace.get("__annotations__", {}).items():
        if name.startswith("_"):
            continue
        if name not in namespace:
            raise SettingError(f"Parameter {name!r} has a type but no value. Give it a default.")
        parameters[name] = checked(name, namespace[name], annotation)
    return parameters


def checked(name: str, value: Any, annotation: Any) -> Any:
    """Return a parameter's value if it fits its annotation and JSON; an int passes for a float.

    Raises:
        SettingError: Naming the parameter, the type expected and the value that arrived.
    """
    checks.checked(name, value, annotation)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise SettingError(
            f"{name} must be a value that JSON can hold, got {value!r}. "
            "Use plain numbers, text, lists and dictionaries."
        ) from None
    return value


def json_ready(value: Any) -> Any:
    """Turn NumPy values, tuples and paths into JSON types; NaN and infinity become None."""
    if isinstance(value, dict):
        return {str(key): json_ready(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(held) for held in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return json_ready(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def peak_memory_mib() -> float:
    """Return the most memory this process has held so far, in MiB."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _curve(found: Judgement, model: Generator | None) -> dict[str, Any]:
    """Return the learning curve for the row of the model's own judgement; else nothing."""
    if model is None or not model.watched_:
        return {}
    if (found.generator, found.settings) != (model.name, model.settings):
        return {}
    points = [[epoch, value] for epoch, value in model.watched_ if math.isfinite(value)]
    return {"curve": {"metric": model.settings["watch"], "points": points}}


class _Sentence(string.Formatter):
    """Formats numbers as told, and keeps text from being read as Markdown or HTML."""

    def format_field(self, value: Any, format_spec: str) -> str:
        shown = super().format_field(value, format_spec)
        is_number = isinstance(value, numbers.Number)  # NumPy's numbers, too
        return shown if is_number else markdown.as_text(shown)


def _check_results(judgements: Sequence[Judgement], baselines: Sequence[Judgement]) -> None:
    if not judgements:
        raise SettingError("run.record needs at least one judgement of the run's own generator.")
    names = [found.generator for found in (*judgements, *baselines)]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(
            f"Each generator is recorded once, but {repeated} came several times. "
            "Runs that differ in settings belong in runs of their own."
        )
    for found in (*judgements, *baselines):
        if not len(found.per_user):
            raise DataError(f"{found.generator} was judged on no user at all; check the split.")
        for metric in ("recall", "ndcg", "precision", "hit_rate", "mrr", "map"):
            for column in found.per_user.columns:
                if not str(column).startswith(f"{metric}@"):
                    continue
                values = found.per_user[column].dropna()
                if len(values) and not (values.min() >= 0 and values.max() <= 1 + 1e-6):
                    raise DataError(
                        f"{found.generator}: {column} must lie in 0 .. 1, "
                        f"got {values.min()} .. {values.max()}. The judging is at fault."
                    )


def _checked_number(row: dict[str, Any]) -> dict[str, Any]:
    starts = row.get("starts")
    if starts is not None:
        rest = {key: value for key, value in row.items() if key != "starts"}
        each = [_checked_number({**rest, "ours": value})["ours"] for value in starts]
        return _checked_number(rest) | {"starts": each}
    if set(row) != set(_NUMBER_KEYS):
        raise SettingError(
            f"A reproduced number has the keys {', '.join(_NUMBER_KEYS)}, "
            f"got {', '.join(map(str, row))}."
        )
    for key, kind in _NUMBER_KEYS.items():
        value = row[key].item() if hasattr(row[key], "item") else row[key]  # NumPy's numbers
        fits = isinstance(value, kind) and not isinstance(value, bool)
        if not fits or (kind is numbers.Real and not math.isfinite(value)):
            expected = "text" if kind is str else "a finite number"
            raise SettingError(
                f"Reproduced number {row['name']!r}: {key} must be {expected}, got {row[key]!r}."
            )
    if not row["name"].strip():
        raise SettingError("A reproduced number needs a name, got an empty one.")
    return {key: row[key] if kind is str else float(row[key]) for key, kind in _NUMBER_KEYS.items()}


def _default_world() -> Path:
    from candgen.datasets import preparation

    folder = paths.outputs_folder() / "datasets" / DEFAULT_DATASET
    with locks.locked(folder.parent / f".{DEFAULT_DATASET}.lock", wait=True):
        if not (folder / paths.DATASET_FILE).is_file():  # it appears last, so it means all of it
            preparation.prepare(folder, source="world", name=DEFAULT_DATASET)
    return folder
