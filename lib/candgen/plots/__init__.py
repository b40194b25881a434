"""Pictures in one house style: each takes data and axes, and returns the axes.

A picture's module is imported when the picture is first asked for, so a run depends on the
pictures that it draws and on no other.
"""

from __future__ import annotations

from candgen.on_demand import names_on_demand

_HOMES = {
    "BASELINE": "style",
    "MODEL": "style",
    "PALETTE": "style",
    "activity": "data",
    "ages_of_candidates": "softmax",
    "attention": "sequences",
    "by_known": "cold_start",
    "colours": "style",
    "convergence": "factorization",
    "events_over_time": "data",
    "feedback_matrix": "feedback",
    "group_bars": "evaluation",
    "leaderboard": "evaluation",
    "long_tail": "data",
    "looking_back": "sequences",
    "network": "softmax",
    "objective": "evaluation",
    "paired_differences": "evaluation",
    "per_user_spread": "evaluation",
    "preferences": "content_based",
    "rating_shares": "data",
    "recall_by_k": "evaluation",
    "reconstructions": "factorization",
    "recovered_truth": "truth",
    "search_speed": "pairs",
    "training_curves": "training",
    "use_style": "style",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = names_on_demand(__name__, _HOMES)
