"""From a sweep's folder to what a report needs, without trusting that the folder is whole.

A sweep may have been killed, a run may have failed or left half its files: whatever can be read is
read, and the rest is named. Runs become comparable only within a `Comparison`: the same
dataset (by digest), judged on the same part, hence the same users.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from candgen.columns import USER
from candgen.errors import DataError
from candgen.records import Record
from candgen.records import read as read_record
from candgen.session import records, run_files, status
from candgen.session.runs import slug

PLAN = "sweep.json"
PER_USER = "per_user.parquet"
GIVEN = "judged_lists.json"
"""Names of runs that were added to a sweep: judged lists of other systems."""
NOT_RUNS = ("datasets", "report", "tables", "trials")

_KINDS: dict[str, type[Record]] = {
    "status": records.Status, "params": Record, "metrics": records.Metrics,
    "environment": records.Environment,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run's folder, as far as it can be read."""

    name: str
    place: str
    """Its folder, relative to the sweep's."""
    folder: Path
    state: str
    """What `status.state_of` says, or "unreadable"."""
    notebook: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""
    """Why it is unreadable or was not run, in a sentence."""

    @property
    def judged_on(self) -> str:
        """The part that a finished run was judged on, as `Dataset.judged_on` names it."""
        described = self.metrics.get("dataset", {})
        return str(described.get("judged_on") or described.get("evaluate_on", "test"))

    @property
    def link(self) -> str | None:
        """The page to open, relative to the sweep's folder; None if there is none."""
        for file in ("page.html", "notebook.ipynb"):
            if (self.folder / file).is_file():
                return f"{self.place}/{file}"
        return None

    @property
    def error(self) -> dict[str, Any]:
        return self.status.get("error") or {}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings of what the run itself made, baselines aside."""
        return {name: value for row in self._own for name, value in row["settings"].items()}

    @cached_property
    def tells_settings(self) -> bool:
        """True if the settings are known; a generator may have none, as popularity has."""
        return bool(self._own)

    @cached_property
    def _own(self) -> list[dict[str, Any]]:
        rows = [row for row in self.metrics.get("generators", []) if not row.get("baseline")]
        return [row for row in rows if isinstance(row.get("settings"), dict)]

    @cached_property
    def per_user(self) -> pd.DataFrame:
        """Metrics of every judged user: `generator`, `user`, then one column a metric.

        Raises:
            DataError: If the file cannot be read.
        """
        try:
            return pd.read_parquet(self.folder / PER_USER)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(
                f"{self.place}/{PER_USER} cannot be read ({str(error)[:200]}). Run {self.name} "
                "again, or delete its folder, and make the report again."
            ) from None


@dataclass(frozen=True)
class Entry:
    """One generator as one run judged it."""

    run: Run
    row: dict[str, Any]

    @property
    def generator(self) -> str:
        return self.row["generator"]

    @property
    def baseline(self) -> bool:
        """True if the run recorded it as a baseline beside its own generator."""
        return bool(self.row.get("baseline"))

    @property
    def settings(self) -> dict[str, Any]:
        return self.row.get("settings") or {}

    @property
    def seed(self) -> Any:
        return self.settings.get("seed", self.run.parameters.get("seed"))

    @cached_property
    def numbers(self) -> dict[str, float]:
        """Metrics, their intervals and costs, by their names in `metrics.json`."""
        return {
            name: float(value)
            for name, value in self.row.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }

    @cached_property
    def per_user(self) -> pd.DataFrame:
        """Metrics of every judged user, indexed by user."""
        frame = self.run.per_user
        frame = frame[frame["generator"] == self.generator].drop(columns="generator")
        return frame.set_index(USER).sort_index()

    @property
    def candidates(self) -> Path | None:
        """The file of its candidates, if the run kept them."""
        several = self.run.folder / f"candidates-{slug(self.generator)}.parquet"
        if several.is_file():
            return several
        own = self.run.folder / "candidates.parquet"
        return own if own.is_file() and not self.baseline else None


@dataclass(frozen=True)
class Sweep:
    """A sweep's folder: its plan and its runs, in the order of the plan."""

    folder: Path
    plan: dict[str, Any]
    runs: tuple[Run, ...]
    preparations: tuple[Run, ...] = ()
    """The datasets that the sweep prepared or tried to prepare."""

    @property
    def question(self) -> str:
        return str(self.plan.get("question") or "")

    @property
    def options(self) -> dict[str, Any]:
        """The report's entries in the YAML: title, metric, baseline, margin, disclosures."""
        return self.plan.get("report") or {}

    @property
    def disclosures(self) -> dict[str, str]:
        """Facts about tuning and test that the YAML discloses, by kind."""
        return self.options.get("disclosures") or {}

    @property
    def done(self) -> list[Run]:
        return [run for run in self.runs if run.state == status.DONE]

    @property
    def not_done(self) -> list[Run]:
        stages = (*self.preparations, *self.runs)
        return [run for run in stages if run.state != status.DONE]

    @property
    def damaged(self) -> list[Run]:
        """Runs that cannot be read, though their status may say that they are done."""
        return [run for run in self.runs if run.state == "unreadable"]

    def entries(self) -> Iterator[Entry]:
        """Go through every generator of every finished run."""
        for run in self.done:
            for row in run.metrics.get("generators", []):
                yield Entry(run, row)

    @cached_property
    def _settings(self) -> set[str]:
        return {name for run in self.done for name in run.settings} - {"seed"}

    def parameter(self, run: Run, name: str) -> Any:
        """Return what a run was given.

        None if its notebook has no such parameter, or if it is a setting of other generators that
        this run's generator does not take: the number of dimensions of popularity says nothing.
        """
        unused = run.tells_settings and name in self._settings and name not in run.settings
        return None if unused else run.parameters.get(name)

    def differing_parameters(self) -> list[str]:
        """Name the parameters that have more than one value, in the order runs list them.

        Where results went, and what other columns already say, is left out.
        """
        seen: dict[str, set[str]] = {}
        for run in self.runs:
            for name in run.parameters:
                value = self.parameter(run, name)
                seen.setdefault(name, set()).update([] if value is None else [repr(value)])
        hidden = {"run_folder", "dataset", "generator", "run"}
        return [name for name, values in seen.items() if len(values) > 1 and name not in hidden]


