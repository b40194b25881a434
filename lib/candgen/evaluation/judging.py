"""Judge a generator, or candidate lists of any system, by full ranking.

Who is judged: users with something held out and something in their history. Users with nothing
held out are left out and counted; so are users without a history, unless no held-out user has one
(a split by cold users), in which case all of them are judged. The whole catalogue is ranked, less
what a user already has, unless the dataset allows repeats. Where the dataset gives each user a list
to rank, the judgement is labelled, since its numbers compare with no others.

Held-out items that nobody has in training stay in n, and their share is reported: recall cannot
reach 1 for a generator that learns from interactions alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen import retrieval
from candgen.columns import ITEM, ITEM_ID, RATING, USER, USER_ID
from candgen.datasets.dataset import Dataset
from candgen.datasets.periods import OF_TEST, OF_VALIDATION
from candgen.errors import ColdStartError, DataError, SettingError
from candgen.evaluation import metrics
from candgen.evaluation.beyond_accuracy import beyond_accuracy
from candgen.evaluation.candidates import Candidates
from candgen.evaluation.in_blocks import per_user_on
from candgen.evaluation.judgement import FULL, GIVEN_LISTS, Judgement
from candgen.evaluation.rating_errors import RATED, rating_errors
from candgen.models.base import Generator
from candgen.retrieval import NO_ITEM
from candgen.training.compile_time import Stopwatch, preparing

if TYPE_CHECKING:
    from candgen.cluster.workers import Cluster

CUTOFFS = (10, 20, 50, 100)


class Judged(NamedTuple):
    """Judged users, and counts of the users left out."""

    users: NDArray[np.int32]
    """Dense ids in rising order."""
    cold: bool
    """Whether they are users without a history."""
    counts: dict[str, int | float]


def judge(
    generator: Generator,
    dataset: Dataset | None = None,
    *,
    k: int = 100,
    cutoffs: Sequence[int] | None = None,
    seed: int = 0,
    graded: bool = False,
    cluster: Cluster | None = None,
) -> Judgement:
    """Rank the catalogue for every judged user and judge the first k.

    Args:
        generator: A fitted generator.
        dataset: The dataset to judge on, by default the one it was fitted to; `evaluate_on` says
            what is held out.
        k: Candidates a user.
        cutoffs: Where lists are cut, none above k; by default those of `CUTOFFS` up to k.
        seed: For the bootstrap intervals.
        graded: Whether NDCG takes held-out ratings as gains.
        cluster: Workers that share the users out, from `candgen.open_cluster`, for a generator
            that `has_vectors`; they give the judgement that this process alone would give.

    Raises:
        SettingError: If a cut-off exceeds k.
        ColdStartError: If the judged users have no history and the generator needs one.
        DataError: If nobody can be judged.
        UnsupportedError: If a cluster is given and the generator has no vectors.
    """
    dataset = generator.dataset if dataset is None else dataset
    reached = [cutoff for cutoff in CUTOFFS if cutoff <= k] or [k]
    cutoffs = metrics.check_cutoffs(reached if cutoffs is None else cutoffs)
    if cutoffs[-1] > k:
        raise SettingError(
            f"k = {k} candidates cannot be cut at {cutoffs[-1]}. Raise k or lower the cut-offs."
        )
    users, cold, _ = judged_users(dataset)
    if cold and not generator.answers_cold_users:
        raise ColdStartError(
            f"{generator.name} learns from interactions alone, and none of the {len(users):,} "
            f"users to judge has any (the first is {dataset.users[USER_ID].iloc[users[0]]!r}). "
            "Use a generator with user features, or compare popularity and random."
        )
    lists = given_lists(dataset)
    clock = Stopwatch()
    _start_threads()
    top = retrieval.top_items(
        generator,
        users,
        k,
        exclude=dataset.withheld_matrix[users],
        allowed=None if lists is None else lists[users],
        cluster=cluster,
    )
    ranking = clock.read()
    judgement = judge_candidates(
        Candidates(users, top.items, top.scores),
        dataset,
        cutoffs,
        generator.name,
        seed=seed,
        graded=graded,
        cluster=cluster,
    )
    judgement.settings.update(generator.settings)
    if generator.predicts_ratings:
        errors, judgement.counts[RATED] = rating_errors(generator, dataset)
        judgement.overall.update(errors)
    judgement.cost.update(
        fit_seconds=generator.fit_seconds_,
        fit_cpu_seconds=generator.fit_cpu_seconds_,
        rank_seconds=ranking.seconds,
        compile_seconds=ranking.compile_seconds + generator.compile_seconds_,
        queries_per_second=len(users) / ranking.seconds,
    )
    return judgement


def judge_candidates(
    candidates: Candidates,
    dataset: Dataset,
    cutoffs: Sequence[int] = CUTOFFS,
    name: str = "candidates",
    *,
    seed: int = 0,
    graded: bool = False,
    cluster: Cluster | None = None,
) -> Judgement:
    """Judge candidate lists of any system, in this process or over the workers of a cluster.

    A judged user without a list has an empty one; users who are not judged are ignored. Both are
    counted, and so are lists shorter than the largest cut-off and candidates the user already had.

    Raises:
        DataError: If nobody can be judged, ids lie outside the dataset, or a candidate is not in
            the list that the dataset gives for its user.
    """
    cutoffs = metrics.check_cutoffs(cutoffs)
    _check_ids(candidates, dataset)
    users, _, counts = judged_users(dataset)
    items = candidates.for_users(users)  # (n_judged, k)
    lists = given_lists(dataset)
    if lists is not None:
        _refuse_outsiders(items, users, lists[users], dataset)
    held_out = (_gains(dataset) if graded else dataset.held_out_matrix)[users]
    judging = metrics.per_user if cluster is None else partial(per_user_on, cluster)
    per_user = judging(items, held_out, cutoffs, graded=graded)
    per_user.insert(0, USER, users)
    if lists is not None:
        counts |= _counts_of_given(lists[users], dataset.withheld_matrix[users])
    return Judgement(
        generator=name,
        per_user=per_user,
        overall={
            **metrics.micro_recall(per_user, np.diff(held_out.indptr), cutoffs),
            **beyond_accuracy(items, users, dataset, cutoffs),
        },
        candidates=candidates,
        counts=counts | _counts_of_lists(items, users, candidates, dataset, cutoffs[-1]),
        ranking=FULL if lists is None else GIVEN_LISTS,
        judged_on=dataset.judged_on,
        seed=seed,
    )


def judge_file(
    path: Path | str,
    dataset: Dataset,
    *,
    name: str | None = None,
    cutoffs: Sequence[int] = CUTOFFS,
    seed: int = 0,
    columns: Mapping[str, str] | None = None,
) -> Judgement:
    """Judge a file of candidate lists, made by us or by any other system.

    Args:
        path: Parquet or CSV; `Candidates.load` says what it may look like.
        dataset: The dataset whose users and items the file speaks of.
        name: What to call it in tables; the file's name without its ending, when omitted.
        cutoffs: Where the lists are cut.
        seed: For the bootstrap intervals.
        columns: Our names (user, item, rank, score) -> names in the file, where they differ.
    """
    cutoffs = metrics.check_cutoffs(cutoffs)
    candidates = Candidates.load(path, dataset, k=cutoffs[-1], columns=columns)
    label = name or Path(path).name.split(".")[0]
    return judge_candidates(candidates, dataset, cutoffs, label, seed=seed)


def judged_users(dataset: Dataset) -> Judged:
    """Decide who is judged.

    Raises:
        DataError: If nothing is held out.
    """
    held_out = np.diff(dataset.held_out_matrix.indptr)
    with_history = np.diff(dataset.history_matrix.indptr) > 0
    wanted = held_out > 0
    if not wanted.any():
        raise DataError(
            f"Dataset {dataset.name!r} holds nothing out in {dataset.evaluate_on!r}: "
            "nobody can be judged. Prepare it with a larger held-out share."
        )
    cold = not (wanted & with_history).any()
    users = np.flatnonzero(wanted if cold else wanted & with_history).astype(np.int32)
    judged = dataset.held_out_matrix[users]
    in_training = np.bincount(dataset.train_matrix.indices, minlength=dataset.n_items) > 0
    in_history = dataset.history_matrix[users].multiply(judged).nnz
    counts = {
        "judged_users": len(users),
        "cold_users_left_out": int(wanted.sum() - len(users)),
        "nothing_held_out": int(len(wanted) - wanted.sum()),
        "held_out_events": int(judged.nnz),
        "unreachable_share": float(1 - in_training[judged.indices].mean()),
        "already_in_history_share": float(in_history / judged.nnz),
    }
    return Judged(users, cold, counts)


def given_lists(dataset: Dataset) -> csr_array | None:
    """Return the lists a dataset gives to be ranked, shape `(n_users, n_items)`; None without any.

    Validation has lists of its own, or else those of test, which are made around what test holds
    out. On a validation part that was taken from train they hold no held-out item, so nothing could
    be found: there the whole catalogue is ranked.
    """
    if dataset.evaluate_on == "validation" and dataset.has(OF_VALIDATION):
        return dataset.matrix(dataset.table(OF_VALIDATION))
    if not dataset.has(OF_TEST):
        return None
    lists = dataset.matrix(dataset.table(OF_TEST))
    if dataset.evaluate_on == "validation" and not lists.multiply(dataset.held_out_matrix).nnz:
        return None
    return lists


@cache
def _start_threads() -> None:
    """Start numba's threads, for which the first generator of a process would pay otherwise."""
    nothing = np.zeros((2, 1), np.float32)
    with preparing():
        retrieval.top_k(nothing, nothing, 1)


