"""Compiled functions whose cache on disk knows all kernels of the package.

numba keeps compiled code beside the file of a function and compiles anew when that file changes. A
kernel that calls one of another file contains the other's code, so a change over there has to
count, too. Here it does: the stamp of a cached function covers every file of the package that has
kernels, and the numbers that its own file imports from others, which compiled code contains, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile


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


@cache
def _digest_of_kernels() -> str:
    """Return a digest of the source of all modules of the package that have kernels."""
    package, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        code = path.read_bytes()
        if b"njit" in code:
            digest.update(f"{path.relative_to(package).as_posix()} {len(code)} ".encode() + code)
    return digest.hexdigest()
