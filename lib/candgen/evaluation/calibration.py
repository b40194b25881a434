"""Calibration of scores, and the effect of popularity on vectors.

A logistic loss teaches probabilities, the sigmoid of a logit; a softmax teaches shares, the softmax
of a user's logits over the catalogue. Both can be set against what happened (the log) and, in an
invented world, against what is true (the oracle). A share is given as its *lift*: 1 is the share
that each item would have if all were alike.

- *Reliability*: predictions are put into bins; within each, the mean prediction stands beside the
  mean outcome. The *expected calibration error* is their absolute distance, averaged over the
  predictions (Naeini, Cooper and Hauskrecht, AAAI 2015; Guo et al., ICML 2017).
- *Slope*: of the logit of true relevance (logistic) or its log (all else, since only ratios count
  there) on the model's logit, within users, pooled. 1 is calibrated up to a constant a user; below
  1 the scores are overconfident, above 1 underconfident.
- *Rank correlation*: Spearman's, of score and true relevance, within each user.

Items in a user's history are left out everywhere, because they are never recommended, unless the
dataset allows repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from candgen.checks import Positive, checked
from candgen.columns import ITEM, USER
from candgen.datasets.feedback import LABEL, labels
from candgen.evaluation.beyond_accuracy import item_popularity
from candgen.evaluation.freshness import best_candidates
from candgen.models.base import Generator, VectorGenerator

if TYPE_CHECKING:
    from candgen.datasets import Dataset
    from candgen.datasets.world import Oracle

MEANINGS = {"logistic": "probability", "softmax": "lift"}
"""What the scores of a loss mean; those of other losses mean nothing but an order."""
EDGES = {
    "probability": np.linspace(0, 1, 11),
    "lift": np.array([0, *2.0 ** np.arange(-6, 8), np.inf]),
}
_ALIKE = 1e-5  # vectors whose lengths differ by less, as a share, are of one length


class Reliability(NamedTuple):
    """Predictions beside outcomes, one entry a bin; NaN where a bin is empty."""

    edges: NDArray[np.float64]  # (n_bins + 1,)
    predicted: NDArray[np.float64]
    """Mean prediction of each bin."""
    observed: NDArray[np.float64]
    """Mean outcome of each bin."""
    count: NDArray[np.int64]
    """Predictions in each bin."""

    @property
    def error(self) -> float:
        """The expected calibration error; NaN without any prediction."""
        full = self.count > 0
        if not full.any():
            return float("nan")
        apart = np.abs(self.predicted[full] - self.observed[full])
        return float(np.average(apart, weights=self.count[full]))


class Calibration(NamedTuple):
    """Calibration of one generator's scores."""

    meaning: str
    """"probability", "lift", or "order" where a score means no more than that."""
    logged: Reliability | None
    """Against what was taken later; None where scores mean an order."""
    truth: Reliability | None
    """Against the oracle; None without one, or where scores mean an order."""
    slope: float
    """Of true relevance on the logit, within users; NaN without an oracle."""
    rank_correlation: NDArray[np.float64]
    """Of each user; NaN without an oracle or where all scores are alike."""


class _Bins:
    """Sums by bin, so that blocks can be added one after the other.

    A value on an edge belongs to the bin above it, if there is one.
    """

    def __init__(self, edges: NDArray[np.floating]) -> None:
        self.edges = np.asarray(edges, dtype=np.float64)
        self.sums = np.zeros((3, len(self.edges) - 1))  # count, predicted, observed

    def add(self, predicted: NDArray[np.floating], observed: NDArray[np.floating]) -> None:
        n = len(self.edges) - 1
        place = np.clip(np.searchsorted(self.edges, predicted, side="right") - 1, 0, n - 1)
        for row, weights in enumerate((None, predicted, observed)):
            self.sums[row] += np.bincount(place, weights, n)

    def read(self) -> Reliability:
        count, *sums = self.sums
        means = [np.divide(s, count, out=np.full(len(s), np.nan), where=count > 0) for s in sums]
        return Reliability(self.edges, *means, count.astype(np.int64))


