"""Compiled loops over the rows of an embedding table that a batch touches, and over no others.

A row that gets a gradient is given a slot; gradients add up in the slot, and an update visits the
slots. So the cost of a batch follows from its size and never from the size of the table. Threads
share the slots out among them: each adds up its own in the order of the batch, so that the number
of threads never changes a sum.
"""

from __future__ import annotations

import numba
import numpy as np

from candgen.numba_cache import njit
from candgen.training import adam

_FAST = {"reassoc", "contract", "nsz"}  # sums in any order, which lets them run in registers
_FIRST_SQUARE = np.float32(0.1)  # what Adagrad's sums start from, as in Keras
NO_SLOT = -1
NO_ROW = -1


@njit
def mark(ids, slots, touched, n):
    """Give the rows named in `ids` a slot; return how many rows have one now."""
    for row in ids:
        if row != NO_ROW and slots[row] == NO_SLOT:
            slots[row], touched[n] = n, row
            n += 1
    return n


@njit
def mark_bags(rows, starts, stops, slots, touched, n):
    """Give the rows in any bag a slot; return how many rows have one now."""
    for bag in range(len(starts)):
        for place in range(starts[bag], stops[bag]):
            row = rows[place]
            if slots[row] == NO_SLOT:
                slots[row], touched[n] = n, row
                n += 1
    return n


@njit(parallel=True)
def gather(table, ids, out):
    """Copy rows; `NO_ROW` gives zeros."""
    for place in numba.prange(len(ids)):
        row = ids[place]
        if row == NO_ROW:
            out[place] = 0
        else:
            for column in range(table.shape[1]):
                out[place, column] = table[row, column]


@njit(parallel=True, fastmath=_FAST)
def add(ids, gradients, slots, pending, n_threads):
    """Add a gradient to the slot of each row named."""
    for thread in numba.prange(n_threads):
        for place in range(len(ids)):
            row = ids[place]
            if row == NO_ROW:
                continue
            slot = slots[row]
            if slot % n_threads == thread:
                for column in range(pending.shape[1]):
                    pending[slot, column] += gradients[place, column]


@njit(fastmath=_FAST, inline="always")
def _weight(weights, weighted, place):
    return weights[place] if weighted else np.float32(1)


@njit(parallel=True, fastmath=_FAST)
def total_weights(starts, stops, skips, weights, fading, totals):
    """Sum the weights of each bag."""
    weighted = len(weights) > 0
    for bag in numba.prange(len(starts)):
        total, faded = np.float32(0), np.float32(1)
        for place in range(stops[bag] - 1, starts[bag] - 1, -1):
            if place != skips[bag]:
                total += faded * _weight(weights, weighted, place)
                faded *= fading
        totals[bag] = total


@njit(parallel=True, fastmath=_FAST)
def pool(table, rows, starts, stops, skips, weights, fading, scales, out):
    """Sum the rows in each bag, each with its weight, times the bag's scale."""
    weighted = len(weights) > 0
    for bag in numba.prange(len(starts)):
        out[bag] = 0
        faded = scales[bag]
        for place in range(stops[bag] - 1, starts[bag] - 1, -1):
            if place != skips[bag]:
                share = faded * _weight(weights, weighted, place)
                row = rows[place]
                for column in range(table.shape[1]):
                    out[bag, column] += share * table[row, column]
                faded *= fading


@njit(parallel=True, fastmath=_FAST)
def add_pooled(
    rows, starts, stops, skips, weights, fading, scales, gradients, slots, pending, n_threads
):
    """Add a bag's gradient to the slots of its rows, as they were weighted."""
    weighted = len(weights) > 0
    for thread in numba.prange(n_threads):
        for bag in range(len(starts)):
            faded = scales[bag]
            for place in range(stops[bag] - 1, starts[bag] - 1, -1):
                if place == skips[bag]:
                    continue
                slot = slots[rows[place]]
                if slot % n_threads == thread:
                    share = faded * _weight(weights, weighted, place)
                    for column in range(pending.shape[1]):
                        pending[slot, column] += share * gradients[bag, column]
                faded *= fading


@njit(parallel=True, fastmath=_FAST)
def update_adam(table, moments, squares, touched, n, slots, pending, rate, l2, step):
    """Step along the moments of the touched rows; those of other rows rest with them."""
    scaled = adam.step_rate(rate, np.float32(step), adam.FLOAT32)
    for slot in numba.prange(n):
        row = touched[slot]
        slots[row] = NO_SLOT
        for column in range(table.shape[1]):
            g = pending[slot, column] + l2 * table[row, column]
            pending[slot, column] = 0
            table[row, column], moments[row, column], squares[row, column] = adam.moved(
                table[row, column], g, moments[row, column], squares[row, column],
                scaled, adam.FLOAT32,
            )  # fmt: skip


@njit(parallel=True, fastmath=_FAST)
def update_adagrad(table, squares, touched, n, slots, pending, rate, l2):
    """Step against the gradient over the root of all squares that the touched rows have seen."""
    for slot in numba.prange(n):
        row = touched[slot]
        slots[row] = NO_SLOT
        for column in range(table.shape[1]):
            g = pending[slot, column] + l2 * table[row, column]
            pending[slot, column] = 0
            squares[row, column] += g * g
            table[row, column] -= rate * g / np.sqrt(squares[row, column] + _FIRST_SQUARE)


@njit(parallel=True, fastmath=_FAST)
def update_sgd(table, touched, n, slots, pending, rate, l2):
    """Step against the gradient of the touched rows."""
    for slot in numba.prange(n):
        row = touched[slot]
        slots[row] = NO_SLOT
        for column in range(table.shape[1]):
            g = pending[slot, column] + l2 * table[row, column]
            pending[slot, column] = 0
            table[row, column] -= rate * g
