"""Steps of a training: what was watched on validation after each epoch, in a file as it happens.

A search reads the file of a run that still goes on, and stops a trial whose values are poor. The
file names each training by what is trained; a second training of the same name in one process is
"NAME 2", and so on. It appears whole, and a training that goes on from a checkpoint writes all
of its steps again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from candgen import files

STEPS = "steps.json"
FORMAT = 1

_folder: Path | None = None
_started: Counter[str] = Counter()
_written: dict[str, list[list[float]]] = {}


def keep_in(folder: Path | str | None) -> None:
    """Keep the steps of all further trainings of this process in a folder; None keeps none."""
    global _folder
    _folder = None if folder is None else Path(folder)
    _started.clear()
    _written.clear()


def begin(name: str) -> str:
    """Note that a training starts; return the name that the file knows it by."""
    _started[name] += 1
    return name if _started[name] == 1 else f"{name} {_started[name]}"


def write(known_as: str, values: Iterable[tuple[int, float]]) -> None:
    """Write the steps of one training so far.

    Args:
        known_as: What `begin` returned.
        values: Epoch, from 1, and the value watched after it; what is not finite is left out.
    """
    if _folder is None:
        return
    _written[known_as] = [[epoch, value] for epoch, value in values if math.isfinite(value)]
    files.write_json(_folder / STEPS, {"format": FORMAT, "trainings": _written})


def read(folder: Path | str, name: str | None = None) -> list[tuple[int, float]]:
    """Return the steps of a run's first training; none if there is no whole file.

    Args:
        folder: Of the run.
        name: What is trained; None takes the training that was written first.
    """
    try:
        found = files.read_json(Path(folder) / STEPS)["trainings"]
        rows = found[next(iter(found)) if name is None else name]
        return [(int(epoch), float(value)) for epoch, value in rows]
    except (OSError, ValueError, TypeError, KeyError, StopIteration):
        return []