def calibrate(
    generator: Generator,
    dataset: Dataset,
    users: NDArray[np.integer],
    *,
    loss: str,
    temperature: float = 1.0,
    oracle: Oracle | None = None,
    rows_per_block: int = 256,
) -> Calibration:
    """Compare a generator's scores with later events and, with an oracle, with true relevance.

    A logistic loss's probabilities are held against whether an item that was shown in the judged
    period was taken, where the dataset knows what was shown and ignored then; otherwise, as lifts
    are, against what is held out, with all that is not held out as not taken.

    Args:
        generator: Fitted to the dataset.
        dataset: Says what is held out.
        users: Dense ids of users that the generator answers for. Memory grows with
            `rows_per_block` times the number of items, time with the number of users.
        loss: What the generator was trained with; says what scores mean.
        temperature: Scores are divided by it, as in training.
        oracle: Of the dataset's world.
        rows_per_block: Users scored at once; no answer depends on it.
    """
    checked("temperature", temperature, Positive)
    meaning = MEANINGS.get(loss, "order")
    by_impressions = (
        meaning == "probability" and dataset.judges("impressions") and dataset.judges_whole_log
    )
    logged, truth = (_Bins(EDGES.get(meaning, np.array([0, 1]))) for _ in range(2))
    spread, together, ranks = 0.0, 0.0, np.full(len(users), np.nan)
    for row, user, items, logits in _logits(generator, dataset, users, temperature, rows_per_block):
        predicted = _meant(logits, meaning)
        if predicted is not None and not by_impressions:
            logged.add(predicted, _outcomes(dataset, user, items, meaning))
        if oracle is None:
            continue
        relevance = oracle.relevance(np.array([user]), items)[0].astype(np.float64)
        if predicted is not None:
            truth.add(predicted, relevance if meaning == "probability" else _lifts(relevance))
        ranks[row] = _spearman(logits, relevance)
        wanted = (relevance > 0) & (relevance < 1)
        x = logits[wanted] - logits[wanted].mean() if wanted.any() else np.zeros(0)
        of = logit if meaning == "probability" else np.log
        spread, together = spread + x @ x, together + x @ of(relevance[wanted])
    if by_impressions:
        logged.add(*_shown_later(generator, dataset, users, temperature))
    known = meaning != "order"
    return Calibration(
        meaning,
        logged.read() if known else None,
        truth.read() if known and oracle is not None else None,
        together / spread if spread > 0 else float("nan"),
        ranks,
    )


def _logits(
    generator: Generator,
    dataset: Dataset,
    users: NDArray[np.integer],
    temperature: float,
    rows_per_block: int,
) -> Iterator[tuple[int, int, NDArray[np.int64], NDArray[np.float64]]]:
    """Give each user's place and id, the items that may be offered, and their logits."""
    for start in range(0, len(users), rows_per_block):
        block = users[start : start + rows_per_block]
        scores = generator.score(block) / temperature
        withheld = dataset.withheld_matrix[block]
        for row, user in enumerate(block):
            offered = generator.known_items_.copy()
            offered[withheld.indices[withheld.indptr[row] : withheld.indptr[row + 1]]] = False
            items = np.flatnonzero(offered)
            yield start + row, int(user), items, scores[row, items].astype(np.float64)


def _meant(logits: NDArray[np.float64], meaning: str) -> NDArray[np.float64] | None:
    if meaning == "probability":
        return expit(logits)
    return _lifts(np.exp(logits - logits.max(initial=-np.inf))) if meaning == "lift" else None


