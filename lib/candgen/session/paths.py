"""Paths: the project's root, its outputs, and datasets by name."""

from __future__ import annotations

from pathlib import Path

from candgen.errors import DataError, did_you_mean
from candgen.project import project_root

DATASET_FILE = "dataset.json"


def outputs_folder() -> Path:
    """Return the folder that keeps what happened."""
    return project_root() / "outputs"


def run_folder(notebook: str, run_folder: str = "") -> Path:
    """Return where a notebook writes: the folder it was given, else a scratch folder of its own.

    A relative folder counts from the project's root, wherever the kernel was started.
    """
    if run_folder:
        return project_root() / Path(run_folder).expanduser()
    return outputs_folder() / "scratch" / notebook


def find_dataset(name_or_folder: str | Path) -> Path | None:
    """Find a prepared dataset by folder or by name.

    A folder wins, relative to here or to the project's root. A name is looked up in
    `outputs/datasets`, then among the datasets of all sweeps.

    Returns:
        Its folder, or None if nothing goes by that name.

    Raises:
        DataError: If several sweeps have different datasets of that name.
    """
    given = Path(name_or_folder).expanduser()
    root = project_root()
    for folder in (given, root / given, root / "outputs" / "datasets" / given):
        if (folder / DATASET_FILE).is_file():
            return folder.resolve()
    if len(given.parts) != 1:
        return None
    found = sorted(
        file.parent
        for file in (root / "outputs").glob("*/datasets/*/" + DATASET_FILE)
        if file.parent.name == given.name
    )
    if len(found) > 1 and _differ(found):
        listed = "\n".join(f"  {folder}" for folder in found)
        raise DataError(
            f"Several different datasets are called {given.name!r}. "
            f"Give the folder of one:\n{listed}"
        )
    return found[0].resolve() if found else None


def dataset_names() -> list[str]:
    """List the names of all prepared datasets."""
    outputs = outputs_folder()
    found = [*outputs.glob(f"datasets/*/{DATASET_FILE}")]
    found += outputs.glob(f"*/datasets/*/{DATASET_FILE}")
    return sorted({file.parent.name for file in found})


def no_such_dataset(name_or_folder: str | Path) -> DataError:
    """Make the error for a dataset that is nowhere to be found."""
    return DataError(
        f"No prepared dataset {str(name_or_folder)!r}: it is neither a folder with {DATASET_FILE} "
        f"nor a name in {outputs_folder() / 'datasets'}."
        f"{did_you_mean(str(name_or_folder), dataset_names())} "
        "Make one with `candgen prepare` or notebooks/10_prepare_data.ipynb."
    )


def _differ(folders: list[Path]) -> bool:
    from candgen.datasets import description

    return len({description.digest_of(folder) for folder in folders}) > 1
