"""Two stages: generators fill a pool, and a ranker orders it.

The order of learning keeps test out of training:

1. Generators learn from train. They offer candidates to the users of validation.
2. The ranker learns which of these candidates validation holds out.
3. Generators learn again, from train and validation. They offer candidates to the users of test.
4. The ranker, which does not learn again, orders them; test judges.

The ranker is scikit-learn's histogram gradient boosting (Ke et al., LightGBM, NIPS 2017). Beside it
stands reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), which learns nothing: an
item's worth is the sum of 1 / (60 + rank) over the lists that hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from candgen import checks, evaluation, models
from candgen.datasets import Dataset
from candgen.errors import DataError, SettingError
from candgen.evaluation import Candidates, Judgement
from candgen.evaluation.judging import judged_users
from candgen.models import Generator
from candgen.retrieval import NO_ITEM
from candgen.seeds import derive_seed
from candgen.studies.ranking.rows import Period, Rows, answers, period, rows_of

FUSION = 60.0  # of reciprocal rank fusion, as published
RANKED, FUSED, TURNS = "ranker", "rank fusion", "by turns"


class RankerSettings(checks.Settings):
    """Settings of the ranker.

    The defaults are cautious, because validation holds few hits: by five-fold cross-validation over
    the 610 users of ml-latest-small's validation (176 hits in pools of 100), NDCG@10 was .034 with
    them, .029 with a learning rate of .1, 15 leaves and 20 candidates a leaf, and .035 by turns.
    """

    trees: checks.Count = 100
    """Trees, one a step of boosting."""
    learning_rate: checks.Positive = 0.05
    """Share of each tree that counts."""
    leaves: Annotated[int, Field(ge=2)] = 7
    """Leaves of a tree at most."""
    leaf_size: checks.Count = 100
    """Candidates of a leaf at least."""


class Ranker:
    """Gradient boosted trees that give each candidate its chance of being held out."""

    def __init__(self, settings: RankerSettings, *, seed: int = 0) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self._trees = HistGradientBoostingClassifier(
            max_iter=settings.trees,
            learning_rate=settings.learning_rate,
            max_leaf_nodes=settings.leaves,
            min_samples_leaf=settings.leaf_size,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=derive_seed(seed, "ranker") % 2**32,
        )

    def fit(self, rows: Rows, held_out: csr_array) -> Ranker:
        """Learn which candidates are held out.

        Args:
            rows: Candidates of users of validation.
            held_out: What validation holds out of them, shape `(n_users, n_items)`.

        Raises:
            DataError: If no candidate is held out, or all are.
        """
        hits = answers(rows, held_out)[rows.items != NO_ITEM]
        if hits.all() or not hits.any():
            raise DataError(
                f"{int(hits.sum()):,} of {len(hits):,} candidates are held out on validation: the "
                "ranker has nothing to tell apart. Raise k, or take better generators."
            )
        self._trees.fit(rows.table(), hits)
        return self

    def chances(self, rows: Rows) -> NDArray[np.float64]:
        """Return the chance of each candidate, shape `(n_users, k)`; -inf where there is none."""
        there = rows.items != NO_ITEM
        found = np.full(there.shape, -np.inf)
        if there.any():
            found[there] = self._trees.predict_proba(rows.table())[:, 1]
        return found


class Stages:
    """Generators fitted twice: for the users of validation, then for those of test.

    Nothing that test holds is read before `judging` is first asked for.

    Attributes:
        learning: Lists for users of validation, of generators that know train alone.
    """

    def __init__(
        self,
        names: Sequence[str],
        settings: Mapping[str, Mapping[str, Any]],
        data: Dataset,
        *,
        parameters: Mapping[str, Any],
        k: int,
        ranker: Mapping[str, Any] | None = None,
        most_users: int = 2_000,
        seed: int = 0,
    ) -> None:
        """Fit the generators to train, and ask them for the candidates that the ranker learns from.

        Args:
            names: Generators that share the pool, two or more.
            settings: Generator -> its settings.
            data: Judged on test.
            parameters: Settings that several generators share, such as `dim`.
            k: Candidates a user and generator.
            ranker: Settings of the ranker; see `RankerSettings`.
            most_users: Users of validation at most, drawn at random, that the ranker learns from.
            seed: Of the draw and the ranker.

        Raises:
            SettingError: If there are fewer than two generators, one comes twice, or the dataset
                is judged on validation, from which the ranker learns.
        """
        if len(names) < 2 or len(set(names)) < len(names):
            raise SettingError(
                f"generators must be two or more different names, got {list(names)}."
            )
        if data.evaluate_on != "test":
            raise SettingError(
                "The ranker learns from validation, so it is judged on test: open the dataset "
                'with evaluate_on="test".'
            )
        self.ranker = RankerSettings(**(ranker or {}))
        self.seed = seed
        self._fitted = partial(_fitted, names, settings, parameters=parameters)
        self._data, self._k = data, k
        self._rankers: dict[tuple[int, str], Ranker] = {}
        before = data.for_validation()
        users = judged_users(before).users
        drawn = np.random.default_rng(derive_seed(seed, "ranker users")).permutation(users)
        drawn = np.sort(drawn[:most_users])
        self.learning = period(self._fitted(before), before, k, users=drawn)

    @cached_property
    def judging(self) -> Period:
        """Lists for users of test, of generators that know train and validation."""
        return period(self._fitted(self._data), self._data, self._k)

    def learned(self, k: int, *, without: str = "") -> Ranker:
        """Return a ranker that learned from pools of `k` on validation, without a generator."""
        if (k, without) not in self._rankers:
            rows = rows_of(self.learning, k, without=without)
            learned = Ranker(self.ranker, seed=self.seed).fit(rows, self.learning.held_out)
            self._rankers[k, without] = learned
        return self._rankers[k, without]

    def ordered(self, k: int, *, without: str = "") -> NDArray[np.int32]:
        """Return pools of `k` for the users of test, as a ranker that learned alike orders them."""
        rows = rows_of(self.judging, k, without=without)
        return by_worth(rows.items, self.learned(k, without=without).chances(rows))


def _fitted(
    names: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    data: Dataset,
    *,
    parameters: Mapping[str, Any],
) -> dict[str, Generator]:
    made = (models.from_parameters(n, parameters, settings.get(n, {})) for n in names)
    return {name: model.fit(data) for name, model in zip(names, made, strict=True)}


def by_worth(items: NDArray[np.int32], worth: NDArray[np.floating]) -> NDArray[np.int32]:
    """Order the items of each row by worth, the largest first; ties keep their order."""
    order = np.argsort(-np.where(items == NO_ITEM, -np.inf, worth), axis=1, kind="stable")
    return np.take_along_axis(items, order, axis=1)


def fused(rows: Rows) -> NDArray[np.int32]:
    """Order a pool by reciprocal rank fusion."""
    worth = np.zeros(rows.items.shape)
    for ranks in rows.ranks():
        worth += np.nan_to_num(1 / (FUSION + ranks))
    return by_worth(rows.items, worth)


def judged(
    lists: Mapping[str, NDArray[np.int32]],
    period: Period,
    cutoffs: Sequence[int],
    *,
    seed: int = 0,
) -> dict[str, Judgement]:
    """Judge lists by name, each of shape `(n_users, any)`; a score is the negative rank."""
    found = {}
    for name, items in lists.items():
        candidates = Candidates.in_order(period.users, items)
        found[name] = evaluation.judge_candidates(candidates, period.data, cutoffs, name, seed=seed)
    return found


def orders(stages: Stages, k: int) -> dict[str, NDArray[np.int32]]:
    """Return the pool of `k` in three orders: the ranker's, rank fusion's, and by turns."""
    rows = rows_of(stages.judging, k)
    chances = stages.learned(k).chances(rows)
    return {RANKED: by_worth(rows.items, chances), FUSED: fused(rows), TURNS: rows.items}
