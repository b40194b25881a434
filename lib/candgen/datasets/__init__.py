"""Prepared datasets, and readers of the raw data they are made from.

A name is imported when it is first asked for, so that a sweep that finds its datasets unchanged
does not load pandas.
"""

from __future__ import annotations

from candgen.on_demand import names_on_demand

_HOMES = {"Dataset": "dataset", "Source": "source", "open_dataset": "dataset"}

__all__ = list(_HOMES)

__getattr__, __dir__ = names_on_demand(__name__, _HOMES)
