"""Simulation of impressions and watched films, one user after another.

A user visits on some days. Each day pages are shown until the user has finished enough films for
the day. The total number of films is drawn beforehand, which keeps activity as uneven as in real
data. A film gets a position on a page with a probability proportional to

    exp(exposure_bias * (fame of the film + agreement with the believed genre affinities))

among the uploaded films of the user's place that are neither finished nor on the page. The first
film drawn stands at the top, so a biased service also puts its favourites first. With a bias of 0
every available film is equally likely at every position.

A shown film is noticed with probability position ** -position_bias, and a noticed film is finished
with the probability that the oracle defines as relevance.

Random numbers come from a SplitMix64 generator seeded for each user, so the events of a user do not
depend on the other users or on the number of users simulated at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.alias import alias_table
from candgen.datasets.world.catalogue import Catalogue
from candgen.datasets.world.oracle import FADING_DAYS, Oracle
from candgen.datasets.world.people import People
from candgen.datasets.world.settings import DAY, WorldSettings
from candgen.numba_cache import njit
from candgen.seeds import derive_seed

_AGREEMENT = 1.5  # weight of the believed affinities beside fame
_EVENTS_A_DAY = 1.7
_PAGES_A_DAY = 12  # a user who finds nothing gives up for the day
_SHOWN_PER_EVENT = 60  # a user who never finds enough gives up for good
_TRIES = 400  # for one position on a page
_SEARCHES = 0.15  # chance that a day begins with a search
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class Shown(NamedTuple):
    """Events of a block of users in the order of time for each user; rows, not ids."""

    impressions: NDArray[np.int64]  # (n, 4) user, item, timestamp, position
    outcomes: NDArray[np.float32]  # (n, 2) share watched (1 is finished), agreement with taste
    searches: NDArray[np.int64]  # (n, 3) user, timestamp, item looked for


class Sampler(NamedTuple):
    """Alias table of Vose: draws an item in constant time, for any number of items."""

    keep: NDArray[np.float64]  # (n_items,)
    other: NDArray[np.int32]  # (n_items,)


def make_sampler(settings: WorldSettings, catalogue: Catalogue) -> Sampler:
    """Make a sampler of items with probability proportional to exp(exposure_bias * fame)."""
    weights = np.exp(settings.exposure_bias * catalogue.fame.astype(np.float64))
    return Sampler(*alias_table(weights * (len(weights) / weights.sum())))


def simulate(
    settings: WorldSettings,
    seed: int,
    catalogue: Catalogue,
    people: People,
    oracle: Oracle,
    sampler: Sampler,
    users: range,
) -> Shown:
    """Simulate the whole period for the users in a range."""
    return Shown(
        *_simulate(
            users.start, users.stop, derive_seed(seed, "world/exposure"),
            sampler.keep, sampler.other,
            oracle.now, oracle.later, oracle.user_logits, oracle.user_places,
            oracle.item_vectors, oracle.item_logits, oracle.item_places, oracle.upload_time,
            catalogue.genres, people.believed, people.events, people.joined,
            oracle.start, oracle.end, oracle.drift, oracle.freshness,
            float(settings.exposure_bias) * _AGREEMENT,
            np.arange(1.0, settings.page_size + 1) ** -settings.position_bias,
        )
    )  # fmt: skip


@njit
def _mixed(z):
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@njit
def _uniform(state):
    """Draw from [0, 1) and advance the state."""
    state[0] += _GOLDEN
    return np.float64(_mixed(state[0]) >> np.uint64(11)) * 2.0**-53


@njit
def _draw(state, keep, other):
    place = _uniform(state) * len(keep)
    item = int(place)
    return item if place - item < keep[item] else int(other[item])


@njit
def _with_room(table, n):
    """Return the table, or a copy twice as long if it is full."""
    if n < len(table):
        return table
    longer = np.empty((2 * n, table.shape[1]), table.dtype)
    for row in range(n):  # a loop compiles in a fraction of the time of a slice
        for column in range(table.shape[1]):
            longer[row, column] = table[row, column]
    return longer


@njit
def _product(vector, other):
    total = np.float32(0)
    for d in range(len(vector)):
        total += vector[d] * other[d]
    return total


@njit
def _believed_agreement(believed, genres):
    """Return the mean believed affinity over the genres of an item."""
    total, n = 0.0, 0
    while n < len(genres) and genres[n] >= 0:
        total += believed[genres[n]]
        n += 1
    return total / n


@njit
def _days(state, n, first, last):
    """Draw n ascending moments, uniform between two, as sums of exponential gaps."""
    moments, total = np.empty(n), 0.0
    for v in range(n):
        total -= np.log(1.0 - _uniform(state))
        moments[v] = total
    total -= np.log(1.0 - _uniform(state))
    for v in range(n):
        moments[v] = first + moments[v] / total * (last - first)
    return moments


@njit
def _simulate(
    first, last, seed,
    keep, other,
    now, later, user_logits, user_places,
    item_vectors, item_logits, item_places, upload_time,
    genres, believed, events, joined,
    start, end, drift, freshness,
    agreement, noticed,
):  # fmt: skip
    shown, outcomes = np.empty((4096, 4), np.int64), np.empty((4096, 2), np.float32)
    searches = np.empty((256, 3), np.int64)
    n_shown = n_searches = 0
    finished_by = np.full(len(keep), -1, np.int64)  # the last user who finished an item
    on_page = np.full(len(keep), -1, np.int64)  # the last page an item stood on
    page = 0
    state = np.zeros(1, np.uint64)
    vector = np.empty(now.shape[1], np.float32)
    for u in range(first, last):
        state[0] = _mixed(_mixed(np.uint64(seed) + _GOLDEN) + np.uint64(u) * _GOLDEN)
        target = events[u]
        best = np.float32(-np.inf)
        for liked in believed[u]:
            best = max(best, liked)
        moments = _days(state, max(1, int(np.round(target / _EVENTS_A_DAY))), joined[u], end - DAY)
        finished, left, clock = 0, _SHOWN_PER_EVENT * (target + 5), joined[u]
        for v in range(len(moments)):
            clock = max(clock, int(moments[v]))
            angle = drift * np.pi / 2 * min(1.0, (clock - start) / (end - start))
            for d in range(len(vector)):
                vector[d] = np.cos(angle) * now[u, d] + np.sin(angle) * later[u, d]
            if _uniform(state) < _SEARCHES:
                searches = _with_room(searches, n_searches)
                searches[n_searches, 0], searches[n_searches, 1] = u, clock
                searches[n_searches, 2] = _wanted(
                    state, keep, other, vector, item_vectors, upload_time, clock
                )
                n_searches += 1
                clock += 20
            today = int(np.ceil(target * (v + 1) / len(moments)))
            pages = _PAGES_A_DAY if v + 1 < len(moments) else left
            while finished < today and pages > 0 and left > 0:
                page += 1
                pages -= 1
                for p in range(len(noticed)):
                    left -= 1
                    item = -1
                    for _ in range(_TRIES):
                        i = _draw(state, keep, other)
                        if (
                            upload_time[i] > clock
                            or not item_places[i] & user_places[u]
                            or finished_by[i] == u
                            or on_page[i] == page
                        ):
                            continue
                        match = _believed_agreement(believed[u], genres[i])
                        if _uniform(state) < np.exp(agreement * (match - best)):
                            item = i
                            break
                    if item < 0:
                        break
                    on_page[item] = page
                    taste = _product(vector, item_vectors[item])
                    aged = (clock - upload_time[item]) / DAY / FADING_DAYS
                    logit = taste + item_logits[item] + user_logits[u]
                    relevance = 1 / (1 + np.exp(freshness * (1 - np.exp(-aged)) - logit))
                    watched = 0.0
                    if _uniform(state) < noticed[p]:
                        if _uniform(state) < relevance:
                            watched = 1.0
                        elif _uniform(state) < np.sqrt(relevance):  # begun and left
                            watched = 0.95 * _uniform(state)
                    shown, outcomes = _with_room(shown, n_shown), _with_room(outcomes, n_shown)
                    shown[n_shown, 0], shown[n_shown, 1] = u, item
                    shown[n_shown, 2], shown[n_shown, 3] = clock, p + 1
                    outcomes[n_shown, 0], outcomes[n_shown, 1] = watched, taste
                    n_shown += 1
                    clock += 1
                    if watched == 1.0:
                        finished_by[item] = u
                        finished += 1
                        if finished == target:
                            break
                clock += 10
                if finished == target:
                    break
    return shown[:n_shown], outcomes[:n_shown], searches[:n_searches]


@njit
def _wanted(state, keep, other, vector, item_vectors, upload_time, clock):
    """Return the item of a search: the best for the user's taste among a few popular ones."""
    best, wanted = -np.inf, 0
    for _ in range(12):
        item = _draw(state, keep, other)
        taste = _product(vector, item_vectors[item])
        if upload_time[item] <= clock and taste > best:
            best, wanted = taste, item
    return wanted