def _gains(dataset: Dataset) -> csr_array:
    events = dataset.held_out
    if RATING not in events:
        raise DataError(
            f"Graded NDCG needs ratings; dataset {dataset.name!r} holds out {list(events)}."
        )
    best = events.groupby([USER, ITEM], sort=True)[RATING].max().reset_index()
    place = (best[USER].to_numpy(), best[ITEM].to_numpy())
    gains = best[RATING].to_numpy(np.float64)
    return csr_array((gains, place), shape=(dataset.n_users, dataset.n_items))


def _counts_of_lists(
    items: NDArray, users: NDArray, candidates: Candidates, dataset: Dataset, largest: int
) -> dict[str, int | float]:
    present = items >= 0
    lengths = present.sum(axis=1)
    known = metrics.gains_of_lists(items, dataset.withheld_matrix[users]) > 0
    return {
        "candidates": int(present.sum()),
        "users_without_candidates": int((lengths == 0).sum()),
        "short_lists": int((lengths < largest).sum()),
        "lists_not_judged": int((~np.isin(candidates.users, users)).sum()),
        "candidates_already_in_history": int(known.sum()),
    }


def _counts_of_given(lists: csr_array, withheld: csr_array) -> dict[str, int | float]:
    """Count the items ranked for each user: those of the given list that are not withheld."""
    ranked = np.diff(lists.indptr) - lists.multiply(withheld).tocsr().count_nonzero(axis=1)
    return {
        "fewest_items_ranked": int(ranked.min()),
        "median_items_ranked": float(np.median(ranked)),
        "most_items_ranked": int(ranked.max()),
    }


def _check_ids(candidates: Candidates, dataset: Dataset) -> None:
    for what, ids, bound in (
        ("user", candidates.users, dataset.n_users),
        ("item", candidates.items, dataset.n_items),
    ):
        lowest, highest = ids.min(initial=0), ids.max(initial=0)
        if highest >= bound or lowest < (0 if what == "user" else NO_ITEM):
            raise DataError(
                f"Candidates hold {what} ids from {lowest} to {highest}; dataset {dataset.name!r} "
                f"has 0 .. {bound - 1}. Were they made for another dataset?"
            )


def _refuse_outsiders(items: NDArray, users: NDArray, lists: csr_array, dataset: Dataset) -> None:
    outside = (items >= 0) & (metrics.gains_of_lists(items, lists) == 0)
    if outside.any():
        row, place = np.argwhere(outside)[0]
        raise DataError(
            f"Dataset {dataset.name!r} gives each user a list to rank, and item "
            f"{dataset.items[ITEM_ID].iloc[items[row, place]]} is not in the list of user "
            f"{dataset.users[USER_ID].iloc[users[row]]} "
            f"({int(outside.sum()):,} candidates are outside). Rank the given lists only."
        )
