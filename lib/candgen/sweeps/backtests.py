"""Backtests: a dataset with `split: windows` stands for one a window, and so do its runs.

    datasets:
      films: {source: movielens, path: ml-latest-small.zip, split: windows, n_windows: 4}

makes the datasets `films-window1` to `films-window4`, and runs that name `films` learn and are
judged once on each.
"""

from __future__ import annotations

from typing import Any

from candgen.sweeps.sweepfile import SweepFile

SPLIT = "windows"
MOST = 50


def expand(source: SweepFile) -> None:
    """Put the windows of backtests in the place of their datasets, in all of a sweep's file.

    Raises:
        SettingError: If the number of windows is none, or too large.
    """
    many = {
        name: [f"{name}-window{place}" for place in range(1, _number(source, name, entry) + 1)]
        for name, entry in source.section(("datasets",)).items()
        if isinstance(entry, dict) and entry.get("split") == SPLIT and "window" not in entry
    }
    if not many:
        return
    for name, names in many.items():
        entry = source.section(("datasets", name))
        entries = [{**entry, "window": place} for place in range(1, len(names) + 1)]
        source.replace(("datasets", name), dict(zip(names, entries, strict=True)))
    default = source.section(("defaults",)).get("dataset")
    if default in many:
        del source.section(("defaults",))["dataset"]
    for run in source.section(("runs",)):
        _of_run(source.section(("runs", run)), many, default)


def _of_run(entry: dict[str, Any], many: dict[str, list[str]], default: Any) -> None:
    """Let a run go over the windows of its dataset, as over a grid."""
    asked = (entry.get("grid") or {}).get("dataset")
    if isinstance(asked, list):
        names = [one for name in asked for one in many.get(str(name), [name])]
    elif asked is None and (name := entry.get("dataset", default)) in many:
        names = many[name]
        entry.pop("dataset", None)
    else:
        return
    entry["grid"] = {**(entry.get("grid") or {}), "dataset": names}


def _number(source: SweepFile, name: str, entry: dict[str, Any]) -> int:
    from candgen.datasets.splits.windows import WindowSettings  # loads pandas

    keys = ("datasets", name)
    cuts, default = entry.get("cuts") or [], WindowSettings().n_windows
    n = len(cuts) if isinstance(cuts, list) and cuts else entry.get("n_windows", default)
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise source.error((*keys, "n_windows"), f"expected 1 to {MOST} windows, got {n!r}.")
    return n
