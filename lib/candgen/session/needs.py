"""Needs of a page beside events: impressions, times or an oracle.

A page says so where it opens the dataset, in a literal list:

    data = session.open_dataset(dataset, evaluate_on=evaluate_on, needs=["impressions"])

A dataset that lacks it is refused there, and before a kernel starts if it is prepared already.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from candgen.errors import DataError, SettingError, did_you_mean

_LACKS = {
    "impressions": (
        "has no impressions: nobody noted what was shown. Prepare it with impressions_path, the "
        "table of what was shown, or take the invented world."
    ),
    "oracle": (
        "has no oracle: true relevance is known of an invented world only. Prepare a dataset with "
        "source=world."
    ),
    "times": (
        "has no times of events. Prepare it with timestamp_column, the header of their times."
    ),
}


def refuse_lacking(needs: Sequence[str], folder: Path | str, info: dict[str, Any]) -> None:
    """Refuse a prepared dataset that lacks what a page needs.

    Args:
        needs: Some of impressions, oracle and times.
        folder: Folder of the dataset.
        info: Its description, `dataset.json`.

    Raises:
        DataError: Naming the dataset, what it lacks and what to do.
        SettingError: If a need is none of these.
    """
    folder = Path(folder)
    for need in needs:
        if need not in _LACKS:
            raise SettingError(f"No dataset has {need!r}.{did_you_mean(need, _LACKS)}")
        if not _has(need, folder, info):
            raise DataError(f"Dataset {info.get('name', folder.name)!r} {_LACKS[need]}")


def _has(need: str, folder: Path, info: dict[str, Any]) -> bool:
    if need == "impressions":
        return "impressions" in info.get("tables", {})
    if need == "oracle":
        return (folder / "oracle").is_dir()
    import pyarrow.parquet as pq  # slow, and seldom needed

    return "timestamp" in pq.read_schema(folder / "interactions.parquet").names
