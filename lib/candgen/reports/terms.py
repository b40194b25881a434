"""Short explanations of the terms that reports use: on hover, and in a list at the end."""

from __future__ import annotations

from candgen.columns import MAE, MEANS_MAE, MEANS_RMSE, RMSE

METRICS = {
    "recall": "held-out items found among the first k, over all held-out items",
    "micro_recall": "recall over the held-out items of all users together, so that users with many "
    "weigh more",
    "capped_recall": "held-out items found among the first k, over min(k, held-out items)",
    "ndcg": "like recall, but finding an item early counts more",
    "precision": "share of the first k that was held out",
    "f1": "mean over users of 2 precision recall / (precision + recall)",
    "map": "mean over users of average precision, over min(k, held-out items)",
    "hit_rate": "share of users with at least one held-out item among the first k",
    "mrr": "mean over users of 1 / rank of the first item found",
    "coverage": "share of the catalogue that somebody is offered",
    "popularity_bias": "average popularity of candidates over that of the user's own history",
    "novelty": "how surprising candidates are: mean of -log2 of an item's share of users",
    "gini": "0: all items are offered equally often; 1: one item takes all",
    "diversity": "how different the candidates of one user are from each other",
    RMSE: "root of the mean squared error of predicted ratings, smaller is better",
    MAE: "mean absolute error of predicted ratings, smaller is better",
    MEANS_RMSE: "the same error of each item's mean rating",
    MEANS_MAE: "the same error of each item's mean rating",
}
"""Metrics by their names without the cut-off k, the number after the @."""
STATISTICS = {
    "held-out items": "what a user did next and no generator saw: the answers to find",
    "points": "hundredths: from 0.20 to 0.25 are 5 points",
    "95 % interval": "values that agree with what was seen; another sample of users would move it",
    "paired difference": "mean over users of the difference between two runs on the same user",
    "margin": "a difference up to this size means nothing in practice",
    "better, worse": "the whole interval lies beyond the margin",
    "undecided": "the interval reaches across the margin: more users or seeds would tell",
    "p": "how often chance alone gives a difference this large (sign-flip permutation test; with "
    "several seeds, normal approximation)",
    "p (Holm)": "p, corrected for comparing several runs with one baseline",
    "p (max-T)": "p, corrected for all pairs of runs, because the best was chosen on these users",
    "80 % power": "four of five such studies would find a difference of this size",
}
DATA = {
    "judged users": "users with something held out, and with a history unless all are cold",
    "cold users left out": "users with something held out and no history; nobody can rank for them",
    "nothing held out": "users without a held-out item",
    "unreachable share": "share of held-out items that are new: they do not occur in training",
    "already in history share": "share of held-out items that the user had before",
    "density": "interactions over users times items",
    "futures seen": "what the split shows of the future. Own: share of test events whose user has "
    "a later event in training; of all: mean share of training that is later than a test event. "
    "Above 0, results are better than they would be live",
    "digest": "fingerprint of the content: equal digests mean equal events in an equal split",
    "fold in": "events from which new users are served without training again",
}
TERMS = {**METRICS, **STATISTICS, **DATA}


def meaning(name: str) -> str:
    """Return what a term means, a metric with or without its cut-off; empty if it needs no word."""
    return TERMS.get(name) or METRICS.get(name.partition("@")[0], "")
