"""Training of learned generators: sparse tables, compiled steps, one loop.

A name is imported when it is first asked for, so that whoever only says where checkpoints are kept
does not load a compiler.
"""

from __future__ import annotations

from candgen.on_demand import names_on_demand

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

__getattr__, __dir__ = names_on_demand(__name__, _HOMES)
