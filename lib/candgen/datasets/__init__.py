"""Prepared datasets, and readers of the raw data they are made from.

A name is imported when it is first asked for, so that a sweep that finds its datasets unchanged
does not load pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {"Dataset": "dataset", "Source": "source", "open_dataset": "dataset"}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"candgen.datasets.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
