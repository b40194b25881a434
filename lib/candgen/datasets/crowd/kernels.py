"""Compiled drawing of the ratings of a crowd, user by user."""

from __future__ import annotations

import numba
import numpy as np

from candgen.numba_cache import njit

_TRIES = 20  # draws of one rating before any film that the user lacks will do
_KEPT = 0.3  # of its popularity, by a film that is old
_FADES = 120.0  # days over which a new film loses the rest
_SECONDS = 86_400.0


@njit(inline="always")
def uniform(state):
    """Return the next number in [0, 1) of a stream: splitmix64 (Steele et al., OOPSLA 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.float64(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(inline="always")
def normal(state):
    """Return the next standard normal number of a stream (Box and Muller)."""
    return np.sqrt(-2 * np.log(1 - uniform(state))) * np.cos(2 * np.pi * uniform(state))


@njit(parallel=True)
def draw_ratings(
    seed, starts, edges_of_tastes, tastes, active, edges, affinities, released, quality,
    n_threads, items, ratings, seconds,
):  # fmt: skip
    """Write each user's films, ratings and seconds, in the order of time.

    A film is drawn by taste and popularity, again if the user has it or it is not released yet,
    and with a chance that falls with its age.

    Args:
        seed: Each user draws from a stream of its own.
        starts: Where each user's ratings begin, shape `(n_users + 1,)`.
        edges_of_tastes: Running sums of `tastes`, shape `(n_users, n_tastes)`.
        tastes: Shares of the tastes of a user.
        active: First and last day of each user, shape `(n_users, 2)`.
        edges: Running sums of the probabilities of films, shape `(n_tastes, n_items)`.
        affinities: Shares of the tastes in a film, shape `(n_items, n_tastes)`.
        released: Day of release of each film.
        quality: Stars that all users agree on.
        n_threads: Threads that share the users.
        items: int32, shape `(starts[-1],)`, to be filled.
        ratings: float32, likewise.
        seconds: int64 since the first day, likewise.
    """
    n_users, n_tastes = tastes.shape
    n_items = len(released)
    for thread in numba.prange(n_threads):
        taken = np.full(n_items, -1, np.int32)
        for user in range(thread, n_users, n_threads):
            state = np.full(1, seed, np.uint64)
            state[0] ^= np.uint64(user + 1) * np.uint64(0xD1342543DE82EF95)
            uniform(state)
            first, stop = starts[user], starts[user + 1]
            days = np.empty(stop - first, np.float64)
            for place in range(len(days)):
                days[place] = active[user, 0] + uniform(state) * (active[user, 1] - active[user, 0])
            days.sort()
            bias = 0.4 * normal(state)
            for place in range(len(days)):
                film, day = -1, days[place]
                for _ in range(_TRIES):
                    taste = np.searchsorted(
                        edges_of_tastes[user], uniform(state) * edges_of_tastes[user, -1]
                    )
                    taste = min(taste, n_tastes - 1)
                    found = min(np.searchsorted(edges[taste], uniform(state)), n_items - 1)
                    age = day - released[found]
                    if age < 0 or taken[found] == user:
                        continue
                    if uniform(state) > _KEPT + (1 - _KEPT) * np.exp(-age / _FADES):
                        continue
                    film = found
                    break
                while film < 0:
                    found = min(int(uniform(state) * n_items), n_items - 1)
                    if taken[found] != user:
                        film = found
                taken[film] = user
                match = 0.0
                for taste in range(n_tastes):
                    match += tastes[user, taste] * affinities[film, taste]
                stars = 2.9 + bias + quality[film] + 1.5 * np.sqrt(match)
                stars = np.round(2 * (stars + 0.7 * normal(state))) / 2
                items[first + place] = film
                ratings[first + place] = min(max(stars, 0.5), 5.0)
                seconds[first + place] = np.int64(day * _SECONDS)
