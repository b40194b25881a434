"""Windows of a backtest as one comparison.

A user who was judged in several windows counts once, with the mean over these windows: the values
of one user are alike, so windows are no further users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property

import pandas as pd

from candgen.columns import USER, USER_ID
from candgen.evaluation import Judgement
from candgen.reports.comparing import Comparison, Contender


@dataclass(frozen=True)
class Window:
    """One window: its place, the first day of its test part, and what was judged on it."""

    place: int
    starts: date
    ground: Comparison


@dataclass(frozen=True)
class PooledContender(Contender):
    """One row of all windows together."""

    values: pd.DataFrame = field(repr=False, compare=False, kw_only=True)
    """Metrics of every user, the mean over windows, indexed by a number for each own id."""

    @cached_property
    def by_seed(self) -> list[pd.DataFrame]:
        return [self.values]

    @cached_property
    def judgement(self) -> Judgement:
        """Metrics per user, without repeats: those over seeds are in the means."""
        return Judgement(self.label, self.values.reset_index())

    def number(self, name: str) -> float | None:
        """Return a metric, the mean over users, or a cost, the mean over windows."""
        known = name in self.values
        return float(self.values[name].mean()) if known else super().number(name)

    def interval(self, metric: str) -> tuple[float, float] | None:
        return self.judgement.interval(metric) if metric in self.values else None

    def spread(self, metric: str) -> None:
        """Nothing: seeds and windows are not told apart here."""


@dataclass(frozen=True)
class Backtest(Comparison):
    """All windows of one dataset, compared as one."""

    windows: tuple[Window, ...] = field(repr=False, default=(), kw_only=True)

    @property
    def held_out_events(self) -> int | None:
        known = [window.ground.held_out_events for window in self.windows]
        return None if None in known else sum(known)


def backtests(grounds: Sequence[Comparison]) -> list[Backtest]:
    """Find the backtests among comparisons: windows of one dataset, judged on the same part."""
    found: dict[tuple[str, int, str], list[Window]] = {}
    for ground in grounds:
        split = {} if ground.dataset is None else ground.dataset.info.get("split") or {}
        if isinstance(place := split.get("window"), int):
            root = ground.name.removesuffix(f"-window{place}")
            starts = datetime.fromtimestamp(split["test_starts"], UTC).date()
            key = root, int(split["windows"]), ground.evaluate_on
            found.setdefault(key, []).append(Window(place, starts, ground))
    return [_pooled(root, windows) for (root, _, _), windows in found.items() if len(windows) > 1]


def _pooled(root: str, windows: list[Window]) -> Backtest:
    windows = sorted(windows, key=lambda window: window.place)
    grounds = [window.ground for window in windows]
    labels = [c.label for c in grounds[0].contenders]
    everywhere = [label for label in labels if all(_find(g, label) for g in grounds)]
    codes = pd.Index(sorted({str(one) for ground in grounds for one in _own_ids(ground)}))
    return Backtest(
        name=root,
        title=f"{root}, {len(windows)} windows of time, judged on {grounds[0].evaluate_on}",
        digest=" ".join(ground.digest for ground in grounds),
        evaluate_on=grounds[0].evaluate_on,
        contenders=tuple(_contender(label, grounds, codes) for label in everywhere),
        windows=tuple(windows),
    )


def _contender(label: str, grounds: list[Comparison], codes: pd.Index) -> PooledContender:
    parts, entries = [], []
    for ground in grounds:
        contender = _find(ground, label)
        entries += contender.entries
        names = ground.dataset.users[USER_ID].astype(str).to_numpy()[contender.per_user.index]
        parts.append(contender.per_user.set_axis(pd.Index(codes.get_indexer(names), name=USER)))
    shared = [name for name in parts[0] if all(name in part for part in parts)]
    values = pd.concat([part[shared] for part in parts]).groupby(level=0).mean()
    return PooledContender(label, tuple(entries), values=values)


def _find(ground: Comparison, label: str) -> Contender | None:
    return next((c for c in ground.contenders if c.label == label), None)


def _own_ids(ground: Comparison) -> pd.Series:
    return ground.dataset.users[USER_ID]
