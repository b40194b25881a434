"""Map of the items: what a run's vectors say is alike, to hover, click and search.

Without script there is one picture: the principal components of the best run with vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from candgen.columns import ITEM, ITEM_ID, TITLE
from candgen.datasets import Dataset
from candgen.errors import DataError
from candgen.evaluation.beyond_accuracy import item_popularity
from candgen.evaluation.groups import first_values
from candgen.plots.style import BASELINE, PALETTE, text_label
from candgen.reports.comparing import Comparison
from candgen.reports.interaction import item_maps
from candgen.reports.interaction.budgets import shortened, size_of
from candgen.reports.interaction.data_blocks import data_block
from candgen.reports.interaction.item_maps import ItemMap
from candgen.reports.reading import Run
from candgen.reports.rendering import Fragment, note, picture, render
from candgen.reports.report import Report
from candgen.reports.results import by_dataset, new_figure
from candgen.session.run_files import VECTORS

BUDGET = 700_000
"""Bytes of this data in a whole report; datasets share it evenly."""
MOST_RUNS, MOST_MAPS = 3, 6
"""Runs of one dataset, and maps of the whole report: each takes about 3 s of processor time."""
MOST_COLUMNS = 12
LONGEST = 80  # characters of a title or a category
CATEGORIES = len(PALETTE)
_COVERED = 0.2  # share of items that the shown categories must have together
_REPORT = "report"
_SECONDS, _YEAR = (1e8, 1e10), 31_556_952  # moments from 1973 on; seconds of a year
_DPI = 72
_UNITS = 1000  # places are whole numbers from -1000 to 1000


class Column(NamedTuple):
    """A column to colour items by."""

    name: str
    values: NDArray[np.float64]
    """One an item. Of categories, places in `names`; NaN is another or no value."""
    names: tuple[str, ...] = ()
    """The most frequent categories; empty for numbers."""
    logarithmic: bool = False


def section(report: Report) -> Fragment:
    """The map of each dataset's items; absent where no run has vectors."""
    drawn = [_of_dataset(report, ground) for ground in report.comparisons]
    used = {name for _, names in drawn for name in names}
    item_maps.forget_others(_kept_in(report), used)
    made = {id(g): f for g, (f, _) in zip(report.comparisons, drawn, strict=True) if f is not None}
    if not made:
        return note("No run has vectors of items that can be mapped.", absent=True)
    nothing = note("No run of this dataset has vectors of items.")
    return by_dataset(report, lambda ground: made.get(id(ground), nothing))


