"""Files of a preparation beside the events: the description, and tables of users and items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from candgen.checks import Settings
from candgen.columns import ITEM, ITEM_ID, USER, USER_ID
from candgen.datasets.interactions import code_of
from candgen.datasets.reading import free_name
from candgen.datasets.source import Source
from candgen.datasets.splits.leakage import FuturesSeen
from candgen.datasets.splits.positives import rule_of_positives
from candgen.errors import DataError

if TYPE_CHECKING:
    from candgen.datasets.preparation import PreparationSettings


def info_of(
    source: Source,
    own: PreparationSettings,
    of_source: Settings,
    *,
    steps: list[dict[str, Any]],
    notes: list[str],
    rule: str,
    facts: dict[str, Any],
    seen: FuturesSeen | None,
    extras: dict[str, Any],
    warnings: list[str],
) -> dict[str, Any]:
    """Describe a dataset for `write_dataset`.

    Args:
        source: What was read.
        own: Settings of the preparation.
        of_source: Settings of the source.
        steps: Counts after each filter.
        notes: Sentences on filters, beside those of the source.
        rule: Description of the split.
        facts: Cut-offs and counts of the split.
        seen: Future events that models have seen; None without times.
        extras: Counts of further event tables.
        warnings: Sentences for every report.
    """
    policy = own.split_settings.policy
    parameters = own.model_dump(exclude={"memory"})  # it changes nothing in the dataset
    parameters |= {"split": policy, "duplicates": own.of_repeated_pairs}
    return {
        "name": own.name,
        "source": {
            "kind": source.kind,
            "title": source.title,
            "inputs": source.inputs,
            "rating_scale": list(source.rating_scale) if source.rating_scale else None,
        },
        "licence": source.licence,
        "citation": source.citation,
        "parameters": parameters | of_source.model_dump(),
        "steps": steps,
        "split": {
            "policy": policy,
            "rule": rule + rule_of_positives(own),
            **facts,
            "futures_seen": None if seen is None else seen._asdict(),
        },
        "extras": extras,
        "notes": [*source.notes, *notes],
        "warnings": warnings,
    }


def described_users(ids: pd.Index, features: pd.DataFrame | None) -> pd.DataFrame:
    """Return the table of users: dense ids, own ids and features.

    Args:
        ids: Own ids in the order of the dense ones.
        features: One row a user with the column `user_id`; None: there are none.

    Raises:
        DataError: If the features are of none of the users.
    """
    return _described(USER, USER_ID, ids, features, "users")


def described_items(ids: pd.Index, features: pd.DataFrame | None) -> pd.DataFrame:
    """Return the table of items: dense ids, own ids and features, as `described_users`."""
    return _described(ITEM, ITEM_ID, ids, features, "items")


def _described(
    code: str, key: str, ids: pd.Index, features: pd.DataFrame | None, what: str
) -> pd.DataFrame:
    frame = pd.DataFrame({code: np.arange(len(ids), dtype=np.int32), key: ids})
    if features is None:
        return frame
    rows = code_of(ids, pd.Index(features[key]))
    if (rows < 0).all():
        raise DataError(
            f"No id of the table of {what} occurs in the events: the table has "
            f"{features[key].iloc[0]!r}, the events have {ids[0]!r}. Do both spell ids alike?"
        )
    matched = features.drop(columns=key).reset_index(drop=True)
    if code in matched:  # a column of the user's own that is called like ours
        matched = matched.rename(columns={code: free_name(code, [*frame, *matched])})
    matched = matched.take(rows) if (rows >= 0).all() else matched.reindex(rows)
    return pd.concat([frame, matched.reset_index(drop=True)], axis=1)
