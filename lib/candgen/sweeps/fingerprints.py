"""Fingerprints of stages: a stage whose fingerprint is unchanged is not run again.

A fingerprint names its parts, `notebook=1f.. parameters=9c.. library=..`, so that a sweep can say
what changed. Of the library only the modules count that the notebook imports, directly or through
others, and those of the generators that its parameters name. Files count by content, not by place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import candgen
from candgen import files, own_generators
from candgen.errors import SettingError
from candgen.session import environment, status
from candgen.session.search_records import SEARCH
from candgen.sweeps.imports import Library
from candgen.sweeps.notebook_parameters import Notebook, source_of
from candgen.sweeps.plan import Plan, Stage

# What writes the tables beside a report; its notebook does not import it.
_TABLES = """
from candgen.reports import leaderboard, reproduction
from candgen.reports.searches import table
"""
# A run prepares the default dataset where it is missing. A dataset counts by its digest, so the
# code that prepared it does not count again.
_PREPARES = [("candgen.session.runs", "candgen.datasets.preparation")]
# A dataset's stage records no judgement, so the model that goes with each counts for runs alone.
_RECORDS = [("candgen.session.runs", "candgen.session.recent_baseline")]
_MEANING = {
    "notebook": "the notebook", "parameters": "the parameters", "library": "the library",
    "python": "Python or a package", "own": "the file of a generator", "dataset": "the dataset",
    "inputs": "the input files", "runs": "the runs", "report": "what the report was asked for",
    "search": "the searches",
}  # fmt: skip


class Fingerprints:
    """Makes the fingerprints of one sweep; files are read once."""

    def __init__(self, library: Path | None = None) -> None:
        """Prepare to read.

        Args:
            library: The folder of the package; the one that runs when omitted.
        """
        self._library = Library(library or Path(candgen.__file__).parent)
        surroundings = environment.versions()
        self._python = _digest([surroundings["python"], surroundings["packages"]])
        self._inputs: dict[Path, str] = {}

    def of_stage(self, stage: Stage) -> str:
        """Fingerprint a stage as things are now; the dataset it reads must be there.

        Raises:
            DataError: If an input cannot be read.
        """
        left_out = {"run_folder", *stage.inputs} | ({"dataset"} if stage.dataset else set())
        parameters = {k: v for k, v in stage.parameters.items() if k not in left_out}
        parts = {
            "notebook": notebook_digest(stage.notebook, explore=stage.explore),
            "parameters": _digest(parameters),
            "library": _digest(self.modules_of(stage)),
            "python": self._python,
        }
        if stage.inputs:
            parts["inputs"] = _digest({k: self._input(p) for k, p in stage.inputs.items()})
        if own := own_files(stage.parameters):
            parts["own"] = _digest({name: self._input(path) for name, path in own.items()})
        if stage.dataset:
            parts["dataset"] = dataset_digest(Path(stage.parameters["dataset"])) or "missing"
        return _line(parts)

    def of_report(self, plan: Plan, notebook: Notebook, runs: list[dict[str, Any]]) -> str:
        """Fingerprint the report: its notebook and asking, and what the listed runs left behind."""
        left = [[run, status.read(plan.folder / run["folder"])] for run in runs]
        data = [dataset_digest(stage.folder) for stage in plan.datasets]
        asked = [plan.question, plan.report, plan.overrides]
        code = f"{notebook.code(explore=True)}\n{_TABLES}"
        parts = {
            "notebook": notebook_digest(notebook),
            "report": _digest(asked),
            "library": _digest(self._modules(code, plan.report)),
            "python": self._python,
            "dataset": _digest(data),
            "runs": _digest(left),
        }
        if (plan.folder / SEARCH).is_file():
            parts["search"] = files.sha256_of(plan.folder / SEARCH)
        return _line(parts)

    def modules_of(self, stage: Stage) -> dict[str, str]:
        """Return the digests of the library's modules and data files that a stage depends on."""
        given = {**stage.notebook.defaults(), **stage.parameters}
        own = own_files(stage.parameters)
        code = [stage.notebook.code(explore=stage.explore), *map(_text, own.values())]
        without = _RECORDS if stage.kind == "dataset" else _PREPARES if stage.dataset else []
        return self._modules("\n".join(code), given, without=without)

    def _modules(
        self, code: str, given: dict[str, Any], without: Sequence[tuple[str, str]] = ()
    ) -> dict[str, str]:
        closure = self._library.closure(code, _texts(given), without=without)
        return self._library.digests(closure)

    def _input(self, path: Path) -> str:
        if path not in self._inputs:
            self._inputs[path] = input_digest(path)
        return self._inputs[path]


def what_changed(before: str, now: str) -> str:
    """Say which parts of two fingerprints differ, in words."""
    old, new = (dict(part.partition("=")[::2] for part in f.split()) for f in (before, now))
    changed = [name for name in new if old.get(name) != new[name]]
    return " and ".join(_MEANING.get(name, name) for name in changed) + " changed"


def why_not_done(stage: Stage, fingerprint: str) -> str | None:
    """Say why a stage must be run; None if it is done and nothing it depends on has changed."""
    state = status.state_of(stage.folder)
    if state != status.DONE:
        return "never run" if state == status.MISSING else f"{state} last time"
    known = status.read(stage.folder) or {}
    before = str(known.get("fingerprint") or "")
    if before != fingerprint:
        return what_changed(before, fingerprint)
    if damaged := status.damage(stage.folder, known, digests=True):
        return " and ".join(damaged)
    if stage.kind == "dataset" and not _is_whole(stage.folder):
        return "the dataset is damaged"
    return None


def notebook_digest(notebook: Notebook, *, explore: bool = True) -> str:
    """Digest what the cells that are executed say, not what they once showed."""
    cells = [
        [c.get("cell_type"), c.get("metadata", {}).get("tags"), source_of(c)]
        for c in notebook.executed(explore=explore)
    ]
    return _digest(cells)


def own_files(parameters: dict[str, Any]) -> dict[str, Path]:
    """Return the files of generators that are not candgen's, by the names in parameters.

    A text that only looks like such a name has no file; the plan has checked the generators.
    """
    found = {}
    for name in sorted(set(_texts(parameters))):
        with suppress(SettingError):
            if (path := own_generators.file_of(name)) is not None:
                found[name] = path
    return found


def dataset_digest(folder: Path) -> str | None:
    """Return the digest that a prepared dataset records of itself; None if there is none."""
    from candgen.datasets import description

    return description.digest_of(folder)


def input_digest(path: Path) -> str:
    """Digest a file, or all files of a folder but hidden ones, by content and relative name."""
    if path.is_file():
        return files.sha256_of(path)
    inside = sorted(p for p in path.rglob("*") if p.is_file())
    named = {p.relative_to(path).as_posix(): p for p in inside}
    return _digest({n: files.sha256_of(p) for n, p in named.items() if not _hidden(n)})


def _is_whole(folder: Path) -> bool:
    from candgen.datasets import description

    digests = description.digests_of_files(folder)
    paths = {folder / f"{name}.parquet": digest for name, digest in (digests or {}).items()}
    same = (path.is_file() and files.sha256_of(path) == paths[path] for path in paths)
    return digests is not None and all(same)


def _texts(value: Any) -> Iterator[str]:
    """Give every text in parameters and in their keys, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for part in pair for text in _texts(part))
    elif isinstance(value, list):
        yield from (text for held in value for text in _texts(held))


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _line(parts: dict[str, str]) -> str:
    return " ".join(f"{name}={digest[:16]}" for name, digest in parts.items())


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
