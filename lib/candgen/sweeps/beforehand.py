"""Checks of a stage before it starts."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from candgen.errors import SettingError

if TYPE_CHECKING:
    from candgen.sweeps.plan import Stage


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
    from candgen.datasets import first_look  # pandas is slow, and many sweeps prepare nothing

    given = {**stage.notebook.defaults(), **stage.parameters}
    given.pop("run_folder", None)
    fault = first_look.fault_of(given)
    if fault is None:
        return None
    if not fault.setting:
        return fault.message
    flag, _, place = option.partition(" ")
    changed = shlex.quote(f"{place}{fault.setting}={fault.instead or '...'}")
    return f"{fault.message} Change it with `{flag} {changed}`."