def read_sweep(folder: Path | str) -> Sweep:
    """Read a sweep's folder.

    Raises:
        DataError: If the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"No sweep at {folder}: there is no such folder. `candgen runs` lists what there is; "
            "`candgen sweep params/quick.yaml` makes one."
        )
    plan = _read(folder / PLAN, records.Plan) if (folder / PLAN).is_file() else {}
    runs = _described(plan, "runs") or _found(folder)
    runs |= {name: {} for name in given_runs(folder) if name not in runs}
    datasets = _described(plan, "datasets") or _found(folder / "datasets")
    return Sweep(
        folder,
        plan,
        tuple(read_run(folder, name, described) for name, described in runs.items()),
        tuple(read_run(folder, f"datasets/{name}", said) for name, said in datasets.items()),
    )


def given_runs(folder: Path) -> list[str]:
    """Return the names of runs that were added to a sweep; none where no list can be read."""
    try:
        names = _read(folder / GIVEN, records.Given)["runs"] if (folder / GIVEN).is_file() else []
    except DataError:
        return []
    return [name for name in names if (folder / name / status.STATUS).is_file()]


def read_run(sweep: Path, place: str, planned: dict[str, Any]) -> Run:
    """Read one run's folder; what cannot be read makes its state "unreadable".

    Args:
        sweep: The sweep's folder.
        place: The run's folder in it.
        planned: What the plan says of it, if anything: `notebook`, `parameters`.
    """
    folder = sweep / place
    found: dict[str, Any] = {}
    trouble = []
    for name, kind in _KINDS.items():
        path = folder / f"{name}.json"
        found[name] = {}
        try:
            found[name] = _read(path, kind) if path.is_file() else {}
        except DataError as error:
            trouble.append(str(error))
    state = status.state_in_sweep(folder, planned)
    if state == status.DONE:
        trouble += _gaps(folder, found["metrics"])
        described = found["status"].get(status.FILES)
        damaged = run_files.damage(folder, described, digests=False, only=run_files.RESULTS)
        trouble += [f"{folder.name}/{sentence}." for sentence in damaged]
    return Run(
        name=folder.name,
        place=place,
        folder=folder,
        state="unreadable" if trouble else state,
        notebook=str(planned.get("notebook") or found["status"].get("notebook") or ""),
        parameters={**(planned.get("parameters") or {}), **_flat(found["params"])},
        status=found["status"],
        metrics=found["metrics"],
        environment=found["environment"],
        trouble=" ".join(dict.fromkeys(trouble)) or str(planned.get("why") or ""),
    )


def _flat(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with the generator's further settings beside the others."""
    further = parameters.get("settings")
    if not isinstance(further, dict):
        return parameters
    return {name: value for name, value in parameters.items() if name != "settings"} | further


def _found(folder: Path) -> dict[str, dict[str, Any]]:
    """List the folders of runs where no plan names them."""
    if not folder.is_dir():
        return {}
    names = sorted(path.parent.name for path in folder.glob(f"*/{status.STATUS}"))
    return {name: {} for name in names if name not in NOT_RUNS}


def _described(plan: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    stages = plan.get(kind) or {}
    if isinstance(stages, list):
        stages = {str(e["name"]): e for e in stages if e.get("name")}
    return {name: described or {} for name, described in stages.items()}


def _gaps(folder: Path, metrics: dict[str, Any]) -> list[str]:
    if not metrics:
        return []
    described = metrics.get("dataset") or {}
    if not isinstance(metrics.get("generators"), list) or "digest" not in described:
        return [f"{folder.name}/metrics.json lacks its dataset or its generators."]
    path, place = folder / PER_USER, f"{folder.name}/{PER_USER}"
    if not path.is_file():
        return [f"{place} is missing."]
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        return [f"{place} cannot be read ({str(error)[:200]})."]
    if lacking := {"generator", USER} - set(schema.names):
        return [f"{place} lacks the columns {', '.join(sorted(lacking))}."]
    texts = [f.name for f in schema if f.name != "generator" and not _is_number(f.type)]
    return [f"{place}: the column {texts[0]!r} holds no numbers."] if texts else []


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def _read(path: Path, kind: type[Record]) -> dict[str, Any]:
    try:
        return read_record(path, kind)
    except DataError as error:
        named = str(error).replace(str(path), f"{path.parent.name}/{path.name}")
        raise DataError(named) from None
