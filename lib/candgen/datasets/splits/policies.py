"""Policies that split events into train, validation and test.

Test is taken first and validation from the rest, so validation never depends on test events. Every
event belongs to exactly one part. Events with equal times are ordered by row, and shares of a count
are rounded half up. Random choices depend only on the seed and the numbered events.

| policy | test | validation |
|---|---|---|
| timeline | the newest events of all, by share or from a date | the newest of the rest |
| leave_last_out | each user's newest event | each user's newest of the rest |
| random_per_user | a random share of each user's events | a random share of the rest |
| random_rows | a random share of all events, or of each item's | a random share of the rest |
| held_out_users | a random share of users; train has none of their events | other users |
| cold_users | all events of a random share of users | all events of other users |
| cold_items | all events of a random share of items | all events of other items |
| given | as in the files | as in the files, or a share of each user's train |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.datasets.splits.settings import SplitSettings
from candgen.errors import DataError, SettingError
from candgen.seeds import derive_seed

TRAIN, VALIDATION, TEST, FOLD_IN = 0, 1, 2, 3
NAMES = ("train", "validation", "test", "fold_in")
ALWAYS = np.iinfo(np.int64).max
NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Events:
    """Arrays that a split depends on, one entry per event in the order of rows."""

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    times: NDArray[np.int64] | None
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class Limits:
    """Rows of further tables that are hidden while a part is judged."""

    known_until: NDArray[np.int64]
    """Per user: first second hidden from models; ALWAYS: no limit, NEVER: everything hidden."""
    hidden_items: NDArray[np.bool_]
    """Per item: held out entirely."""


@dataclass(frozen=True)
class Split:
    """The part of every event, and the limits on other tables that follow from it."""

    parts: NDArray[np.uint8]
    """TRAIN, VALIDATION, TEST or FOLD_IN, one per event."""
    limits: dict[int, Limits]
    """By the part that is judged, VALIDATION or TEST."""
    rule: str
    """Description of the split in one sentence."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Cut-offs and counts to record, as JSON types."""

    @classmethod
    def of(
        cls,
        events: Events,
        parts: NDArray[np.uint8],
        rule: str,
        facts: dict[str, Any] | None = None,
        *,
        known_until: Callable[[int], NDArray[np.int64]] | None = None,
        hidden_items: Callable[[int], NDArray[np.bool_]] | None = None,
    ) -> Split:
        """Make a split that hides no user and no item unless the arguments say so.

        Args:
            events: Events that were split.
            parts: Part of every event.
            rule: Description in one sentence.
            facts: Cut-offs and counts to record.
            known_until: From the judged part to the limit of each user; None: no limits.
            hidden_items: From the judged part to the hidden items; None: none are hidden.
        """
        limits = {}
        for judged in (VALIDATION, TEST):
            until = np.full(events.n_users, ALWAYS) if known_until is None else known_until(judged)
            none = np.zeros(events.n_items, dtype=bool)
            limits[judged] = Limits(until, none if hidden_items is None else hidden_items(judged))
        return cls(parts, limits, rule, facts or {})

    def held_out(self, judged: int) -> NDArray[np.bool_]:
        """Mark the events that are hidden from models while a part is judged; fold-in is not."""
        return _held_out(self.parts, judged)


def split(events: Events, settings: SplitSettings) -> Split:
    """Split events by a policy.

    Raises:
        DataError: If the policy needs times and there are none, if train or test is empty, or if
            validation is empty although a share of it is set.
    """
    made = POLICIES[settings.policy](events, settings)
    check_parts(made.parts, wants_validation=settings.wants_validation)
    return made


def rule_of(settings: SplitSettings) -> str:
    """Describe a split by times, or of users or items, in one sentence.

    Policies that shuffle events word theirs themselves.
    """
    if settings.policy == "timeline":
        if settings.test_from is None:
            return "the newest events of all are held out; equal times by the order of rows"
        return "events from a date on are held out"
    if settings.policy == "leave_last_out":
        return (
            f"each user's newest event is test"
            f"{', the one before validation' if settings.held_out_events == 2 else ''}; "
            f"users with {settings.held_out_events} events or fewer stay in train; "
            "equal times by the order of rows"
        )
    if settings.policy == "cold_users":
        return "all events of a random share of users are held out; their history is empty"
    return "all events of a random share of items are held out; train has no event of them"


def validation_from_train(events: Events, settings: SplitSettings) -> NDArray[np.uint8]:
    """Move a share of each user's training events to validation, for a given split.

    The share is random unless `validation_clustering` or `validation_popularity` is set.
    """
    fraction = settings.validation_fraction
    if not settings.validation_clustering and not settings.validation_popularity:
        return _random_share(events, fraction, settings, "validation", VALIDATION)
    from candgen.datasets.splits.likeness import order_of_holding_out  # numba takes a second

    order = order_of_holding_out(
        events,
        clustering=settings.validation_clustering,
        popularity=settings.validation_popularity,
        seed=derive_seed(settings.seed, "validation"),
    )
    return _share_of_each(events, order, fraction, VALIDATION)


