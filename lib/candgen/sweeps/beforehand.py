"""Checks of a stage before it starts."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candgen import files
from candgen.errors import SettingError, did_you_mean
from candgen.session import paths, run_files, status
from candgen.session.needs import refuse_lacking

if TYPE_CHECKING:
    from candgen.sweeps.plan import Stage

_COLUMNS_OF = {"features": "items", "wanted": "items", "group_columns": "users"}
_PARTS = ("test", "validation")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NEEDS = re.compile(r"\bopen_dataset\([^()]*\bneeds=(\[[^\]]*\])")
_SHOWN = 1000  # values among which the nearest is looked for


def check_all(stage: Stage) -> Stage:
    """Return a stage that passes every check of this module.

    Raises:
        DataError: If its dataset lacks what the page needs.
        SettingError: If a parameter is at fault.
    """
    for check in (check_text, check_part, check_cutoffs, check_columns, check_needs):
        stage = check(stage)
    return stage


def check_text(stage: Stage) -> Stage:
    """Return a stage whose paths and parameters are UTF-8.

    Raises:
        SettingError: If one is not: neither a notebook nor a JSON file could hold it.
    """
    held = {"notebook": str(stage.notebook.path), "folder": str(stage.folder), **stage.parameters}
    for key, value in held.items():
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise SettingError(
                f"{stage.title}, {key}: {value!r} is not UTF-8 text, which neither notebooks "
                "nor JSON files can hold. Rename it, or make a link with another name."
            ) from None
    return stage


def check_columns(stage: Stage) -> Stage:
    """Return a run whose parameters name columns and values that its prepared dataset has.

    A dataset that the same sweep prepares is not there yet, so nothing is said of it.

    Raises:
        SettingError: Naming the parameter, the column or value, and the nearest known one.
    """
    folder = Path(str(stage.parameters.get("dataset") or ""))
    if stage.kind != "run" or stage.needs or not (folder / paths.DATASET_FILE).is_file():
        return stage
    for name, table in _COLUMNS_OF.items():
        asked, file = stage.parameters.get(name) or [], folder / f"{table}.parquet"
        if not asked or not isinstance(asked, dict | list) or not file.is_file():
            continue
        import pyarrow.parquet as pq  # slow, and seldom needed

        known = pq.read_schema(file).names
        for column in asked:
            if column not in known:
                raise SettingError(
                    f"{name}: the {table} of dataset {folder.name!r} have no column {column!r}."
                    f"{did_you_mean(str(column), known)}"
                )
            if name == "wanted":
                held = pq.read_table(file, columns=[column]).column(0).to_pylist()
                _check_value(name, column, asked[column], held)
    return stage


def check_needs(stage: Stage) -> Stage:
    """Return a run whose prepared dataset has what the page says it needs, where it opens it.

    A dataset that the same sweep prepares is not there yet, so nothing is said of it.

    Raises:
        DataError: Naming the dataset, what it lacks and what to do.
    """
    folder = Path(str(stage.parameters.get("dataset") or ""))
    description = folder / paths.DATASET_FILE
    if stage.kind != "run" or stage.needs or not description.is_file():
        return stage
    for said in _NEEDS.findall(stage.notebook.code(explore=stage.explore)):
        refuse_lacking(ast.literal_eval(said), folder, files.read_json(description))
    return stage


def check_cutoffs(stage: Stage) -> Stage:
    """Return a run whose `cutoffs` are lengths up to its `k`, and its `headline` at one of them.

    Raises:
        SettingError: Naming the parameter, and the values that fit.
    """
    given = {**stage.notebook.defaults(), **stage.parameters}
    cutoffs, k, headline = (given.get(name) for name in ("cutoffs", "k", "headline"))
    if not isinstance(cutoffs, list):
        return stage  # other pages have none
    wrong = [cutoff for cutoff in cutoffs if type(cutoff) is not int or cutoff < 1]
    if wrong or not cutoffs:
        got = repr(wrong[0]) if wrong else "an empty list"
        raise SettingError(f"cutoffs must be whole numbers above 0, such as [10, 20]; got {got}.")
    if isinstance(k, int) and max(cutoffs) > k:
        raise SettingError(
            f"cutoffs: k = {k} candidates cannot be cut at {max(cutoffs)}. Raise k or lower the "
            "cutoffs."
        )
    if headline is None:
        return stage
    metric, _, cutoff = str(headline).partition("@")
    if not metric or not cutoff:
        raise SettingError(
            f"headline: expected a metric with its cutoff, such as recall@{cutoffs[0]}, got "
            f"{headline!r}."
        )
    if cutoff not in map(str, cutoffs):
        choices = ", ".join(f"{metric}@{each}" for each in cutoffs)
        raise SettingError(
            f"headline: {headline} is not at one of the cutoffs {cutoffs}. Choose {choices}, or "
            "change cutoffs."
        )
    return stage


def check_part(stage: Stage) -> Stage:
    """Return a stage whose `evaluate_on`, if it has one, names a part to judge on.

    Raises:
        SettingError: If it does not.
    """
    given = {**stage.notebook.defaults(), **stage.parameters}
    part = given.get("evaluate_on", _PARTS[0])
    if part not in _PARTS:
        raise SettingError(
            f"evaluate_on must be {' or '.join(_PARTS)}, got {part!r}."
            f"{did_you_mean(str(part), _PARTS)}"
        )
    return stage


def _check_value(name: str, column: str, asked: Any, held: list[Any]) -> None:
    values = {v for cell in held for v in (cell if isinstance(cell, list) else [cell])}
    for value in asked if isinstance(asked, list) else [asked]:
        if isinstance(value, str) and value not in values:
            texts = [other for other in values if isinstance(other, str)]
            raise SettingError(
                f"{name}: no item has {value!r} in column {column!r}."
                f"{did_you_mean(value, sorted(texts)[:_SHOWN])}"
            )


def dataset_fault(stage: Stage, option: str) -> str | None:
    """Say what is wrong with the settings of a dataset or its files' first rows; None if nothing.

    Args:
        stage: Of a notebook that prepares datasets.
        option: Command-line option that changes a setting, up to the setting's name.

    Returns:
        A message that ends with the option to change.
    """
    if "preparation.prepare(" not in stage.notebook.code(explore=True):
        return None
    given = {**stage.notebook.defaults(), **stage.parameters}
    given.pop("run_folder", None)
    if not stage.inputs and _were_taken(stage.folder, given):
        return None
    from candgen.datasets import first_look  # pandas is slow, and many sweeps prepare nothing

    fault = first_look.fault_of(given)
    if fault is None:
        return None
    if not fault.setting:
        return fault.message
    flag, _, place = option.partition(" ")
    changed = shlex.quote(f"{place}{fault.setting}={fault.instead or '...'}")
    return f"{fault.message} Change it with `{flag} {changed}`."


def _were_taken(folder: Path, given: dict[str, Any]) -> bool:
    """Tell whether a dataset that is done was prepared with the same settings."""
    if status.state_of(folder) != status.DONE:
        return False
    try:
        known = files.read_json(folder / run_files.PARAMETERS)
    except (OSError, ValueError):
        return False
    return isinstance(known, dict) and {**known, "run_folder": ""} == {**given, "run_folder": ""}


def name_fault(name: str, taken: Iterable[str] = ()) -> str | None:
    """Say why a name cannot be a folder's; None if it can."""
    if _SAFE.fullmatch(name) and not name.endswith(".") and name.casefold() not in taken:
        return None
    why = f"{name!r} is taken" if name.casefold() in taken else f"got {name!r}"
    return (
        "becomes a folder: letters, digits, `.`, `_` and `-`, at most 100, beginning with a "
        f"letter or digit; {why}."
    )
