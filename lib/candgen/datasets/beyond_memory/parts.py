"""Splits of stored events by the policies of `splits.policies`, and measures of their leakage."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from candgen.columns import ITEM, TIMESTAMP, USER
from candgen.datasets.beyond_memory.database import EventStore
from candgen.datasets.cells import NANOS
from candgen.datasets.splits import policies
from candgen.datasets.splits.leakage import FuturesSeen
from candgen.datasets.splits.policies import ALWAYS, NAMES, TEST, TRAIN, VALIDATION
from candgen.datasets.splits.settings import SplitSettings
from candgen.datasets.splits.ties import BY_TIME, Ties

_ROWS = 1 << 20


class Parts(NamedTuple):
    """Sizes and description of the parts, and what reports say about them."""

    sizes: dict[str, int]
    """Events of each part."""
    rule: str
    facts: dict[str, Any]
    seen: FuturesSeen | None
    """None without times."""
    repeated: int
    """Test events whose pair also occurs outside of test."""
    ties: Ties | None
    """None for splits that no times decide."""
    forgotten: int
    """Test events whose pair models would have known, had its first event been kept."""


def split(store: EventStore, settings: SplitSettings, n_users: int, n_items: int) -> Parts:
    """Arrange the events of a store, each with its part.

    Raises:
        DataError: As for `splits.split`.
    """
    if settings.policy in BY_TIME and not store.timed:
        raise policies.no_times(settings.policy)
    facts: dict[str, Any] = {}
    if settings.policy == "timeline":
        part, facts = _timeline(store, settings)
        found = store.arrange(part)
    elif settings.policy == "leave_last_out":
        store.find_newest_of_users(settings.held_out_events)
        part = f"CASE WHEN place = last[1].p THEN {TEST} "
        if settings.held_out_events == 2:
            part += f"WHEN place = last[2].p THEN {VALIDATION} "
        found = store.arrange(f"{part} ELSE {TRAIN} END", 'LEFT JOIN newest USING ("user")')
    else:
        column, count = (USER, n_users) if settings.policy == "cold_users" else (ITEM, n_items)
        role = policies.random_parts(count, settings)
        facts = policies.role_sizes(role, f"{column}s")
        store.keep_roles(column, role)
        found = store.arrange("role", f'JOIN roles ON roles.code = events."{column}"')
    sizes = {name: found.get(code, 0) for code, name in enumerate(NAMES)}
    policies.check_sizes(sizes, wants_validation=settings.wants_validation)
    seen = _futures_seen(store, sizes["test"], len(store)) if store.timed else None
    ties = _ties(store, settings.policy, sizes) if settings.policy in BY_TIME else None
    repeated = _repeated(store) if store.may_repeat else 0
    forgotten = _forgotten(store, settings.policy, facts) if store.forgets else 0
    return Parts(sizes, policies.rule_of(settings), facts, seen, repeated, ties, forgotten)


def _timeline(store: EventStore, settings: SplitSettings) -> tuple[str, dict[str, int]]:
    """Return the part of an event in SQL, and the first seconds of the held-out parts."""
    if settings.test_from is not None:
        first = settings.test_from
        if settings.validation_from is not None:
            first = settings.validation_from
        starts = [first, settings.test_from]
        after_train, test = (f"{TIMESTAMP} >= {start}" for start in starts)
    else:
        n_test = policies.share_of(len(store), settings.test_fraction)
        n_validation = policies.share_of(len(store), settings.validation_fraction)
        starts, conditions = [], []
        for count in (n_test + n_validation, n_test):
            if not count:
                starts.append(int(ALWAYS))
                conditions.append("false")
                continue
            time, place = store.oldest_of_newest(count)
            starts.append(time)
            conditions.append(
                f"({TIMESTAMP} > {time} OR ({TIMESTAMP} = {time} AND place >= {place}))"
            )
        after_train, test = conditions
    part = f"CASE WHEN {test} THEN {TEST} WHEN {after_train} THEN {VALIDATION} ELSE {TRAIN} END"
    return part, {"train_ends": starts[0], "test_starts": starts[1]}


def _futures_seen(store: EventStore, n_test: int, n_events: int) -> FuturesSeen:
    """Measure what `leakage.futures_seen` measures."""
    own = store.one(
        f'WITH newest AS (SELECT "user", max({TIMESTAMP}) AS last FROM kept WHERE part <> {TEST} '
        f'GROUP BY "user") SELECT count(*) FROM kept JOIN newest USING ("user") '
        f"WHERE part = {TEST} AND last > {TIMESTAMP}"
    )
    n_seen = n_events - n_test
    latest = store.one(f"SELECT max({TIMESTAMP}) FROM kept WHERE part <> {TEST}")
    earliest = store.one(f"SELECT min({TIMESTAMP}) FROM kept WHERE part = {TEST}")
    not_later = n_test * n_seen
    if latest > earliest:
        not_later = _not_later(store)
    return FuturesSeen(own / n_test, 1 - not_later / n_test / n_seen)


def _not_later(store: EventStore) -> int:
    """Count the pairs of a test event and an event outside of test that is not later."""
    of_test = store.table(f"SELECT {TIMESTAMP} FROM kept WHERE part = {TEST}")
    times, count = np.sort(of_test[TIMESTAMP].to_numpy()), 0
    for block in store.blocks(f"SELECT {TIMESTAMP} FROM kept WHERE part <> {TEST}", _ROWS):
        seen = np.sort(block.column(0).to_numpy())  # a search in order stays in the cache
        count += len(times) * len(seen) - int(np.searchsorted(times, seen).sum())
    return count


def _repeated(store: EventStore) -> int:
    """Count what `leakage.repeated_pairs` counts."""
    return store.one(
        f'SELECT count(*) FROM (SELECT "user", item FROM kept WHERE part = {TEST}) AS test '
        f'SEMI JOIN (SELECT "user", item FROM kept WHERE part <> {TEST}) AS seen '
        'USING ("user", item)'
    )


def _forgotten(store: EventStore, policy: str, facts: dict[str, Any]) -> int:
    """Count what `leakage.forgotten_warnings` counts."""
    if policy not in BY_TIME:
        return 0
    until = facts["test_starts"] if policy == "timeline" else f"kept.{TIMESTAMP}"
    return store.one(
        f'SELECT count(*) FROM kept JOIN user_kept ON user_kept.dense = kept."user" '
        "JOIN item_kept ON item_kept.dense = kept.item "
        'JOIN forgotten ON forgotten."user" = user_kept.code AND forgotten.item = item_kept.code '
        f"WHERE part = {TEST} AND first < {until}"
    )


def _ties(store: EventStore, policy: str, sizes: dict[str, int]) -> Ties:
    """Count the ties at the edges of a split by times."""
    exact = NANOS if store.exact else "0"
    moment = f"{{'t': {TIMESTAMP}, 'n': {exact}}}"
    low, high = store.rows(f"SELECT min({moment}), max({moment}) FROM kept")[0]
    if low == high and len(store) > 1:
        return Ties(all_alike=True)
    if policy == "leave_last_out":
        tied = store.one(
            f'WITH newest AS (SELECT "user", max({moment}) AS last FROM kept '
            f'WHERE part <> {TEST} GROUP BY "user") SELECT count(DISTINCT "user") FROM kept '
            f'JOIN newest USING ("user") WHERE part = {TEST} AND last = {moment}'
        )
        return Ties(tied, store.one(f'SELECT count(DISTINCT "user") FROM kept WHERE part = {TEST}'))
    tied = 0
    for later in (VALIDATION, TEST):
        first, last = store.rows(
            f"SELECT min({moment}) FILTER (part = {later}), max({moment}) FILTER (part < {later}) "
            "FROM kept"
        )[0]
        if first is not None and first == last:
            same = f"{TIMESTAMP} = {first['t']} AND {exact} = {first['n']}"
            tied += store.one(f"SELECT count(*) FROM kept WHERE {same}")
    return Ties(tied, len(store))
