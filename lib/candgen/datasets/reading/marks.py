"""Values of impressions: propensities, positions and flags, checked for a whole column at once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from candgen.datasets.cells import Column
from candgen.datasets.reading.values import is_text, missing, plain, ratings, refuse

_FLAGS = {"0": False, "1": True, "false": False, "true": True}
_DEEPEST = 32_767  # positions are stored as int16


def propensities(values: pa.ChunkedArray, column: Column) -> NDArray[np.float64]:
    """Return chances as float64, above 0 and at most 1.

    Raises:
        Fault: If one is missing, no number or out of range.
    """
    made = _numbers(values, column)
    wrong = ~((made > 0) & (made <= 1))
    refuse(
        wrong,
        "is {}, expected above 0 and at most 1, the chance with which the item was shown there. "
        "Leave out rows that no chance made",
        made,
    )
    return made


def positions(values: pa.ChunkedArray, column: Column) -> NDArray[np.int16]:
    """Return positions, 1 is the top, whatever the top is called in the file.

    Raises:
        Fault: If one is missing, no whole number, or above the top.
    """
    made = _numbers(values, column)
    wrong = (made != np.floor(made)) | (made < column.first) | (made > _DEEPEST)
    advice = ". If positions count from 0, set first_position=0" if column.first else ""
    refuse(wrong, f"is {{}}, expected a whole number of {column.first} or greater{advice}", made)
    return (made - column.first + 1).astype(np.int16)


def flags(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return true or false for 1 or 0, true or false in any capitals.

    Raises:
        Fault: If one is missing or anything else.
    """
    values = plain(values)
    refuse(missing(values, words=True), "is missing, expected 0 or 1")
    if pa.types.is_boolean(values.type):
        return values.to_numpy().astype(bool)
    if is_text(values):
        texts = pc.utf8_lower(pc.utf8_trim_whitespace(values))
        known = pc.is_in(texts, pa.array(list(_FLAGS), texts.type)).to_numpy()
        refuse(~known, "is {}, expected 0, 1, true or false", values)
        return pc.is_in(texts, pa.array(["1", "true"], texts.type)).to_numpy().astype(bool)
    made = ratings(values, Column("", ""))
    refuse((made != 0) & (made != 1), "is {}, expected 0, 1, true or false", made)
    return made == 1


def _numbers(values: pa.ChunkedArray, column: Column) -> NDArray[np.float64]:
    """Return finite numbers with the precision that is written."""
    found = ratings(values, column)  # refuses what is missing or no number
    values = plain(values)
    if is_text(values):
        values = pc.utf8_trim_whitespace(values)
        try:
            return values.cast(pa.float64()).to_numpy()
        except pa.ArrowInvalid:  # spelled as Python reads it and Arrow does not
            return found.astype(np.float64)
    return values.cast(pa.float64(), safe=False).to_numpy()
