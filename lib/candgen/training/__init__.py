"""Training of learned generators: sparse tables, compiled steps, one loop.

A name is imported when it is first asked for, so that whoever only says where checkpoints are kept
does not load a compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Bags": "tables",
    "CompiledStep": "compiled",
    "EmbeddingTable": "tables",
    "Epoch": "loop",
    "Learner": "loop",
    "Trained": "loop",
    "TrainingSettings": "settings",
    "Watch": "watching",
    "train": "loop",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"candgen.training.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
