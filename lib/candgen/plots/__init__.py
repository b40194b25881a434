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
from candgen.plots.exposure import (
    against_bias,
    changes,
    estimates,
    exposure_and_merit,
    rounds,
    shown_and_wanted,
)
from candgen.plots.factorization import convergence, reconstructions
from candgen.plots.feedback import feedback_matrix
from candgen.plots.preferences import preferences
from candgen.plots.ratings import cost_curves, original_and_predicted
from candgen.plots.retrieval import speed_against_recall, speed_by_size, ways_to_filter
from candgen.plots.searches import search_speed
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
    "against_bias",
    "ages_of_candidates",
    "attention",
    "by_known",
    "changes",
    "colours",
    "convergence",
    "cost_curves",
    "estimates",
    "events_over_time",
    "exposure_and_merit",
    "feature_gains",
    "feedback_matrix",
    "group_bars",
    "leaderboard",
    "long_tail",
    "looking_back",
    "network",
    "objective",
    "original_and_predicted",
    "paired_differences",
    "per_user_spread",
    "preferences",
    "rating_shares",
    "recall_by_k",
    "reconstructions",
    "recovered_truth",
    "rounds",
    "search_speed",
    "shared_space",
    "shown_and_wanted",
    "speed_against_recall",
    "speed_by_size",
    "training_curves",
    "use_style",
    "ways_to_filter",
    "who_they_are",
]
