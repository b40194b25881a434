"""Records: JSON files that hold one object, checked when they are read.

A kind of record is a class that names the fields which the code relies on:

    class Status(Record):
        state: str
        wall_seconds: float | None = None

Further fields are left alone. `read` returns the object as the file holds it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from candgen import checks, files
from candgen.errors import DataError

_SHOWN = 300  # characters of a message; a damaged file may hold very long values


def _inside(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or {"/", ".."} & set(parts) or any(ord(c) < 32 or c == "\\" for c in name):
        raise ValueError(f"{name[:100]!r} is no name of a file or folder inside this one.")
    return name


Inside = Annotated[str, Field(max_length=255), AfterValidator(_inside)]
"""A path that stays inside its folder: relative, without `..`."""
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A SHA-256, in hexadecimal."""


class Record(BaseModel):
    """Base class of what a JSON file must hold: strict about types, open to further fields."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


def read(path: Path | str, kind: type[Record], remedy: str = "") -> dict[str, Any]:
    """Read a JSON file that holds an object of a kind.

    Args:
        path: Of the file.
        kind: Says which fields it must have, and of which types.
        remedy: What to do about a damaged file, as a sentence.

    Raises:
        DataError: Naming the file, and the field if it lacks one or holds a wrong value.
    """
    remedy = f" {remedy}" if remedy else ""
    try:
        held = files.read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {_short(str(error))}.{remedy}") from None
    if fault := fault_of(held, kind):
        raise DataError(f"{path}: {fault}{remedy}")
    return held


def fault_of(held: Any, kind: type[Record]) -> str | None:
    """Say in a sentence why a value is no record of a kind; None if it is one."""
    if not isinstance(held, dict):
        return f"an object with names is expected, got {_short(repr(held), 60)}."
    try:
        kind.model_validate(held)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = [str(part)[:100] for part in fault["loc"]]
        if fault["type"] == "missing":
            return f"it lacks {'.'.join(place)}."
        if place and place[-1] == "[key]":
            return f"{'.'.join(place[:-2])} holds a name that is not allowed: {place[-2]!r}."
        return _short(checks.sentence(error, ()))
    except RecursionError:
        return "its values are nested too deeply."
    return None


def _short(text: str, most: int = _SHOWN) -> str:
    return text if len(text) <= most else text[:most] + "…"
