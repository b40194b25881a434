"""Reader of a table of impressions, in every format that events have.

| column | holds | headers found without being named |
|---|---|---|
| user, item | ids, spelt as those of the events | those of the events |
| engaged | 0 or 1, true or false | engaged, clicked, click |
| timestamp | a time | that of the events, timestamp |
| position | a whole number; 1, or 0 if set so, is the top | position |
| propensity | chance above 0 to 1 of being shown there | propensity, propensity_score, pscore |

User, item and engaged are required. Every other column is kept as it is, as a context.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from candgen.columns import ENGAGED, ITEM, POSITION, PROPENSITY, TIMESTAMP, USER
from candgen.datasets.archives import InputFile
from candgen.datasets.cells import NANOS, Column, Kind
from candgen.datasets.impressions.settings import ImpressionSettings
from candgen.datasets.reading import FileFormat, NoColumnError, open_file, read_columns

INVERSE_PROPENSITY = "inverse_propensity"
_HEADERS = {
    ENGAGED: (ENGAGED, "clicked", "click"),
    TIMESTAMP: (TIMESTAMP,),
    POSITION: (POSITION,),
    PROPENSITY: (PROPENSITY, "propensity_score", "pscore"),
}
_REQUIRED = (USER, ITEM, ENGAGED)


def read_impressions(
    file: InputFile,
    own: ImpressionSettings,
    form: FileFormat,
    *,
    of_events: dict[str, str],
    ids: Kind = "id",
    unit: str = "s",
    leave_out: Collection[str] = (),
    as_text: Collection[str] = (),
    limit: int | None = None,
) -> pd.DataFrame:
    """Read a table of impressions.

    Args:
        file: The file.
        own: Says which headers differ, and where a page begins.
        form: Format of the file.
        of_events: Headers of user, item and perhaps timestamp in the events, which are looked for
            where `own` names none.
        ids: Kind of the ids.
        unit: Unit of times, where `own` names none.
        leave_out: Headers of further columns that are not read.
        as_text: Headers of further columns that are text even if they look like numbers.
        limit: Read this many rows only.

    Returns:
        Columns `user`, `item`, `engaged` (bool), and if they are there `timestamp` (seconds),
        `position` (1 is the top) and `propensity`; then every other column of the file.

    Raises:
        DataError: If a column is missing or a cell breaks its rule; the message names the file, the
            line (row, for Parquet), the column, what was expected and what arrived.
    """
    text = form.text_format()
    opened = open_file(file, text, 1)
    kinds: dict[str, Kind] = {
        USER: ids,
        ITEM: ids,
        ENGAGED: "flag",
        TIMESTAMP: "time",
        POSITION: "position",
        PROPENSITY: "propensity",
    }
    columns = []
    for name, kind in kinds.items():
        asked = own.impressions_columns.get(name)
        known = (
            (asked,) if asked else (*filter(None, [of_events.get(name)]), *_HEADERS.get(name, ()))
        )
        there = next((header for header in known if header in opened.names), None)
        if there is None and (asked or name in _REQUIRED):
            advice = f" Say which holds it: impressions_columns={{{name}: ...}}."
            raise NoColumnError(opened, known[0], advice if len(opened.names) > 1 else "")
        if there is not None and there not in [column.there for column in columns]:
            used = own.impressions_time_unit or unit
            columns.append(Column(there, name, kind, unit=used, first=own.first_position))
    frame = read_columns(
        file,
        columns,
        text,
        extra=True,
        leave_out=[name for name in leave_out if name in opened.names],
        as_text=as_text,
        limit=limit,
    )
    return frame.drop(columns=NANOS, errors="ignore")


def clicks_of(impressions: pd.DataFrame, kept: Sequence[str] = ()) -> pd.DataFrame:
    """Return the impressions that were engaged with as events.

    Args:
        impressions: From `read_impressions`.
        kept: Further columns that events keep.

    Returns:
        Columns `user`, `item`, any `timestamp`, those of `kept` and, where propensities are known,
        `inverse_propensity`: a weight that makes up for how often an item is shown.
    """
    columns = [name for name in (USER, ITEM, TIMESTAMP) if name in impressions]
    events = impressions.loc[impressions[ENGAGED], [*columns, *kept]].reset_index(drop=True)
    if PROPENSITY in impressions:
        chance = impressions.loc[impressions[ENGAGED], PROPENSITY].to_numpy()
        events[INVERSE_PROPENSITY] = (1 / chance).astype(np.float32)
    return events