def check_parts(parts: NDArray[np.uint8], *, wants_validation: bool) -> None:
    """Refuse a split in which a required part has no events.

    Raises:
        DataError: Naming the empty part and the sizes of the others.
    """
    sizes = dict(zip(NAMES, np.bincount(parts, minlength=len(NAMES)).tolist(), strict=True))
    check_sizes(sizes, wants_validation=wants_validation)


def check_sizes(sizes: dict[str, int], *, wants_validation: bool) -> None:
    """Refuse a split in which a required part has no events; see `check_parts`."""
    needed = ["train", "test"] + (["validation"] if wants_validation else [])
    for name in needed:
        if not sizes[name]:
            others = ", ".join(f"{n} {c:,}" for n, c in sizes.items() if n != name)
            raise DataError(
                f"The {name} part is empty ({others} events). Filter less, give it a larger share, "
                "or choose another split."
            )


# --- policies


def _timeline(events: Events, settings: SplitSettings) -> Split:
    times = _needed_times(events, settings.policy)
    if settings.test_from is None:
        n_test = share_of(len(events), settings.test_fraction)
        n_validation = share_of(len(events), settings.validation_fraction)
        after_train = _newest(times, n_test + n_validation)
        test = _newest(times, n_test)
        starts = [int(times[out].min(initial=ALWAYS)) for out in (after_train, test)]
    else:
        start = settings.test_from if settings.validation_from is None else settings.validation_from
        starts = [start, settings.test_from]
        after_train, test = (times >= moment for moment in starts)
    parts = np.where(test, TEST, np.where(after_train, VALIDATION, TRAIN)).astype(np.uint8)
    facts = {"train_ends": starts[0], "test_starts": starts[1]}

    def known_until(judged: int) -> NDArray[np.int64]:
        return np.full(events.n_users, starts[1] if judged == TEST else starts[0])

    return Split.of(events, parts, rule_of(settings), facts, known_until=known_until)


def _leave_last_out(events: Events, settings: SplitSettings) -> Split:
    times = _needed_times(events, settings.policy)
    order = np.lexsort((times, events.users))  # stable: equal times stay in the order of rows
    from_end = _places_from_end(events.users[order])
    held = settings.held_out_events
    enough = (np.bincount(events.users, minlength=events.n_users) > held)[events.users[order]]
    parts = np.full(len(events), TRAIN, dtype=np.uint8)
    parts[order[enough & (from_end == 0)]] = TEST
    if held == 2:
        parts[order[enough & (from_end == 1)]] = VALIDATION

    def known_until(judged: int) -> NDArray[np.int64]:
        limits, out = np.full(events.n_users, ALWAYS), _held_out(parts, judged)
        np.minimum.at(limits, events.users[out], times[out])
        return limits

    return Split.of(events, parts, rule_of(settings), known_until=known_until)


def _random_per_user(events: Events, settings: SplitSettings) -> Split:
    parts = _random_share(events, settings.test_fraction, settings, "test", TEST)
    if settings.validation_fraction:
        share = settings.validation_fraction / (1 - settings.test_fraction)
        left = np.flatnonzero(parts == TRAIN)
        rest = Events(events.users[left], events.items[left], None, events.n_users, events.n_items)
        parts[left] = _random_share(rest, share, settings, "validation", VALIDATION)
    return Split.of(
        events, parts, "a random share of each user's events; every user keeps one in train"
    )


def _random_rows(events: Events, settings: SplitSettings) -> Split:
    if not settings.stratify_by:
        parts = random_parts(len(events), settings)
        return Split.of(events, parts, "a random share of all events")
    rule = "a random share of each item's events, the same for all items up to rounding"
    return Split.of(events, _stratified_parts(events.items, settings), rule)


def _held_out_users(events: Events, settings: SplitSettings) -> Split:
    role = random_parts(events.n_users, settings)
    known = _random_share(events, 1 - settings.fold_in_fraction, settings, "fold-in", TEST) == TRAIN
    parts = role[events.users]
    parts[known & (parts != TRAIN)] = FOLD_IN
    rule = (
        "a random share of users is absent from train; "
        f"{settings.fold_in_fraction:.0%} of their events are known when candidates are asked for"
    )
    return Split.of(events, parts, rule, role_sizes(role, "users"), known_until=_of_trained(role))


def _cold_users(events: Events, settings: SplitSettings) -> Split:
    role = random_parts(events.n_users, settings)
    parts, facts = role[events.users], role_sizes(role, "users")
    return Split.of(events, parts, rule_of(settings), facts, known_until=_of_trained(role))


def _cold_items(events: Events, settings: SplitSettings) -> Split:
    role = random_parts(events.n_items, settings)
    return Split.of(
        events,
        role[events.items],
        rule_of(settings),
        role_sizes(role, "items"),
        hidden_items=lambda judged: _held_out(role, judged),
    )


def _given(events: Events, settings: SplitSettings) -> Split:
    raise SettingError("split 'given' needs a source that has parts. Choose another split.")


POLICIES: dict[str, Callable[[Events, SplitSettings], Split]] = {
    "timeline": _timeline,
    "leave_last_out": _leave_last_out,
    "random_per_user": _random_per_user,
    "random_rows": _random_rows,
    "held_out_users": _held_out_users,
    "cold_users": _cold_users,
    "cold_items": _cold_items,
    "given": _given,
}


