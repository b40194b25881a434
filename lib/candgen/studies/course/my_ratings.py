"""A person's own ratings: from a small CSV, or picked by title in JupyterLab.

The CSV has a header with `rating` and either `item_id` or `title`:

    title,rating
    Shrek (2001),5
    Amelie,2

A title may be a part of one, in any case, as long as only one film has it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from candgen import files
from candgen.datasets.rated_films import COURSE_LEARNED, RatedFilms
from candgen.errors import DataError, did_you_mean
from candgen.text.plain import csv_text, read_cell

SCALE = (0.5, 5.0)
_EXAMPLES = 12
_SHOWN = 8


def read_csv(
    path: Path | str, rated: RatedFilms, *, scale: tuple[float, float] = SCALE
) -> dict[int, float]:
    """Read a person's ratings.

    Args:
        path: A CSV, UTF-8, with the columns `rating` and `item_id` or `title`.
        rated: The films there are.
        scale: Lowest and highest rating.

    Returns:
        Row of each film -> rating.

    Raises:
        DataError: If the file cannot be read, or a line names no film, several, or one twice, or
            its rating is out of range; the message has the line.
    """
    try:
        if not Path(path).is_file():
            raise FileNotFoundError("there is no such file")
        held = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from None
    lines = csv.DictReader(io.StringIO(held), skipinitialspace=True)
    columns = lines.fieldnames or []
    key = next((name for name in ("item_id", "title") if name in columns), None)
    if key is None or "rating" not in columns:
        raise DataError(
            f"{path}: expected a header with rating and item_id or title, got {columns}. "
            "For instance: title,rating"
        )
    if repeated := [name for name in (key, "rating") if columns.count(name) > 1]:
        raise DataError(f"{path}, line 1: two columns are called {repeated[0]!r}. Remove one.")
    found: dict[int, float] = {}
    for line in lines:
        where = f"{path}, line {lines.line_num}"
        row = _row_of(where, key, read_cell((line[key] or "").strip()), rated)
        if row in found:
            raise DataError(f"{where}: {rated.titles[row]!r} is rated twice.")
        found[row] = _rating_of(where, line["rating"], scale)
    if not found:
        raise DataError(f"{path} has no rating below its header.")
    return found


def search(rated: RatedFilms, words: str, *, limit: int = _SHOWN) -> list[int]:
    """Find films whose titles have all the words, in any case; the most rated first."""
    wanted = words.casefold().split()
    hits = [
        row
        for row, title in enumerate(rated.titles)
        if all(word in str(title).casefold() for word in wanted)
    ]
    counts = rated.counts
    return sorted(hits, key=lambda row: -counts[row])[:limit] if wanted else []


def example(rated: RatedFilms) -> dict[int, float]:
    """Make ratings of somebody: those the course learned from, where its films are all there.

    Elsewhere it is a person who loves every other one of the most rated films, and not the rest.
    """
    known = set(rated.item_ids.tolist())
    if known.issuperset(COURSE_LEARNED):
        return rated.rows(COURSE_LEARNED)
    most = np.argsort(-rated.counts, kind="stable")[:_EXAMPLES]
    return {int(row): 2.0 if place % 2 else 5.0 for place, row in enumerate(most)}


class Picker:
    """A search box, the films found, a rating: for JupyterLab.

    Attributes:
        ratings: Row of each film -> rating, as picked so far.
        widget: What to display.
    """

    def __init__(
        self,
        rated: RatedFilms,
        ratings: Mapping[int, float] | None = None,
        *,
        save_as: Path | str = "",
    ) -> None:
        import ipywidgets

        self._rated, self._save_as = rated, save_as
        self.ratings: dict[int, float] = dict(ratings or {})
        self._words = ipywidgets.Text(description="title has", placeholder="part of a title")
        self._films = ipywidgets.Select(description="films", rows=_SHOWN, options=[])
        self._stars = ipywidgets.FloatSlider(
            description="rating", value=5.0, min=SCALE[0], max=SCALE[1], step=0.5
        )
        self._rate = ipywidgets.Button(description="rate it", button_style="primary")
        self._forget = ipywidgets.Button(description="forget it")
        self._list = ipywidgets.HTML()
        self._words.observe(self._searched, "value")
        self._rate.on_click(lambda _: self.rate())
        self._forget.on_click(lambda _: self.forget())
        for part in (self._words, self._films, self._stars):
            part.layout.width = "min(34rem, 100%)"
        buttons = ipywidgets.HBox([self._rate, self._forget])
        self.widget = ipywidgets.VBox([self._words, self._films, self._stars, buttons, self._list])
        self._show()

    def rate(self) -> None:
        """Give the selected film the rating of the slider."""
        if self._films.value is not None:
            self.ratings[self._films.value] = float(self._stars.value)
            self._show()

    def forget(self) -> None:
        """Take back the rating of the selected film."""
        self.ratings.pop(self._films.value, None)
        self._show()

    def _searched(self, change: dict[str, Any]) -> None:
        rows = search(self._rated, change["new"])
        self._films.options = [(str(self._rated.titles[row]), row) for row in rows]

    def _show(self) -> None:
        from html import escape

        items = [
            f"<li>{stars:g} · {escape(str(self._rated.titles[row]))}</li>"
            for row, stars in self.ratings.items()
        ]
        self._list.value = f"<ul>{''.join(items)}</ul>"
        if self._save_as and self.ratings:
            write_csv(self._save_as, self._rated, self.ratings)


def write_csv(path: Path | str, rated: RatedFilms, ratings: Mapping[int, float]) -> None:
    """Write ratings as a CSV that `read_csv` takes: `item_id,rating,title`."""
    rows = [
        [rated.item_ids[row], f"{rating:g}", str(rated.titles[row])]
        for row, rating in ratings.items()
    ]
    files.write_text(path, csv_text(["item_id", "rating", "title"], rows))


def _row_of(where: str, key: str, text: str, rated: RatedFilms) -> int:
    if key == "item_id":
        rows = np.flatnonzero(rated.item_ids.astype(str) == text).tolist()
        if not rows:
            raise DataError(f"{where}: no film has the item_id {text!r}.")
        return rows[0]
    titles = [str(title) for title in rated.titles]
    same = [row for row, title in enumerate(titles) if title.casefold() == text.casefold()]
    rows = same or (search(rated, text, limit=len(titles)) if text else [])
    if len(rows) == 1:
        return rows[0]
    if rows:
        named = "; ".join(f"{titles[row]} = {rated.item_ids[row]}" for row in rows[:3])
        raise DataError(
            f"{where}: {len(rows)} films fit the title {text!r}, such as {named}. "
            "Write more of the title, or use the column item_id instead."
        )
    hint = did_you_mean(text, titles)
    hint = hint if hint.startswith(" Did") else ""
    raise DataError(f"{where}: no film fits the title {text!r}.{hint}")


def _rating_of(where: str, text: str | None, scale: tuple[float, float]) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not scale[0] <= value <= scale[1]:
        raise DataError(f"{where}: rating is {text!r}, expected {scale[0]:g} to {scale[1]:g}.")
    return value