def _of_dataset(report: Report, ground: Comparison) -> tuple[Fragment | None, list[str]]:
    """Make a dataset's map; return the names of the files of its maps, too."""
    runs, dataset, kept_in = _runs_with_vectors(report, ground), ground.dataset, _kept_in(report)
    if dataset is None or not runs:
        return None, []
    items = item_maps.items_to_map(dataset)
    made: dict[str, ItemMap] = {}
    kept, remarks = [], []
    for run in runs:
        path = run.folder / VECTORS
        try:
            made[run.name] = item_maps.map_of(path, dataset, items, kept_in)
            kept.append(item_maps.name_of(path, dataset, items))
        except DataError as error:
            named = str(error).replace(str(path), f"{run.place}/{VECTORS}")
            remarks.append(note(named, tone="warning"))
    if not made or not len(items):
        return None, kept
    stored = storable(ground, made, items, BUDGET // len(report.comparisons))
    block = data_block("map", stored)
    name, best = next(iter(made.items()))

    def drawn() -> str:
        n = len(stored["columns"][0]["values"])
        shown = best._replace(components=best.components[:n])
        static = _picture(ground, name, shown, columns_of(dataset, items[:n])[0])
        told = {"stored": n, "known": int((item_popularity(dataset) > 0).sum())}
        return render("map.html.j2", title=ground.title, block=block, picture=static.html, **told)

    whole = Fragment(drawn, f"map of items, {ground.title}: {', '.join(made)}")
    for remark in remarks:
        whole = whole + remark
    return whole, kept


def storable(
    ground: Comparison, made: Mapping[str, ItemMap], items: NDArray[np.int64], budget: int
) -> dict[str, Any]:
    """Gather what the page stores of the maps of one dataset's items.

    Args:
        ground: The dataset's comparison; its dataset is there.
        made: Name of a run -> its map, the one to begin with first.
        items: The items of the maps, the most wanted first.
        budget: Bytes of JSON that the result may take.

    Returns:
        `title`; `titles`, all different: of the items in the map, then of neighbours outside;
        `palette`: colours of categories; `columns`: `name`, `log`, `values` (null: none), and
        `names` of categories; `maps`: `name`, `shares` (percent of the variance), `components` and
        `embedding` (two lists each, whole numbers from -1000 to 1000, null for an item without a
        vector), `near` (places in `titles`) and `cosines` (percent) of each item.
    """
    n = len(items)
    while True:
        packed = _packed(ground, made, items[:n])
        size = size_of(packed)
        if size <= budget or n <= 1:
            return packed
        n = max(1, min(n - 1, int(n * budget / size)))


def _packed(
    ground: Comparison, made: Mapping[str, ItemMap], items: NDArray[np.int64]
) -> dict[str, Any]:
    dataset, n = ground.dataset, len(items)
    near = [one.near[:n] for one in made.values()]
    outside = np.setdiff1d(np.concatenate([held.ravel() for held in near]), [-1, *items])
    shown = np.concatenate([items, outside]).astype(np.int64)
    places = {int(item): place for place, item in enumerate(shown)}
    return {
        "title": ground.title,
        "titles": _titles_apart(dataset, shown),
        "palette": list(PALETTE),
        "columns": [_column(column) for column in columns_of(dataset, items)],
        "maps": [
            {
                "name": name,
                "shares": [round(100 * float(share)) for share in one.shares],
                "components": _places(one.components[:n]),
                "embedding": _places(one.embedding[:n]),
                "near": [[places[int(i)] for i in row if i >= 0] for row in one.near[:n]],
                "cosines": [
                    [round(100 * float(c)) for i, c in zip(row, held, strict=True) if i >= 0]
                    for row, held in zip(one.near[:n], one.cosines[:n], strict=True)
                ],
            }
            for name, one in made.items()
        ],
    }


def columns_of(dataset: Dataset, items: NDArray[np.int64]) -> list[Column]:
    """List the columns to colour items by: genres first if there are any, popularity last.

    A column of text or of lists is left out if its eight most frequent values cover less than a
    fifth of the items, as those of a description do.
    """
    found = []
    names = [name for name in dataset.items if name not in (ITEM, ITEM_ID, TITLE)]
    for name in sorted(names, key=lambda name: name != "genres")[:MOST_COLUMNS]:
        held = dataset.items[name]
        if pd.api.types.is_datetime64_any_dtype(held):
            held = held.dt.year
        if pd.api.types.is_numeric_dtype(held) and not pd.api.types.is_bool_dtype(held):
            numbers = held.to_numpy(dtype=np.float64, na_value=np.nan)[items]
            column = _numbers(str(name), np.where(np.isfinite(numbers), numbers, np.nan))
        else:
            column = _categories(str(name), first_values(dataset, name)[items])
        share = np.isfinite(column.values).mean() if len(items) else 0
        if share >= (_COVERED if column.names else np.finfo(float).tiny):
            found.append(column)
    found.sort(key=lambda column: not column.names)  # stable: categories first
    popularity = item_popularity(dataset)[items].astype(np.float64)
    return [*found, Column("popularity (training users)", popularity, logarithmic=True)]


def _numbers(name: str, values: NDArray[np.float64]) -> Column:
    """Make a column of numbers; seconds since 1970 become years, which people can read."""
    known = values[np.isfinite(values)]
    named = any(word in name.lower() for word in ("time", "date"))
    if named and len(known) and known.min() >= _SECONDS[0] and known.max() < _SECONDS[1]:
        return Column(f"{name} (year)", np.round(1970 + values / _YEAR, 2))
    return Column(name, values)


def _categories(name: str, values: NDArray[np.object_]) -> Column:
    counts = pd.Series(values[values != ""]).value_counts()
    names = sorted(counts.index, key=lambda value: (-counts[value], value))[:CATEGORIES]
    places = {value: place for place, value in enumerate(names)}
    held = np.array([places.get(value, np.nan) for value in values], dtype=np.float64)
    return Column(name, held, tuple(shortened(value, LONGEST) for value in names))


def _column(column: Column) -> dict[str, Any]:
    values = [None if v != v else int(v) if v == int(v) else float(f"{v:.6g}")
              for v in column.values.tolist()]  # fmt: skip
    told = {"name": shortened(column.name, LONGEST), "log": column.logarithmic, "values": values}
    return told | ({"names": list(column.names)} if column.names else {})


def _titles_apart(dataset: Dataset, items: NDArray[np.int64]) -> list[str]:
    """Return titles by which items can be told apart: an equal one has the item's own id, too."""
    titles = [shortened(dataset.titles[item], LONGEST) for item in items]
    times = pd.Series(titles, dtype=object).value_counts()
    ids = dataset.items[ITEM_ID].iloc[items].tolist()
    return [
        title if times[title] == 1 else f"{title} ({own})"
        for title, own in zip(titles, ids, strict=True)
    ]


def _places(places: NDArray[np.float64]) -> list[list[int | None]]:
    """Write places as whole numbers, both axes by the same unit, as two lists."""
    if np.isnan(places).all():
        return [[None] * len(places)] * 2
    low, high = np.nanmin(places, axis=0), np.nanmax(places, axis=0)
    reach = max(float((high - low).max()) / 2, np.finfo(float).tiny)
    scaled = (places - (low + high) / 2) / reach * _UNITS
    return [[None if v != v else round(v) for v in axis] for axis in scaled.T.tolist()]


def _runs_with_vectors(report: Report, ground: Comparison) -> list[Run]:
    """List a few runs that kept vectors: the best of each generator first, then the best."""
    ranked = ground.ranked(report.metric)
    featured = {contender.label for contender in report.featured(ground)}
    ordered = sorted(ranked, key=lambda contender: contender.label not in featured)
    runs: dict[str, Run] = {}
    for contender in ordered:
        kept = [run for run in contender.runs if (run.folder / VECTORS).is_file()]
        runs |= {run.place: run for run in kept[:1]}
    most = max(1, min(MOST_RUNS, MOST_MAPS // len(report.comparisons)))
    return list(runs.values())[:most]


def _kept_in(report: Report) -> Path:
    return report.sweep.folder / _REPORT


def _picture(ground: Comparison, name: str, made: ItemMap, column: Column) -> Fragment:
    n = int(np.isfinite(made.components[:, 0]).sum())
    shares = " and ".join(f"{share:.0%}" for share in made.shares)
    alt = (
        f"The {n:,} items of the map of {name}, {ground.title}, along the two principal components "
        f"of their vectors, which hold {shares} of the variance; colours show {column.name}."
    )
    caption = f"{name}: principal components of the item vectors, coloured by {column.name}."
    return picture(lambda width: _figure(width, made, column), alt=alt, caption=caption)


def _figure(width: float, made: ItemMap, column: Column) -> Figure:
    figure, ax = new_figure(width, 1.0 + 0.6 * width)
    figure.set_dpi(_DPI)
    # Dots are pixels: a thousand vector dots would take more bytes than all other pictures.
    look = {"s": 9, "linewidths": 0, "alpha": 0.75, "rasterized": True}
    x, y = made.components.T
    if column.names:
        other = np.isnan(column.values)
        ax.scatter(x[other], y[other], color=BASELINE, label="other", **(look | {"alpha": 0.3}))
        for place, (value, colour) in enumerate(zip(column.names, PALETTE, strict=False)):
            own = column.values == place
            ax.scatter(x[own], y[own], color=colour, label=text_label(value, 18), **look)
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.12), "frameon": False}
        columns = 4 if width > 6 else 2
        ax.legend(**below, ncols=columns, markerscale=2, fontsize=8, handletextpad=0.2)
    else:
        shade = np.log1p(column.values) if column.logarithmic else column.values
        ax.scatter(x, y, c=shade, cmap="viridis", **look)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel="first direction", ylabel="second direction")
    return figure
