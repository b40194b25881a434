"""Splits of events into train, validation and test, and measures of their leakage."""

from candgen.datasets.splits.leakage import futures_seen, held_out_rows, leak_warnings
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
    "Policy",
    "Split",
    "SplitSettings",
    "SplitShares",
    "check_parts",
    "futures_seen",
    "held_out_rows",
    "leak_warnings",
    "split",
    "tie_warnings",
    "validation_from_train",
]
