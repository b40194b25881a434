"""Splits: which events a model may learn from, and what a split gives away."""

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
    SplitSettings,
    check_parts,
    split,
    validation_from_train,
)

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
    "Split",
    "SplitSettings",
    "check_parts",
    "futures_seen",
    "held_out_rows",
    "leak_warnings",
    "split",
    "validation_from_train",
]
