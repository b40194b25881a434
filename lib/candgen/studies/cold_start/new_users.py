"""The study of new users: candidates by the number of known events or answers.

All numbers are compared on the same new users, with the same items to choose from and the same
later events to find:

- to be found are a user's events after the first few, the largest number that is ever known;
- the first few are withheld from every list, known or not;
- items that any strategy asks about are neither offered nor to be found, so an answer gains nothing
  by itself, even where it is read from later events.

Generators are fitted once, to training without the new users and their events, and never again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen import evaluation, models, retrieval
from candgen.columns import ITEM, USER
from candgen.datasets import Dataset
from candgen.datasets.cold_users import ColdSplit, fold_in_cold_users
from candgen.datasets.world import Oracle
from candgen.errors import DataError, SettingError
from candgen.evaluation import Candidates, Judgement
from candgen.evaluation.significance import BETTER, MARGIN, verdicts
from candgen.models.factorization.weighted_factorization import WeightedFactorization
from candgen.retrieval import TopK
from candgen.seeds import derive_seed

POPULAR = "popularity"  # answers where nothing is known
_BLOCK = 256


class Found(NamedTuple):
    """Judged candidates, by generator and number known."""

    table: pd.DataFrame
    """One row per measure, number known and generator, as of `evaluation.relevance_table`."""
    judgements: dict[tuple[str, int], Judgement]
    """By generator and number known."""


class NewUsers:
    """New users, the items that may be offered to them, and the events to find.

    Attributes:
        apart: The training part without them, and what they did.
        known: Numbers of events (or answers) that are known, in rising order.
        users: Those who have something to be found, dense ids.
        offered: Which items may be offered, shape `(n_items,)`.
        withheld: First events, never offered, shape `(len(users), n_items)`.
        asked: By strategy, the items to ask about.
    """

    def __init__(
        self,
        apart: ColdSplit,
        known: Sequence[int],
        *,
        asked: Mapping[str, NDArray[np.int64]] | None = None,
        oracle: Oracle | None = None,
        headline: str = "recall@20",
        k: int = 100,
        cutoffs: Sequence[int] = (10, 20, 50, 100),
        seed: int = 0,
    ) -> None:
        """Choose the users to judge and the events to find.

        Args:
            apart: Made with `more_than` at least the largest of `known`.
            known: Numbers of events or answers.
            asked: By strategy, the items to ask about, in order.
            oracle: Of the world, if it was invented.
            headline: The metric of tables, at one of the cut-offs.
            k: Candidates a user.
            cutoffs: Where lists are cut.
            seed: Of answers and intervals.

        Raises:
            DataError: If no new user has anything left to be found.
        """
        self.apart, self.known = apart, sorted_numbers("known", known)
        self.oracle, self.headline = oracle, headline
        self.k, self.cutoffs, self.seed = k, list(cutoffs), seed
        self.cut = int(headline.split("@")[1])
        self.asked = dict(asked or {})
        self._data: dict[int, Dataset] = {}
        most = self.known[-1]
        first = fold_in_cold_users(apart.data, most)
        union = np.unique(np.concatenate([*self.asked.values(), np.zeros(0, np.int64)]))
        self._questions = union.astype(np.int64)
        wanted = first.held_out[~first.held_out[ITEM].isin(union)]
        self._wanted = wanted.reset_index(drop=True)
        self.users = np.unique(wanted[USER]).astype(np.int64)
        if not len(self.users):
            raise DataError(
                f"None of the {len(apart.users)} new users has an event after the first {most} "
                "and outside the questions. Ask for fewer known events, or ask fewer questions."
            )
        self.withheld = first.history_matrix[self.users]
        taken = np.bincount(apart.data.train_matrix.indices, minlength=apart.data.n_items) > 0
        self.offered = taken & ~np.isin(np.arange(len(taken)), union)
        self.popularity = models.Popularity().fit(apart.data)
        options = {"exclude": self.withheld, "allowed": self.offered}
        self.popular = retrieval.top_items(self.popularity, self.users, k, **options)

    @property
    def measures(self) -> list[str]:
        """The headline and, where an oracle knows it, true relevance at the same cut-off."""
        return [self.headline, *([f"true relevance@{self.cut}"] if self.oracle else [])]

    def data(self, n: int) -> Dataset:
        """Return the dataset in which the first `n` events of the new users are known."""
        if n not in self._data:
            made = fold_in_cold_users(self.apart.data, n, found_after=self.known[-1])
            tables = {**made._tables, "test": self._wanted}
            self._data[n] = replace(made, _tables=tables)
        return self._data[n]

    def lists(self, model: models.Generator, n: int) -> TopK:
        """Return the lists of a fitted generator that knows the first `n` events.

        A query tower reads them as histories, a factorization folds them in, others know nothing
        new. Without any knowledge the popular items are offered.
        """
        options = {"exclude": self.withheld, "allowed": self.offered}
        if model.folds_in:
            history = self.data(n).history_matrix[self.users]
            return self._by_vectors(model, model.fold_in(history))
        if model.reads_histories:
            model = model.serving(self.data(n))
        if not model.known_users_[self.users].all():
            return self.popular
        return retrieval.top_items(model, self.users, self.k, **options)

    def _by_vectors(self, model: models.Generator, vectors: NDArray[np.float32]) -> TopK:
        options = {"exclude": self.withheld, "allowed": self.offered}
        found = retrieval.top_k(vectors, model.item_vectors(), self.k, **options)
        nothing = ~vectors.any(axis=1)  # all items tie at 0
        found.items[nothing], found.scores[nothing] = (
            self.popular.items[nothing],
            self.popular.scores[nothing],
        )
        return found

    @cached_property
    def answers(self) -> NDArray[np.bool_]:
        """Answers to all questions, shape `(len(users), n_items)`; True is yes.

        With an oracle, a yes is drawn with the true relevance as its probability, once for each
        pair of user and item. Without one, an event at any time is a yes.
        """
        if self.oracle is None:
            return self.apart.data.held_out_matrix[self.users].toarray() > 0
        yes = np.zeros((len(self.users), self.apart.data.n_items), dtype=bool)
        likely = self.oracle.relevance(self.users, self._questions)
        drawn = np.random.default_rng(derive_seed(self.seed, "answers")).random(likely.shape)
        yes[:, self._questions] = drawn < likely
        return yes

    def answered(
        self, model: WeightedFactorization, strategy: str, n: int, *, no_weight: float
    ) -> TopK:
        """Return lists after the first `n` questions of a strategy.

        A yes is folded in like an event, with weight 1 and value 1; a no with `no_weight` and
        value 0. Without any yes the popular items are offered.
        """
        items = self.asked[strategy][:n]
        yes = self.answers[:, items]
        rows, places = np.nonzero(yes | (no_weight > 0))
        shape = (len(self.users), self.apart.data.n_items)
        said = yes[rows, places].astype(np.float32)
        at = (rows, items[places])
        weights = csr_array((np.where(said > 0, 1.0, no_weight).astype(np.float32), at), shape)
        return self._by_vectors(model, model.fold_in(weights, csr_array((said, at), shape)))

    def judge(self, name: str, top: TopK, n: int) -> Judgement:
        """Judge lists made when `n` events or answers were known."""
        lists = Candidates(self.users.astype(np.int32), top.items, top.scores)
        found = evaluation.judge_candidates(lists, self.data(n), self.cutoffs, name, seed=self.seed)
        found.settings["known"] = n
        return found

    def by_events(self, asked: Mapping[str, models.Generator]) -> Found:
        """Judge fitted generators once for each number of known events, popularity beside them."""
        return self._found(lambda name, n: self.lists(asked[name], n), list(asked))

    def by_questions(self, model: WeightedFactorization, *, no_weight: float) -> Found:
        """Judge a factorization that folds answers in, by strategy and number of questions."""

        def lists(strategy: str, n: int) -> TopK:
            return self.answered(model, strategy, n, no_weight=no_weight)

        return self._found(lists, list(self.asked))

    def _found(self, lists: Any, names: Sequence[str]) -> Found:
        judgements, tables = {}, []
        popular = self._measured(POPULAR, self.popular, 0)
        for n in self.known:
            held = {POPULAR: popular}
            held |= {name: self._measured(name, lists(name, n), n) for name in names}
            judgements |= {(name, n): judged for name, (judged, _) in held.items()}
            for measure in self.measures:
                values = {name: found[measure] for name, (_, found) in held.items()}
                tables.append(known_table(values, measure, n, baseline=POPULAR, seed=self.seed))
        return Found(pd.concat(tables, ignore_index=True), judgements)

    def _measured(
        self, name: str, top: TopK, n: int
    ) -> tuple[Judgement, dict[str, NDArray[np.float64]]]:
        judged = self.judge(name, top, n)
        values = {self.headline: judged.values(self.headline)}
        if self.oracle:
            found = evaluation.relevance_of_lists(self.users, top.items, self.oracle, self.cut)
            values[self.measures[1]] = found
        return judged, values

    def best_possible(self) -> dict[str, float]:
        """Return the mean true relevance of the best possible lists, where an oracle knows it."""
        if not self.oracle:
            return {}
        best = np.empty(len(self.users))
        for start in range(0, len(self.users), _BLOCK):
            rows = slice(start, start + _BLOCK)
            relevance = self.oracle.relevance(self.users[rows]) * self.offered
            relevance[self.withheld[rows].nonzero()] = 0
            best[rows] = np.sort(relevance, axis=1)[:, -self.cut :].sum(axis=1) / self.cut
        return {self.measures[1]: float(best.mean())}

    def told(self, strategies: Sequence[str], titles: int = 5) -> pd.DataFrame:
        """Return the first questions of each strategy, and how often they are answered with yes."""
        rows = []
        for strategy in strategies:
            items = self.asked[strategy]
            names = self.apart.data.titles[items[:titles]]
            yes = self.answers[:, items].sum(axis=1)
            rows.append(
                {
                    "questions": strategy,
                    "asked first": "; ".join(map(str, names)),
                    f"yes to {len(items)}": yes.mean(),
                    "never yes": float((yes == 0).mean()),
                }
            )
        return pd.DataFrame(rows)


def solved_again(model: WeightedFactorization, history: csr_array) -> NDArray[np.float64]:
    """Solve for users' vectors with the items still, by NumPy in double precision.

    With items v_i and n_u events, that is (sum of v_i v_i' over events + w0 V'V + r_u I) x = sum of
    v_i, r_u = regularization * (n_u + w0 * n_items)^frequency_power; see
    `candgen.models.factorization.wals_solver`.

    Args:
        model: Fitted, with plain events: no weights by a column or by frequency.
        history: What each user took, shape `(n, n_items)`.

    Returns:
        Vectors, shape `(n, dim)`.
    """
    v = model.item_vectors().astype(np.float64)
    w0, everything = model.unobserved_weight, model.unobserved_weight * (v.T @ v)
    found = np.zeros((history.shape[0], v.shape[1]))
    for row in range(len(found)):
        taken = v[history.indices[history.indptr[row] : history.indptr[row + 1]]]
        frequency = (len(taken) + w0 * len(v)) ** model.frequency_power
        penalty = model.regularization * frequency * np.eye(v.shape[1])
        found[row] = np.linalg.solve(taken.T @ taken + everything + penalty, taken.sum(axis=0))
    return found


def fold_in_check(model: WeightedFactorization, history: csr_array) -> dict[str, float]:
    """Compare fold-in with `solved_again`, and time it user by user.

    Args:
        model: As of `solved_again`.
        history: Events of each user, shape `(n, n_items)`.

    Returns:
        `furthest`, the largest absolute difference in any of the `numbers`; and the `median` and
        the 99th percentile (`slow`) of milliseconds per user.
    """
    folded, again = model.fold_in(history), solved_again(model, history)
    spent = []
    for user in range(history.shape[0]):
        began = time.perf_counter()
        model.fold_in(history[[user]])
        spent.append(1000 * (time.perf_counter() - began))
    return {
        "furthest": float(np.abs(folded - again).max()),
        "numbers": folded.size,
        "median": float(np.median(spent)),
        "slow": float(np.quantile(spent, 0.99)),
    }


def said_of(table: pd.DataFrame, baseline: str, *, margin: float = MARGIN) -> str:
    """Return as text the best generator by each measure, if it is better than a baseline.

    Verdicts are corrected for the number of generators, so the best one may be chosen among them.

    Args:
        table: From `NewUsers.by_events`.
        baseline: The name of a generator in it.
        margin: A difference up to this is none in practice.
    """
    parts = []
    for measure, held in table.groupby("measure", sort=False):
        less = held.set_index("generator").loc[baseline, "mean"]
        others = held[held["generator"] != baseline].reset_index(drop=True)
        ends = (others[f"difference{end}"].to_numpy() for end in ("", "_low", "_high"))
        words = verdicts(*ends, margin=margin).words
        place = int(others["mean"].idxmax())
        best = others.loc[place]
        if words[place] == BETTER:
            low, high = best["difference_low"], best["difference_high"]
            said = f"{best['generator']} is best, {best['mean']:.3f} ({low:+.3f} to {high:+.3f})"
            parts.append(f"by {measure} {said} against {less:.3f} of {baseline}")
        else:
            parts.append(f"by {measure} no generator is clearly above {baseline}, {less:.3f}")
    return "; ".join(parts)


def gains(sections: Mapping[str, tuple[pd.DataFrame, str]]) -> pd.DataFrame:
    """Return one row a section and generator, with means and differences from a baseline.

    Args:
        sections: By name, a table as `NewUsers.by_events` makes it, and the baseline's name.

    Returns:
        Indexed by section and generator, the baseline first. Columns are, for each measure, its
        mean and as text the 95 % interval of the difference from the baseline, which has none.
    """
    rows: dict[tuple[str, str], dict[tuple[str, str], Any]] = {}
    for section, (table, baseline) in sections.items():
        first = table["generator"] != baseline
        for row in table.iloc[np.argsort(first, kind="stable")].to_dict("records"):
            held = rows.setdefault((section, row["generator"]), {})
            held[row["measure"], "mean"] = row["mean"]
            low, high = row["difference_low"], row["difference_high"]
            own = row["generator"] == baseline
            held[row["measure"], "difference"] = "" if own else f"{low:+.3f} to {high:+.3f}"
    made = pd.DataFrame(list(rows.values()), index=pd.MultiIndex.from_tuples(rows))
    made.columns = pd.MultiIndex.from_tuples(made.columns)
    return made


def known_table(
    values: Mapping[str, NDArray[np.float64]], measure: str, n: int, *, baseline: str, seed: int
) -> pd.DataFrame:
    """Return means with intervals and paired differences, with columns for measure and number."""
    made = evaluation.relevance_table(values, baseline=baseline, seed=seed)
    made.insert(0, "known", n)
    made.insert(0, "measure", measure)
    return made


def sorted_numbers(name: str, numbers: Sequence[int]) -> list[int]:
    """Return whole numbers in rising order, each once.

    Raises:
        SettingError: If there is none, or one is below 0.
    """
    wrong = [n for n in numbers if isinstance(n, bool) or not isinstance(n, int) or n < 0]
    if wrong or not len(numbers):
        raise SettingError(
            f"{name} must be a list of whole numbers, 0 or more, such as [0, 1, 5]; "
            f"got {list(numbers)!r}."
        )
    return sorted(set(numbers))
