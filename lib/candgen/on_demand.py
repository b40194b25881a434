"""Names of a package that are imported when they are first asked for.

In the `__init__.py` of a package, which keeps the literal table that `sweeps.imports` reads:

    _HOMES = {"judge": "judging"}  # name -> module
    __all__ = list(_HOMES)
    __getattr__, __dir__ = names_on_demand(__name__, _HOMES)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def names_on_demand(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions `__getattr__` and `__dir__` of a package (PEP 562).

    Args:
        package: Its dotted name.
        homes: Name -> module below the package that defines it. None is called like a module
            there, which importing would put in the name's place.
    """

    def get(name: str) -> Any:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted(homes)
