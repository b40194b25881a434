"""Facts about tuning and test that readers must know, printed on a report's first screen.

A params file lists them under `report: disclosures:`, a sentence or more for each key of `KINDS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from candgen.errors import did_you_mean

REUSE = "test_reuse"
KINDS = {
    REUSE: "Test was evaluated more than once.",
    "selection_on_test": "Settings were chosen with knowledge of test.",
    "unequal_tuning": "Generators were not tuned with equal effort.",
    "other": "Also to know.",
}
"""Key -> what it says; the params file's sentence gives the details."""


def fault(key: str, text: Any) -> str | None:
    """Return what is wrong with a disclosure; None if nothing is."""
    if key not in KINDS:
        return (
            f"unknown disclosure {key!r}; known are {', '.join(KINDS)}.{did_you_mean(key, KINDS)}"
        )
    if not isinstance(text, str) or not text.strip():
        return f"expected a sentence that tells readers the details, got {text!r}."
    return None


def shown(disclosures: dict[str, str], read_again: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return what each disclosure says and its details, in the order of `KINDS`.

    Args:
        disclosures: As of the params file.
        read_again: Sentences about further readings of test that the sweep itself recorded.
    """
    if read_again:
        told = [str(disclosures.get(REUSE, "")), *read_again]
        disclosures = disclosures | {REUSE: " ".join(filter(None, told))}
    order = [*KINDS, *(key for key in disclosures if key not in KINDS)]
    found = ((KINDS.get(key, ""), disclosures[key]) for key in order if key in disclosures)
    return [(says, " ".join(str(text).split())) for says, text in found]
