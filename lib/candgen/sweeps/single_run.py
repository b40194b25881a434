"""Runs of one notebook from the command line: find it, check its parameters, make a stage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from candgen.errors import SettingError
from candgen.session import paths
from candgen.sweeps import flat_settings, nested_settings
from candgen.sweeps.beforehand import check_all, dataset_fault, name_fault
from candgen.sweeps.notebook_parameters import Notebook, read_notebook
from candgen.sweeps.plan import Stage
from candgen.sweeps.sweepfile import parse_set


def find_notebook(name_or_path: str) -> Notebook:
    """Find a notebook by path, from here or from the project's root, or by name.

    Raises:
        DataError: If there is none, with a suggestion.
    """
    given, root = Path(name_or_path).expanduser(), paths.project_root()
    for path in (given, root / given):
        if path.is_file():
            return read_notebook(path.resolve())
    return read_notebook(root / "notebooks" / f"{given.name.removesuffix('.ipynb')}.ipynb")


def given(notebook: Notebook, texts: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` texts as parameters of a notebook and settings of its generator.

    Relative paths start from the current folder.

    Raises:
        DataError: If there is no such dataset.
        SettingError: For an unknown name, a wrong type, or a file that is not there.
    """
    values = {}
    parsed = [parse_set(text) for text in texts]
    written = {k: str(v) if isinstance(v, str) else v for k, v, _ in parsed}
    typed = {k: text for k, _, text in parsed}
    generator = flat_settings.generator_of(notebook, written)
    for key, value in written.items():
        if key == "run_folder":
            raise SettingError("run_folder follows from the command; leave it out.")
        checked = flat_settings.check(notebook, generator, key, value, typed[key])
        parameter = notebook.parameters.get(key)
        if parameter and parameter.is_path and isinstance(checked, str) and checked:
            checked = str(_existing(key, checked))
        if key == "dataset" and isinstance(checked, str):
            checked = _dataset(checked, parameter.default)
        values[key] = checked
    return values


def stage(
    kind: Literal["dataset", "run"],
    name: str,
    notebook: Notebook,
    values: dict[str, Any],
    folder: Path,
    minutes: float,
    *,
    explore: bool = True,
) -> Stage:
    """Make a stage of its own, outside any sweep; it executes all cells unless told otherwise.

    Raises:
        SettingError: If the generator refuses one of its settings, or a nested one is wrong.
    """
    parameters = flat_settings.nested(notebook, values)
    nested_settings.check(notebook, parameters)
    if kind == "dataset" and "name" in notebook.parameters:
        parameters["name"] = name
    made = Stage(kind, name, notebook, values, parameters, values, folder, minutes, explore=explore)
    flat_settings.check_generators(check_all(made))
    if fault := dataset_fault(made, "-p ") if kind == "dataset" else None:
        raise SettingError(f"{name}: {fault}")
    return made


def safe_name(name: str) -> str:
    """Return a name that can be a folder's.

    Raises:
        SettingError: If it cannot.
    """
    if fault := name_fault(name):
        raise SettingError(f"The name {fault}")
    return name


def _dataset(name: str, default: object) -> str:
    """Return the folder of a prepared dataset; a notebook makes its default one itself."""
    found = paths.find_dataset(name)
    if found is None and name != default:
        raise paths.no_such_dataset(name)
    return name if found is None else str(found)


def _existing(key: str, value: str) -> Path:
    found = Path(value).expanduser().resolve()
    if not (found.is_file() or found.is_dir()):  # a device never ends
        raise SettingError(f"{key}: no file or folder {value!r} (looked for {found}).")
    return found
