"""Compiled functions whose cache on disk knows all kernels of the package.

numba keeps compiled code beside the file of a function and compiles anew when that file changes. A
kernel that calls one of another file contains the other's code, so a change over there has to
count, too. Here it does: the stamp of a cached function covers every file of the package that has
kernels, and the numbers that its own file imports from others, which compiled code contains, too.

Processes that start together call the same functions first. One compiles each, the others wait for
what it leaves in the cache: the first sweep after an installation compiles everything once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba
from filelock import FileLock, Timeout
from numba.core.caching import FunctionCache, IndexDataCacheFile

_PATIENCE = 120.0  # seconds until a process compiles what another has not finished


def njit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function at its first call, or read it from the cache; options as for numba."""
    if function is None:
        return partial(njit, **options)
    made = numba.njit(**options)(function)
    made._cache = _CacheOfKernels(function)
    return made


class _CacheOfKernels(FunctionCache):
    """numba's cache on disk, with a stamp that covers all kernels."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = IndexDataCacheFile(
            cache_path=self.cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=(
                self._impl.locator.get_source_stamp(),
                _digest_of_kernels(),
                {n: v for n, v in function.__globals__.items() if isinstance(v, int | float)},
            ),
        )
        self._compiling: FileLock | None = None  # held while this process compiles

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Read compiled code; where there is none, wait for who compiles it, or return None."""
        found = super().load_overload(sig, target_context)
        if found is None and self._compiling is None:
            # Made here: a kernel that was forked cannot use the lock of its parent.
            self._compiling = FileLock(
                Path(self.cache_path) / f"{self._impl.filename_base}.lock",
                timeout=_PATIENCE,
                thread_local=False,  # numba lets one thread of a process compile at a time
            )
            with suppress(OSError, Timeout):  # a file system without locks or without leave
                self._compiling.acquire()
                found = super().load_overload(sig, target_context)
        if found is not None:
            self._let_others_go_on()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code, and let those go on who wait for it."""
        try:
            super().save_overload(sig, data)
        finally:
            self._let_others_go_on()

    def _let_others_go_on(self) -> None:
        lock, self._compiling = self._compiling, None
        if lock is not None:
            with suppress(RuntimeError):  # the parent's, if it was compiling when this was forked
                lock.release()


@cache
def _digest_of_kernels() -> str:
    """Return a digest of the source of all modules of the package that have kernels."""
    package, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        code = path.read_bytes()
        if b"njit" in code:
            digest.update(f"{path.relative_to(package).as_posix()} {len(code)} ".encode() + code)
    return digest.hexdigest()
