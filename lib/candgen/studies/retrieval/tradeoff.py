"""How much is found, how quickly, at which setting: indexes on trial against exact search."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.retrieval import indexes
from candgen.retrieval.effort import SEARCHING, agreement, reaching, with_effort
from candgen.retrieval.invented_vectors import clustered
from candgen.retrieval.pools import recall_of
from candgen.retrieval.timing import speeds
from candgen.studies.retrieval.index_memory import Observer

_FIRST = 10  # best items, of which a list should miss none

Builds = Mapping[str, Sequence[Mapping[str, Any]]]
"""Kind -> settings of each building that is tried, such as {"annoy": [{"trees": 10}]}."""


FORMATS = dict.fromkeys(["all at once", "one thread", "one at a time", "items"], "{:,.0f}")
FORMATS |= dict.fromkeys(["recall", f"of first {_FIRST}", "kept", "open s"], "{:.3f}")
FORMATS |= {"times exact": "{:.2f}"}
"""How columns of `described` are written, for those whose numbers need more or fewer places."""


def tradeoff(
    item_vectors: NDArray[np.floating],
    similarity: str,
    queries: NDArray[np.floating],
    k: int,
    efforts: Mapping[str, Sequence[int]],
    *,
    builds: Builds | None = None,
    exclude: csr_array | None = None,
    held_out: csr_array | None = None,
    cutoff: int | None = None,
    n_single: int = 50,
    seed: int = 0,
) -> pd.DataFrame:
    """Build indexes, search each with each effort, and compare with exact search.

    Args:
        item_vectors: Shape `(n_items, dim)`.
        similarity: dot or cosine.
        queries: Shape `(n_queries, dim)`.
        k: Candidates a query.
        efforts: Kind -> values of its setting of searching (see `effort.SEARCHING`); exact is
            added.
        builds: Kind -> settings of building to try; its defaults where it has none.
        exclude: Items to withhold from each query.
        held_out: Held-out items of each query, for the loss in the end; none without.
        cutoff: Where lists are cut to look for held-out items; `k` when omitted.
        n_single: Queries that are asked one at a time, too.
        seed: Of the building.

    Returns:
        One row a setting: `kind`, `built`, `setting`, all its `settings` (of `indexes.build`),
        `recall` (share of exact search's first k that is found), `of_first` (of its first ten),
        `held_out` (recall of held-out items), `kept` (the same over that of exact search), queries
        a second `single`, `one_thread` and `batch` (see `Speeds`), `build_seconds`,
        `load_seconds`, `disk_mib` and `memory_mib` (see `Footprint`). Exact search is the first
        row.
    """
    best = indexes.build("exact", item_vectors, similarity).query(queries, k, exclude=exclude).items
    rows = []
    with Observer() as observer:
        told = {"kinds": efforts, "builds": builds or {}, "seed": seed, "observer": observer}
        for made in _built(item_vectors, similarity, queries, k, **told):
            for effort in efforts.get(made.index.kind, [0]):
                index = with_effort(made.index, effort) if effort else made.index
                found = index.query(queries, k, exclude=exclude).items
                row = {**made.row(index), "recall": agreement(found, best)}
                row["of_first"] = agreement(found, best[:, :_FIRST])
                row["held_out"] = (
                    np.nan if held_out is None else recall_of(found[:, :cutoff], held_out)
                )
                measured = speeds(index, queries, k, exclude=exclude, n_single=n_single)
                rows.append({**row, **measured._asdict(), **made.cost})
    table = pd.DataFrame(rows)
    return table.assign(kept=table["held_out"] / table["held_out"].iloc[0])


def over_catalogues(
    cases: Iterable[Mapping[str, Any]],
    builds: Builds,
    *,
    k: int,
    target: float,
    n_queries: int = 256,
    n_single: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """Set exact search and indexes beside each other on invented catalogues.

    Each index is searched with about the least effort that finds the target share, see
    `effort.reaching`; those that cannot are told by their recall.

    Args:
        cases: Of each catalogue `n_items`, `dim` and `sigma`, the spread of lengths; see
            `invented.clustered`. One that occurs twice is measured once.
        builds: Kind -> settings of building to try.
        k: Candidates a query.
        target: Share of exact search's candidates that an index has to find.
        n_queries: Queries asked of each.
        n_single: Of them, so many are asked one at a time, too.
        seed: Of the vectors and of the building.

    Returns:
        One row a catalogue and index: `n_items`, `dim`, `sigma`, then columns as of `tradeoff`
        without `held_out`; then `times`, `times_one_thread` and `times_single`, the speed over
        that of exact search in the same catalogue.
    """
    tables = []
    with Observer() as observer:
        told = {"kinds": builds, "builds": builds, "seed": seed, "observer": observer}
        for case in {tuple(sorted(case.items())): case for case in cases}.values():
            items, queries, _ = clustered(n_queries=n_queries, seed=seed, **case)
            best = indexes.build("exact", items, "dot").query(queries, k).items
            rows = []
            for made in _built(items, "dot", queries, k, **told):
                index, recall = reaching(made.index, queries, best, target)
                row = {**case, **made.row(index), "recall": recall, **made.cost}
                measured = speeds(index, queries, k, n_single=n_single)
                rows.append(row | measured._asdict())
            tables.append(_beside_exact(pd.DataFrame(rows)))
    return pd.concat(tables, ignore_index=True)


def around(
    sizes: Sequence[int], dims: Sequence[int], sigmas: Sequence[float], *, base: tuple
) -> list[dict[str, Any]]:
    """List catalogues that differ from a base in one thing each, for `over_catalogues`.

    The base is among them where there are others of its size to compare it with.

    Args:
        sizes: Numbers of items.
        dims: Lengths of vectors.
        sigmas: Spreads of lengths.
        base: Items, dimension and spread of the base.
    """
    n_items, dim, sigma = base
    cases = [(n, dim, sigma) for n in sizes]
    cases += [(n_items, d, sigma) for d in dims] + [(n_items, dim, s) for s in sigmas]
    cases += [base] if dims or sigmas else []
    return [{"n_items": n, "dim": d, "sigma": s} for n, d, s in dict.fromkeys(cases)]


def pareto(table: pd.DataFrame, speed: str = "batch") -> pd.DataFrame:
    """Return the settings that nothing beats: none finds as much and is quicker."""
    ordered = table.sort_values(["recall", speed], ascending=False)
    quickest = ordered[speed].astype(float).cummax().shift(fill_value=-np.inf)
    return ordered[ordered[speed] > quickest]


def recommended(
    table: pd.DataFrame, target: float, speed: str = "batch", share: str = "recall"
) -> pd.Series:
    """Return the quickest setting that finds the target share; exact search always does.

    Args:
        table: From `tradeoff`, or one catalogue of `over_catalogues`.
        target: The share.
        speed: batch, one_thread or single.
        share: recall, of exact search's candidates, or kept, of its recall of held-out items.
    """
    enough = table[(table[share] >= target) | (table["kind"] == "exact")]
    return enough.loc[enough[speed].idxmax()]


def best_of_kinds(table: pd.DataFrame, target: float, speed: str = "batch") -> pd.DataFrame:
    """Return the quickest row of each kind that finds the target share, in their order.

    A kind that never does is there with the row that finds most.
    """
    rows = []
    for _, held in table.groupby("kind", sort=False):
        enough = held[held["recall"] >= target]
        rows.append(enough[speed].idxmax() if len(enough) else held["recall"].idxmax())
    return table.loc[rows]


def pays_from(table: pd.DataFrame, target: float, speed: str = "times") -> dict[str, int | None]:
    """Say from which number of items each kind is quicker than exact search, at every larger too.

    Args:
        table: From `over_catalogues`, of catalogues that differ in their number of items alone.
        target: Share that has to be found.
        speed: times, times_one_thread or times_single.

    Returns:
        Kind -> the smallest number of items measured; None where it never pays.
    """
    enough = table[(table["kind"] != "exact") & (table["recall"] >= target)]
    sizes = sorted(table["n_items"].unique(), reverse=True)
    found: dict[str, int | None] = dict.fromkeys(table["kind"].unique())
    found.pop("exact", None)
    quickest = enough.groupby(["kind", "n_items"])[speed].max()
    for kind in found:
        for n in sizes:
            if not quickest.get((kind, n), 0) > 1:
                break
            found[kind] = int(n)
    return found


def by_shape(table: pd.DataFrame, n_items: int, target: float) -> pd.DataFrame:
    """Set kinds beside each other by dimension and spread of lengths, from `over_catalogues`.

    Args:
        table: Of catalogues of several shapes.
        n_items: Of those that are looked at.
        target: Share that has to be found.

    Returns:
        By `dim` and `spread`, a column a kind: the speed over exact search's of its quickest that
        finds enough, and its setting, as text.
    """
    held = table[(table["n_items"] == n_items) & (table["kind"] != "exact")]
    held = held.assign(speed=held["times"].where(held["recall"] >= target, -np.inf))
    best = held.sort_values("speed").drop_duplicates(["dim", "sigma", "kind"], keep="last")
    told = [
        f"{row.speed:.2f} ({row.setting})" if row.speed > 0 else "finds too little"
        for row in best.itertuples()
    ]
    best = best.assign(told=told).rename(columns={"sigma": "spread"})
    return best.pivot(index=["dim", "spread"], columns="kind", values="told")


def name_of(row: Any) -> str:
    """Return how a row of `tradeoff` or `over_catalogues` is called: kind, building, searching."""
    return ", ".join(filter(None, (row.kind, row.built, row.setting)))


def described(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `tradeoff` or `over_catalogues` to be read: shorter names, an index a row.

    Speeds are queries a second.
    """
    made = pd.DataFrame({"index": [name_of(row) for row in table.itertuples()]})
    names = {
        "recall": "recall", "of_first": f"of first {_FIRST}", "kept": "kept",
        "batch": "all at once", "one_thread": "one thread", "single": "one at a time",
        "times": "times exact", "build_seconds": "build s", "load_seconds": "open s",
        "disk_mib": "disk MiB", "memory_mib": "memory MiB",
    }  # fmt: skip
    if "n_items" in table:
        made.insert(0, "items", table["n_items"].to_numpy())
    for name, shown in names.items():
        if name in table:
            made[shown] = table[name].to_numpy()
    return made


def _beside_exact(table: pd.DataFrame) -> pd.DataFrame:
    """Set speeds in relation to the first row's."""
    named = {"batch": "times", "one_thread": "times_one_thread", "single": "times_single"}
    return table.assign(**{name: table[s] / table[s].iloc[0] for s, name in named.items()})


class _Made(NamedTuple):
    """An index as it was built, what it costs, and how its building is called."""

    index: indexes.Index
    built: str
    cost: dict[str, float]

    def row(self, index: indexes.Index) -> dict[str, Any]:
        name = SEARCHING.get(index.kind)
        setting = f"{name} {getattr(index.settings, name):,}" if name else ""
        settings = index.settings.model_dump()
        return {"kind": index.kind, "built": self.built, "setting": setting, "settings": settings}


def _built(
    items: NDArray,
    similarity: str,
    queries: NDArray,
    k: int,
    *,
    kinds: Iterable[str],
    builds: Builds,
    seed: int,
    observer: Observer,
) -> Iterator[_Made]:
    """Build and save one index after the other, the exact one first; none is kept.

    A kind whose library is not installed is left out, and the page says so.
    """
    there = indexes.installed()
    for kind in ("exact", *kinds):
        if kind in indexes.KINDS and kind not in there:
            print(f"Index {kind!r} is left out: its package is not installed.")
            continue
        for settings in builds.get(kind) or [{}]:
            began = time.perf_counter()
            index = indexes.build(kind, items, similarity, seed=seed, **settings)
            seconds = time.perf_counter() - began
            with tempfile.TemporaryDirectory() as folder:
                index.save(folder)
                taken = observer.look_at(folder, queries, k)
            built = ", ".join(f"{name} {value:,}" for name, value in settings.items())
            yield _Made(index, built, {"build_seconds": seconds, **taken._asdict()})