def _lifts(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of a whole, times the number of items; nothing to share out gives zeros."""
    return weights * (len(weights) / max(weights.sum(), 1e-300))


def _outcomes(
    dataset: Dataset, user: int, items: NDArray[np.int64], meaning: str
) -> NDArray[np.float64]:
    held_out = dataset.held_out_matrix[[user]]
    taken = np.isin(items, held_out.indices).astype(np.float64)
    return taken if meaning == "probability" else _lifts(taken)


def _shown_later(
    generator: Generator, dataset: Dataset, users: NDArray[np.integer], temperature: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return predictions and outcomes of the pairs that were shown in the judged period."""
    shown = dataset.judging("impressions")
    shown = shown[shown[USER].isin(users) & generator.known_items_[shown[ITEM]]]
    pairs = labels(shown)
    withheld, predicted, observed = dataset.withheld_matrix, [np.zeros(0)], [np.zeros(0)]
    for user, of_user in pairs.groupby(USER):
        fresh = of_user[~of_user[ITEM].isin(withheld[[user]].indices)]
        if len(fresh):
            scores = generator.score(np.array([user]), fresh[ITEM].to_numpy())[0]
            predicted.append(expit(scores.astype(np.float64) / temperature))
            observed.append(fresh[LABEL].to_numpy(np.float64))
    return np.concatenate(predicted), np.concatenate(observed)


def _spearman(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Spearman's rank correlation; NaN where one of the two is all alike."""
    from scipy.stats import rankdata  # takes a second to import

    if len(one) < 2:
        return float("nan")
    a, b = (rankdata(values) - (len(one) + 1) / 2 for values in (one, other))
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else float("nan")


def norm_against_popularity(generator: VectorGenerator) -> float:
    """Spearman's correlation of the length of item vectors with the number of training users.

    NaN where all vectors are of one length, as where cosine is meant.
    """
    known = generator.known_items_
    lengths = np.linalg.norm(generator.item_vectors()[known].astype(np.float64), axis=1)
    if np.ptp(lengths) <= _ALIKE * lengths.max():
        return float("nan")
    return _spearman(lengths, generator.item_counts_[known])


def score_against_popularity(
    generator: Generator, users: NDArray[np.integer], *, rows_per_block: int = 256
) -> float:
    """Spearman's correlation of an item's mean score over users with its training users."""
    known, total = generator.known_items_, 0.0
    for start in range(0, len(users), rows_per_block):
        scores = generator.score(users[start : start + rows_per_block])[:, known]
        total = total + scores.astype(np.float64).sum(axis=0)
    return _spearman(total, generator.item_counts_[known])


class PopularityOfLists(NamedTuple):
    """Mean popularity, in training users, user by user; NaN where there is nothing to average."""

    lists: NDArray[np.float64]
    """Of the candidates."""
    own: NDArray[np.float64]
    """Of the user's history."""
    true_taste: NDArray[np.float64]
    """Of the best lists that there are, as the oracle would give them; NaN without an oracle."""


def popularity_of_lists(
    items: NDArray[np.integer],
    users: NDArray[np.integer],
    dataset: Dataset,
    k: int,
    *,
    oracle: Oracle | None = None,
) -> PopularityOfLists:
    """Measure how popular the first `k` candidates are, and what users own and would like best.

    Means over users of the first divided by those of the second is `popularity_bias`; divided by
    those of the third, it is the bias against the true taste.

    Args:
        items: Candidates, best first, shape `(n, at least k)`; -1 is an empty place.
        users: Their dense ids, shape `(n,)`.
        dataset: Where popularity and histories come from.
        k: Places that are looked at.
        oracle: Of the dataset's world.
    """
    popularity = item_popularity(dataset).astype(np.float64)
    history = dataset.history_matrix[users]
    lengths = np.diff(history.indptr)
    rows = np.repeat(np.arange(len(users)), lengths)
    sums = np.bincount(rows, popularity[history.indices], minlength=len(users))
    own = np.divide(sums, lengths, out=np.full(len(users), np.nan), where=lengths > 0)
    taste = np.full(len(users), np.nan)
    if oracle is not None:
        taste = _mean_of_rows(popularity, best_candidates(users, dataset, oracle, k).items)
    return PopularityOfLists(_mean_of_rows(popularity, items[:, :k]), own, taste)


def _mean_of_rows(worth: NDArray[np.float64], items: NDArray[np.integer]) -> NDArray[np.float64]:
    present = items >= 0
    n, sums = present.sum(axis=1), np.where(present, worth[np.maximum(items, 0)], 0.0).sum(axis=1)
    return np.divide(sums, n, out=np.full(len(items), np.nan), where=n > 0)
