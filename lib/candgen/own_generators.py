"""Names of generators that are not part of candgen: a file and a class in it, or a package's.

A file is named with its class, `my_models.py:MyModel`. A relative path counts from the project's
root, then from its `params/`. The file may import whatever is installed, but no file beside it:
its own text is all that a run of it is known by, besides the modules of candgen that it imports.

A package names its classes under the entry point `candgen.generators`:

    [project.entry-points."candgen.generators"]
    MyModel = "my_package.models:MyModel"

`candgen.models.own_classes` loads the classes.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from candgen.errors import SettingError
from candgen.project import project_root

GROUP = "candgen.generators"
_NAMED = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z_]\w*)", re.DOTALL)


def is_named_by_file(name: str) -> bool:
    """Tell whether a generator's name is a file and a class in it."""
    return _NAMED.fullmatch(name) is not None


def file_of(name: str) -> Path | None:
    """Return the file that holds the class of a generator; None for a generator of candgen.

    Raises:
        SettingError: If the name has a file, and there is none.
    """
    if named := _NAMED.fullmatch(name):
        return _found(named["file"], name)
    if name in installed():
        try:
            spec = importlib.util.find_spec(installed()[name].module)
        except ImportError:  # whoever loads it says so
            return None
        return Path(spec.origin) if spec is not None and spec.origin else None
    return None


@cache
def installed() -> dict[str, EntryPoint]:
    """Return the generators that installed packages offer, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _found(file: str, name: str) -> Path:
    root, written = project_root(), Path(file).expanduser()
    for path in (root / written, root / "params" / written):
        if path.is_file():
            return path.resolve()
    raise SettingError(
        f"generator {name!r}: no file {file!r} in {root} or its params/. A relative path counts "
        "from the project's root."
    )
