"""One notebook from the command line: find it, check what it is given, make it a stage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from candgen.errors import SettingError
from candgen.session import paths
from candgen.sweeps.notebook_parameters import Page, read_page
from candgen.sweeps.plan import Stage, name_fault
from candgen.sweeps.sweepfile import parse_set


def find_page(name_or_path: str) -> Page:
    """Find a notebook by path, from here or from the project's root, or by name.

    Raises:
        DataError: If there is none, with a suggestion.
    """
    given, root = Path(name_or_path).expanduser(), paths.project_root()
    for path in (given, root / given):
        if path.is_file():
            return read_page(path.resolve())
    return read_page(root / "notebooks" / f"{given.name.removesuffix('.ipynb')}.ipynb")


def given(page: Page, texts: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` texts as parameters of a page; paths in them count from here.

    Raises:
        SettingError: For an unknown name, a wrong type, or a file that is not there.
    """
    values = {}
    for key, value in map(parse_set, texts):
        if key == "run_folder":
            raise SettingError("run_folder follows from the command; leave it out.")
        parameter = page.parameter(key)
        checked = parameter.check(str(value) if isinstance(value, str) else value)
        if parameter.is_path and isinstance(checked, str) and checked:
            checked = str(_existing(key, checked))
        if key == "dataset" and isinstance(checked, str):
            found = paths.find_dataset(checked)
            checked = checked if found is None else str(found)
        values[key] = checked
    return values


def stage(
    kind: Literal["dataset", "run"],
    name: str,
    page: Page,
    values: dict[str, Any],
    folder: Path,
    minutes: float,
    *,
    explore: bool = True,
) -> Stage:
    """Make a stage of its own, outside any sweep; it executes all cells unless told otherwise."""
    parameters = dict(values)
    if kind == "dataset" and "name" in page.parameters:
        parameters["name"] = name
    return Stage(kind, name, page, values, parameters, values, folder, minutes, explore=explore)


def safe_name(name: str) -> str:
    """Return a name that can be a folder's.

    Raises:
        SettingError: If it cannot.
    """
    if fault := name_fault(name):
        raise SettingError(f"The name {fault}")
    return name


def _existing(key: str, value: str) -> Path:
    found = Path(value).expanduser().resolve()
    if not found.exists():
        raise SettingError(f"{key}: no file or folder {value!r} (looked for {found}).")
    return found
