"""Splits of events into train, validation and test, and measures of their leakage."""

from candgen.datasets.splits.leakage import (
    Rows,
    forgotten_warnings,
    futures_seen,
    leak_warnings,
    parts_of_rows,
)
from candgen.datasets.splits.policies import (
    ALWAYS,
    FOLD_IN,
    NAMES,
    NEVER,
    POLICIES,
    TEST,
    TRAIN,
    VALIDATION,
    Events,
    Limits,
    Split,
    check_parts,
    split,
    validation_from_train,
)
from candgen.datasets.splits.settings import Policy, SplitSettings, SplitShares
from candgen.datasets.splits.ties import tie_warnings

__all__ = [
    "ALWAYS",
    "FOLD_IN",
    "NAMES",
    "NEVER",
    "POLICIES",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Events",
    "Limits",
    "Policy",
    "Rows",
    "Split",
    "SplitSettings",
    "SplitShares",
    "check_parts",
    "forgotten_warnings",
    "futures_seen",
    "leak_warnings",
    "parts_of_rows",
    "split",
    "tie_warnings",
    "validation_from_train",
]
