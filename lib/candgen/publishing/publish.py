"""Publish a finished sweep to a place that is named like a URL.

| place | what goes there |
|---|---|
| `mlflow:URI` | parameters, metrics and pages of each run, in an experiment of the sweep's name |
| `wandb:FOLDER` | the same, in Weights & Biases' offline format; `wandb sync` sends it |
| any URL that fsspec knows | report, tables, and the runs' pages, metrics and candidates |
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from candgen import folders
from candgen.errors import CandgenError, DataError, SettingError
from candgen.publishing.published_runs import SOURCE, PublishedRun, published_runs
from candgen.reports.reading import PLAN, Sweep, read_sweep
from candgen.reports.report_file import REPORT, is_made

_TABLES = ("leaderboard.csv", "trials.csv", "reproduced.csv")
_OF_A_RUN = (
    "page.html", "metrics.json", "params.json", "status.json", "environment.json",
    "per_user.parquet", "candidates.parquet",
)  # fmt: skip
_MOST_TEXT = 6000  # characters of a parameter, as MLflow allows


def publish(sweep: Path | str, place: str) -> int:
    """Publish a sweep; what is there already is left as it is.

    Args:
        sweep: The sweep's folder.
        place: See the table above.

    Returns:
        How many runs (for a storage: files) are new there.

    Raises:
        DataError: If there is no such sweep, no run finished, the storage holds something else, or
            the place does not take it.
        SettingError: If the place is none, or its package is not installed.
    """
    folders.require(sweep, folders.SWEEP)
    read = read_sweep(Path(sweep).resolve())
    kind, _, rest = place.partition(":")
    if not rest.strip("/"):
        raise SettingError(
            "A place to publish to is mlflow:URI, wandb:FOLDER or a URL such as "
            f"s3://bucket/folder, got {place!r}."
        )
    try:
        if kind == "mlflow":
            return _to_mlflow(read, rest)
        if kind == "wandb":
            return _to_wandb(read, Path(rest).expanduser())
        return _to_storage(read, place)
    except CandgenError:
        raise
    except Exception as error:  # of another's library: a server that is down, a right that lacks
        raise DataError(f"{place} did not take it: {type(error).__name__}: {error}") from error


def _to_mlflow(sweep: Sweep, uri: str) -> int:
    mlflow = _package("mlflow", "mlflow-skinny", "mlflow:")
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment(sweep.folder.name)
    known = mlflow.search_runs([experiment.experiment_id], output_format="list")
    there = {run.data.tags.get(SOURCE) for run in known}
    new = [run for run in published_runs(sweep) if run.tags[SOURCE] not in there]
    for run in new:
        with mlflow.start_run(run_name=run.name, tags=run.tags):
            mlflow.log_params({k: v[:_MOST_TEXT] for k, v in run.parameters.items()})
            mlflow.log_metrics(run.metrics)
            for page in run.pages:
                mlflow.log_artifact(str(page))
    return len(new)


def _to_wandb(sweep: Sweep, folder: Path) -> int:
    wandb = _package("wandb", "wandb", "wandb:")
    folder.mkdir(parents=True, exist_ok=True)
    there = folder / "wandb"
    ids = {path.name.rpartition("-")[2] for path in there.glob("offline-run-*")}
    new = [run for run in published_runs(sweep) if _id(run) not in ids]
    for run in new:
        made = wandb.init(
            mode="offline", dir=str(folder), project=sweep.folder.name, name=run.name, id=_id(run),
            config={**run.parameters, **run.tags}, reinit=True,
        )  # fmt: skip
        made.summary.update(run.metrics)
        made.finish()
    return len(new)


def _to_storage(sweep: Sweep, url: str) -> int:
    fsspec = _package("fsspec", "fsspec", url)
    try:
        system, root = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise SettingError(f"{url!r} is no place that can be written to: {error}") from None
    root = f"{root.rstrip('/')}/{sweep.folder.name}"
    if system.exists(root) and not system.exists(f"{root}/{PLAN}"):
        raise DataError(
            f"{url} holds a folder {sweep.folder.name!r} that is no sweep. Nothing was written; "
            "choose another place."
        )
    copied = 0
    for file in _files(sweep):
        goal = f"{root}/{file.relative_to(sweep.folder).as_posix()}"
        same = system.exists(goal) and system.cat_file(goal) == file.read_bytes()
        if not same:
            system.makedirs(os.path.dirname(goal), exist_ok=True)
            system.pipe_file(goal, file.read_bytes())
            copied += 1
    return copied


def _files(sweep: Sweep) -> list[Path]:
    """List the files of a sweep that others read, its report last; no link out of its folder."""
    found = [sweep.folder / PLAN, *(sweep.folder / name for name in _TABLES)]
    found += [run.folder / name for run in sweep.done for name in _OF_A_RUN]
    report = sweep.folder / REPORT
    found = [p for p in found if p.is_file() and p.resolve().is_relative_to(sweep.folder)]
    return [*found, *([report] if is_made(report) else [])]


def _id(run: PublishedRun) -> str:
    import hashlib

    return hashlib.sha256(run.tags[SOURCE].encode()).hexdigest()[:16]


def _package(name: str, to_install: str, place: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SettingError(
            f"Publishing to {place} needs the package {name}: pip install {to_install}."
        ) from None
