"""Speed against recall: indexes with many settings, compared with exact search."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.datasets import Dataset
from candgen.models import VectorGenerator
from candgen.retrieval import indexes
from candgen.retrieval.effort import SEARCHING, agreement, reaching, with_effort
from candgen.retrieval.invented_vectors import clustered
from candgen.retrieval.pools import recall_of
from candgen.retrieval.timing import speeds
from candgen.session import Run
from candgen.studies.retrieval.index_memory import Observer
from candgen.text import tables

_FIRST = 10  # best items, of which a list should miss none

Builds = Mapping[str, Sequence[Mapping[str, Any]]]
"""Kind -> settings of each building that is tried, such as {"annoy": [{"trees": 10}]}."""


_FORMATS = dict.fromkeys(["all at once", "one thread", "one at a time", "items"], "{:,.0f}")
_FORMATS |= dict.fromkeys(["recall", f"of first {_FIRST}", "kept", "open s"], "{:.3f}")
_FORMATS |= {"times exact": "{:.2f}"}
BUILDS: Builds = {
    "annoy": [{"trees": 10}, {"trees": 50}],
    "faiss-ivf": [{"lists": 32}, {"lists": 128}],
    "faiss-hnsw": [{"links": 16}, {"links": 64}],
    "faiss-pq": [{"lists": 32}],
}
"""Indexes that suit a catalogue of some thousand items."""
EFFORTS: Mapping[str, Sequence[int]] = {
    "annoy": [1000, 4000, 16000],
    "faiss-ivf": [1, 4, 16],
    "faiss-hnsw": [100, 200, 400],
    "faiss-pq": [4, 16],
}
"""Search efforts of `BUILDS`: search_k, probes, ef, probes."""
BUILDS_AT_SCALE: Builds = {"faiss-ivf": [{}], "annoy": [{"trees": 20}], "faiss-hnsw": [{}]}
"""Indexes that suit invented catalogues of up to some ten thousand items."""


def of_users(
    model: VectorGenerator,
    data: Dataset,
    users: NDArray[np.integer],
    k: int,
    *,
    efforts: Mapping[str, Sequence[int]],
    builds: Builds,
    cutoff: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the `tradeoff` of a fitted generator's vectors, for users with histories.

    Args:
        model: Fitted to the data.
        data: Histories are withheld, unless it allows repeats; held-out items are counted.
        users: Dense ids of those whose candidates are searched.
        k: Candidates per user.
        efforts: As of `tradeoff`.
        builds: As of `tradeoff`.
        cutoff: List length at which held-out items are counted.
        seed: Of the building.
    """
    told = {"exclude": data.withheld_matrix[users], "held_out": data.held_out_matrix[users]}
    ways = {"builds": builds, "cutoff": cutoff, "seed": seed, **told}
    queries = model.user_vectors(users)
    return tradeoff(model.item_vectors(), model.searched_by, queries, k, efforts, **ways)


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
    """Compare indexes with exact search on invented catalogues.

    Each index is searched with about the least effort that finds the target share, see
    `effort.reaching`; the column `recall` shows those that cannot.

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
    told = {"builds": builds, "k": k, "target": target, "n_single": n_single, "seed": seed}
    tables = []
    with Observer() as observer:
        for case in {tuple(sorted(case.items())): case for case in cases}.values():
            items, queries, _ = clustered(n_queries=n_queries, seed=seed, **case)
            tables.append(_least(items, "dot", queries, case, observer=observer, **told))
    return pd.concat(tables, ignore_index=True)


def at_least_effort(
    items: NDArray[np.floating],
    queries: NDArray[np.floating],
    builds: Builds,
    *,
    similarity: str,
    k: int,
    target: float,
    n_single: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """Search given vectors with about the least effort that finds the target share.

    Args:
        items: Shape `(n_items, dim)`.
        queries: Shape `(n_queries, dim)`.
        builds: Kind -> settings of building to try.
        similarity: dot or cosine.
        k: Candidates per query.
        target: Share of exact search's candidates that an index has to find.
        n_single: Queries that are asked one at a time, too.
        seed: Of the building.

    Returns:
        As `over_catalogues`, of one catalogue; `sigma` is NaN.
    """
    told = {"builds": builds, "k": k, "target": target, "n_single": n_single, "seed": seed}
    case = {"n_items": len(items), "dim": items.shape[1], "sigma": np.nan}
    with Observer() as observer:
        return _least(items, similarity, queries, case, observer=observer, **told)


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
    """Return the Pareto curve: no other setting finds as much and is faster."""
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
    """Return from which number of items each kind is faster than exact search, at all larger too.

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
    """Compare kinds of index by dimension and spread of lengths, from `over_catalogues`.

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
    """Return the name of a row of `tradeoff` or `over_catalogues`: kind, building, searching."""
    return ", ".join(filter(None, (row.kind, row.built, row.setting)))


def described(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `tradeoff` or `over_catalogues` for reading, one row per index.

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


def styled(table: pd.DataFrame) -> tables.Shown:
    """Format a table of `described` for a notebook: numbers by column, names on one line."""
    place = list(table).index("index")
    return tables.shown(table, "{:.1f}", _FORMATS, index=False, left=[place])


def said_of_choice(row: pd.Series, table: pd.DataFrame) -> str:
    """Return as text a setting and its speed over exact search.

    Args:
        row: From `recommended`.
        table: From `tradeoff`; its first row is exact search.
    """
    if row["kind"] == "exact":
        return "exact search itself: no index is faster"
    first = table.iloc[0]
    together, alone = row["batch"] / first["batch"], row["single"] / first["single"]
    return (
        f"{name_of(row)}, {together:.1f} times as fast as exact search all at once and "
        f"{alone:.1f} times one query at a time (it finds {row['recall']:.1%} of the candidates)"
    )


def beside_the_curve(table: pd.DataFrame, tried: pd.DataFrame) -> pd.DataFrame:
    """Return settings on the Pareto curve and others, `described`; `pareto` is yes or no.

    Args:
        table: From `tradeoff`.
        tried: More rows of it to show.
    """
    curve = pareto(table)
    both = table[table.index.isin([*curve.index, *tried.index])]
    made = described(both)
    made.insert(1, "pareto", ["yes" if place in curve.index else "no" for place in both.index])
    return made


def fastest(table: pd.DataFrame, target: float) -> float:
    """Return the largest speed over exact search of an index that finds the target share.

    Args:
        table: From `over_catalogues` or `at_least_effort`.
        target: The share.

    Returns:
        NaN where no index finds so much.
    """
    return float(table[(table["kind"] != "exact") & (table["recall"] >= target)]["times"].max())


def said_of_sizes(table: pd.DataFrame, target: float) -> dict[str, str]:
    """Return as text from which size each kind of index pays, and its speed at the largest.

    Returns:
        Texts `together`, `alone` (asked one at a time) and `stand`.
    """
    told = {}
    for name, speed in (("together", "times"), ("alone", "times_single")):
        sizes = pays_from(table, target, speed).items()
        said = [f"{kind} {f'from {n:,} items' if n else 'at none of these'}" for kind, n in sizes]
        told[name] = "; ".join(said)
    largest = table[table["n_items"] == table["n_items"].max()]
    best = best_of_kinds(largest, target, "times").query("kind != 'exact'")
    told["stand"] = "; ".join(
        f"{r.kind} {r.times:.2f} times exact search's speed all at once, {r.times_single:.2f} one "
        f"at a time (finds {r.recall:.3f}, built in {r.build_seconds:.1f} s, opened in "
        f"{r.load_seconds:.3f} s, {r.disk_mib:,.0f} MiB)"
        for r in best.sort_values("times", ascending=False).itertuples()
    )
    return told


def keep(run: Run, name: str, table: pd.DataFrame) -> None:
    """Write a table of `tradeoff` or `over_catalogues` as a Parquet file of a run."""
    with run.appearing(name) as passing:
        table.assign(settings=table["settings"].map(json.dumps)).to_parquet(passing, index=False)


def _least(
    items: NDArray[np.floating],
    similarity: str,
    queries: NDArray[np.floating],
    case: Mapping[str, Any],
    *,
    builds: Builds,
    k: int,
    target: float,
    n_single: int,
    seed: int,
    observer: Observer,
) -> pd.DataFrame:
    """Search one catalogue with each index's least effort, exact search first."""
    best = indexes.build("exact", items, similarity).query(queries, k).items
    told = {"kinds": builds, "builds": builds, "seed": seed, "observer": observer}
    rows = []
    for made in _built(items, similarity, queries, k, **told):
        index, recall = reaching(made.index, queries, best, target)
        row = {**case, **made.row(index), "recall": recall, **made.cost}
        rows.append(row | speeds(index, queries, k, n_single=n_single)._asdict())
    return _beside_exact(pd.DataFrame(rows))


def _beside_exact(table: pd.DataFrame) -> pd.DataFrame:
    """Set speeds in relation to the first row's."""
    named = {"batch": "times", "one_thread": "times_one_thread", "single": "times_single"}
    return table.assign(**{name: table[s] / table[s].iloc[0] for s, name in named.items()})


class _Made(NamedTuple):
    """A built index, its costs, and the name of its building."""

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
