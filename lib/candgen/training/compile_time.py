"""Seconds of work, counted apart from the seconds of compiling and first loading.

numba compiles a function when it is first called, or reads it from its cache; XLA compiles a step
of training at its first call; TensorFlow takes seconds to import. All of that falls to whichever
model happens to run first in a process and says nothing about the model.

    clock = Stopwatch()
    ...
    took = clock.read()  # seconds, cpu_seconds, compile_seconds
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple


class Took(NamedTuple):
    """Seconds of a piece of work, with compilation apart."""

    seconds: float
    """Wall time of the work itself."""
    cpu_seconds: float
    """Processor time of the work itself, summed over threads."""
    compile_seconds: float
    """Wall time of compiling and first loading meanwhile, which the others leave out."""


class _Clocks(NamedTuple):
    wall: float
    cpu: float

    @classmethod
    def now(cls) -> _Clocks:
        return cls(time.perf_counter(), time.process_time())

    def since(self, earlier: _Clocks) -> _Clocks:
        return _Clocks(self.wall - earlier.wall, self.cpu - earlier.cpu)

    def plus(self, other: _Clocks) -> _Clocks:
        return _Clocks(self.wall + other.wall, self.cpu + other.cpu)


class _Total:
    """Seconds that the process spent on compiling and first loading, in all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0  # compiling one function compiles those that it calls
        self._began = self._spent = _Clocks(0.0, 0.0)

    def begin(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._began = _Clocks.now()
            self._depth += 1

    def end(self) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._spent = self._spent.plus(_Clocks.now().since(self._began))

    def add(self, took: Took) -> None:
        with self._lock:
            self._spent = self._spent.plus(_Clocks(took.seconds, took.cpu_seconds))

    def read(self) -> _Clocks:
        with self._lock:
            if self._depth == 0:
                return self._spent
            return self._spent.plus(_Clocks.now().since(self._began))


_total = _Total()


class Stopwatch:
    """Measures work from now on; what `preparing` and numba count meanwhile is kept apart."""

    def __init__(self) -> None:
        _listen_to_numba()
        self._spent, self._began = _total.read(), _Clocks.now()

    def read(self) -> Took:
        """Return what the work took so far."""
        passed = _Clocks.now().since(self._began)
        spent = _total.read().since(self._spent)
        return Took(
            max(0.0, passed.wall - spent.wall), max(0.0, passed.cpu - spent.cpu), spent.wall
        )


@contextmanager
def preparing() -> Iterator[None]:
    """Count what happens in the block as compiling or loading; nested blocks count once."""
    _total.begin()
    try:
        yield
    finally:
        _total.end()


def count(took: Took) -> None:
    """Count seconds that were measured as work as compiling."""
    _total.add(took)


@cache
def _listen_to_numba() -> None:
    """Count what numba spends under its compiler's lock: compiling and reading its cache."""
    from numba.core import event

    class Compiling(event.Listener):
        def on_start(self, event: event.Event) -> None:
            _total.begin()

        def on_end(self, event: event.Event) -> None:
            _total.end()

    event.register("numba:compiler_lock", Compiling())
