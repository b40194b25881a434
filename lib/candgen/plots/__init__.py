"""Pictures in one house style: each takes data and axes, and returns the axes."""

from candgen.plots.cold_start import by_known, who_they_are
from candgen.plots.data import activity, events_over_time, long_tail, rating_shares
from candgen.plots.evaluation import (
    group_bars,
    leaderboard,
    objective,
    paired_differences,
    per_user_spread,
    recall_by_k,
)
from candgen.plots.factorization import convergence, reconstructions
from candgen.plots.feedback import feedback_matrix
from candgen.plots.preferences import preferences
from candgen.plots.search_speed import search_speed
from candgen.plots.sequences import attention, looking_back
from candgen.plots.softmax import ages_of_candidates, network
from candgen.plots.style import BASELINE, MODEL, PALETTE, colours, use_style
from candgen.plots.towers import feature_gains, recovered_truth, shared_space
from candgen.plots.training import training_curves

__all__ = [
    "BASELINE",
    "MODEL",
    "PALETTE",
    "activity",
    "ages_of_candidates",
    "attention",
    "by_known",
    "colours",
    "convergence",
    "events_over_time",
    "feature_gains",
    "feedback_matrix",
    "group_bars",
    "leaderboard",
    "long_tail",
    "looking_back",
    "network",
    "objective",
    "paired_differences",
    "per_user_spread",
    "preferences",
    "rating_shares",
    "recall_by_k",
    "reconstructions",
    "recovered_truth",
    "search_speed",
    "shared_space",
    "training_curves",
    "use_style",
    "who_they_are",
]
