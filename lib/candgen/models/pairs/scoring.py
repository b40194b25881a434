"""All items for a block of users through a network, without a graph.

The first layer is an outer sum, so it costs one addition an entry instead of a product over the
concatenation; the layers after it go through BLAS, a block of items of one user at a time, in
memory that stays in the cache. Users are shared out among threads, each with its own buffers, and
a user's blocks are the same in any company: neither threads nor company change a score.
"""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np
from numpy.typing import NDArray

from candgen.models.pairs.network import Arrays
from candgen.models.threads import one_blas_thread
from candgen.numba_cache import njit

BLOCK = 256  # items that go through the layers together


class Scorer:
    """Scores any items for any users from tables and weights as they are now."""

    def __init__(self, arrays: Arrays, tables: Mapping[str, NDArray[np.float32]]) -> None:
        """Prepare what depends on items alone.

        Args:
            arrays: The weights.
            tables: Vectors by the names of `PairNetwork.tables`, one row a user or an item.
        """
        self._arrays, self._tables = arrays, tables
        self._n_items = len(next(v for name, v in tables.items() if name.startswith("items/")))
        part = "layers" if "items/layers" in tables else "product"
        self._users, self._items = tables.get(f"users/{part}"), tables.get(f"items/{part}")
        self._first = None  # (n_items, first)
        if arrays.out is not None:
            self._first = np.zeros((self._n_items, len(arrays.shift)), np.float32)
            if arrays.of_item is not None:
                self._first = self._items @ arrays.of_item
            self._flat, self._sizes = _flat(arrays)

    @property
    def multiplications(self) -> int:
        """Multiplications that a pair of a user and an item costs, beyond what is prepared."""
        arrays = self._arrays
        total = 0 if arrays.product is None else len(arrays.product)
        if arrays.out is not None:
            total += len(arrays.out) + sum(kernel.size for kernel, _ in arrays.hidden)
            total += 0 if arrays.of_both is None else arrays.of_both.size
        return total

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the vectors that stand for a network of a product and biases alone."""
        extra = np.zeros((self._n_items, 2), np.float32)
        extra[:, 1] = 1
        if "items/bias" in self._tables:
            extra[:, 0] = self._tables["items/bias"][:, 0]
        return np.hstack([self._tables["items/product"], extra])

    def user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of users that go with `item_vectors`: h is folded in."""
        extra = np.ones((len(users), 2), np.float32)
        extra[:, 1] = self._arrays.level
        if "users/bias" in self._tables:
            extra[:, 1] += self._tables["users/bias"][users, 0]
        return np.hstack([self._tables["users/product"][users] * self._arrays.product, extra])

    def scores(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Return log-odds, shape `(len(users), len(items))`; all items when `items` is None."""
        chosen = slice(None) if items is None else items
        made = self._shallow(users, chosen)
        if self._first is not None and len(users):
            self._add_layers(users, chosen, made)
        return made

    def _shallow(self, users: NDArray[np.int64], items: slice | NDArray) -> NDArray[np.float32]:
        tables, arrays = self._tables, self._arrays
        n = self._n_items if isinstance(items, slice) else len(items)
        if arrays.product is None:
            made = np.full((len(users), n), arrays.level, np.float32)
        else:
            made = (tables["users/product"][users] * arrays.product) @ tables["items/product"][
                items
            ].T
            made += np.float32(arrays.level)
        if "items/bias" in tables:
            made += tables["users/bias"][users] + tables["items/bias"][items, 0]
        return made

    def _add_layers(self, users, items, made) -> None:
        arrays = self._arrays
        dim = self._users.shape[1]
        of_both = arrays.of_both
        if of_both is None:
            of_both = np.zeros((0, len(arrays.shift)), np.float32)
        vectors = self._users[users]
        of_user = np.tile(arrays.shift, (len(users), 1))
        if arrays.of_user is not None:
            of_user += vectors @ arrays.of_user
        item_rows = self._items[items] if len(of_both) else np.zeros((0, dim), np.float32)
        with one_blas_thread():
            _add_layers(
                of_user, self._first[items], vectors, item_rows, of_both, self._flat, self._sizes,
                made,
            )  # fmt: skip


def _flat(arrays: Arrays) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Lay the layers after the first end to end; return them and the size of every layer."""
    pieces = [piece.ravel() for layer in arrays.hidden for piece in layer]
    sizes = [len(arrays.shift), *(len(shift) for _, shift in arrays.hidden)]
    return np.concatenate([*pieces, arrays.out]), np.array(sizes, np.int64)


@njit(parallel=True)
def _add_layers(of_user, of_item, user_rows, item_rows, of_both, flat, sizes, scores):
    """Add what the layers make of each pair.

    Args:
        of_user: What the first layer makes of users, its shift included, `(n, first)`.
        of_item: What it makes of items, `(n_items, first)`.
        user_rows: Vectors of users, `(n, dim)`.
        item_rows: Vectors of items, `(n_items, dim)`; not read where `of_both` is empty.
        of_both: What it makes of the element-wise product, `(dim, first)` or `(0, first)`.
        flat: The other layers end to end: kernel, shift, ..., the weights of the last layer.
        sizes: Size of each layer.
        scores: Is added to, `(n, n_items)`.
    """
    for user in numba.prange(len(of_user)):
        mixed = _scaled(of_both, user_rows[user])
        _add_user(of_user[user], of_item, item_rows, mixed, flat, sizes, scores[user])


@njit
def _scaled(of_both, vector):
    """Multiply each row by the user's entry: then items alone go through the result."""
    mixed = np.empty_like(of_both)
    for row in range(len(of_both)):
        for column in range(of_both.shape[1]):
            mixed[row, column] = vector[row] * of_both[row, column]
    return mixed


@njit
def _add_user(of_user, of_item, item_rows, mixed, flat, sizes, scores):
    """Add what the layers make of one user and every item, a block of items at a time."""
    n_items, first, widest = len(of_item), sizes[0], sizes.max()
    here, there = np.empty(BLOCK * widest, np.float32), np.empty(BLOCK * widest, np.float32)
    for start in range(0, n_items, BLOCK):
        n = min(BLOCK, n_items - start)
        x = here[: n * first].reshape(n, first)
        if len(mixed):
            np.dot(item_rows[start : start + n], mixed, x)
            for row in range(n):
                for column in range(first):
                    value = x[row, column] + of_user[column] + of_item[start + row, column]
                    x[row, column] = max(value, np.float32(0))
        else:
            for row in range(n):
                for column in range(first):
                    value = of_user[column] + of_item[start + row, column]
                    x[row, column] = max(value, np.float32(0))
        place = 0
        for layer in range(1, len(sizes)):
            before, size = sizes[layer - 1], sizes[layer]
            kernel = flat[place : place + before * size].reshape(before, size)
            place += before * size
            y = there[: n * size].reshape(n, size)
            np.dot(x, kernel, y)
            for row in range(n):
                for column in range(size):
                    y[row, column] = max(y[row, column] + flat[place + column], np.float32(0))
            place += size
            here, there = there, here
            x = y
        for row in range(n):
            total = np.float32(0)
            for column in range(sizes[-1]):
                total += x[row, column] * flat[place + column]
            scores[start + row] += total