# --- helpers of the policies


def _needed_times(events: Events, policy: str) -> NDArray[np.int64]:
    if events.times is None:
        raise no_times(policy)
    return events.times


def no_times(policy: str) -> DataError:
    """Return the error of a split that needs times."""
    return DataError(
        f"split {policy!r} needs timestamps and these events have none. Name their column, or "
        "choose random_per_user, random_rows, held_out_users, cold_users or cold_items."
    )


def share_of(count: int, fraction: float) -> int:
    """Return a share of a count, rounded half up."""
    return int(np.floor(count * fraction + 0.5))


def _newest(times: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Mark the `count` newest events; among equal times the later rows are newer."""
    if count == 0:
        return np.zeros(len(times), dtype=bool)
    oldest = len(times) - count
    cut = np.partition(times, oldest)[oldest]
    newest = times > cut
    ties = np.flatnonzero(times == cut)
    newest[ties[len(ties) - (count - int(newest.sum())) :]] = True
    return newest


def random_parts(count: int, settings: SplitSettings) -> NDArray[np.uint8]:
    """Assign so many events, users or items to train, validation and test at random."""
    order = np.random.default_rng(derive_seed(settings.seed, "whole")).permutation(count)
    n_test = share_of(count, settings.test_fraction)
    n_validation = share_of(count, settings.validation_fraction)
    parts = np.full(count, TRAIN, dtype=np.uint8)
    parts[order[:n_test]] = TEST
    parts[order[n_test : n_test + n_validation]] = VALIDATION
    return parts


def _stratified_parts(strata: NDArray[np.int32], settings: SplitSettings) -> NDArray[np.uint8]:
    """Assign events to parts at random, the same share of each stratum up to rounding.

    The events are laid on a line, stratum by stratum and shuffled within, the strata in random
    order. On the line, parts alternate in proportion to their shares from a random start: each part
    takes an event whenever its running share passes the next whole number.
    """
    rng = np.random.default_rng(derive_seed(settings.seed, "strata"))
    place = rng.permutation(int(strata.max(initial=-1)) + 1)
    order = rng.permutation(len(strata))
    order = order[np.argsort(place[strata[order]], kind="stable")]
    parts = np.full(len(strata), TRAIN, dtype=np.uint8)
    parts[order[_evenly(len(order), settings.test_fraction, rng)]] = TEST
    rest = order[parts[order] == TRAIN]
    share = settings.validation_fraction / (1 - settings.test_fraction)
    parts[rest[_evenly(len(rest), share, rng)]] = VALIDATION
    return parts


def _evenly(count: int, fraction: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose a share of the places 0 .. count - 1, spread evenly from a random start.

    Any stretch of n places holds n * fraction chosen ones, rounded up or down.
    """
    n = share_of(count, fraction)
    steps = np.floor(np.arange(count + 1) * (n / max(count, 1)) + rng.random())
    return np.flatnonzero(np.diff(steps))


def _random_share(
    events: Events, fraction: float, settings: SplitSettings, purpose: str, part: int
) -> NDArray[np.uint8]:
    """Assign a random share of each user's events to a part; every user keeps at least one."""
    shuffled = np.random.default_rng(derive_seed(settings.seed, purpose)).permutation(len(events))
    order = shuffled[np.argsort(events.users[shuffled], kind="stable")]
    return _share_of_each(events, order, fraction, part)


def _share_of_each(
    events: Events, order: NDArray[np.int64], fraction: float, part: int
) -> NDArray[np.uint8]:
    """Assign each user's last events, in an order grouped by user, to a part; one event stays."""
    sizes = np.bincount(events.users, minlength=events.n_users)
    taken = np.minimum(np.floor(sizes * fraction + 0.5).astype(np.int64), np.maximum(sizes - 1, 0))
    sorted_users = events.users[order]
    chosen = _places_from_end(sorted_users) < taken[sorted_users]
    parts = np.full(len(events), TRAIN, dtype=np.uint8)
    parts[order[chosen]] = part
    return parts


def _places_from_end(sorted_users: NDArray[np.int32]) -> NDArray[np.int64]:
    """Count for each event the later events of its user, in an order grouped by user."""
    ends = np.searchsorted(sorted_users, sorted_users, side="right")
    return ends - 1 - np.arange(len(sorted_users))


def _held_out(parts: NDArray[np.uint8], judged: int) -> NDArray[np.bool_]:
    return (parts >= judged) & (parts <= TEST)


def _of_trained(role: NDArray[np.uint8]) -> Callable[[int], NDArray[np.int64]]:
    """Hide everything of the users that are held out while a part is judged."""
    return lambda judged: np.where(_held_out(role, judged), NEVER, ALWAYS)


def role_sizes(role: NDArray[np.uint8], what: str) -> dict[str, int]:
    """Return the facts of a split of users or items: how many are in each part."""
    sizes = np.bincount(role, minlength=3).tolist()
    return {f"{name}_{what}": size for name, size in zip(NAMES, sizes, strict=False)}
