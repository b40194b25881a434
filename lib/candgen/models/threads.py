"""One pool of threads at a time.

Compiled loops that run in parallel call BLAS from each of their threads. If BLAS then started
threads of its own, or its idle ones kept spinning from an earlier call, both would fight for the
same cores: on two cores that costs more than the work itself.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg.cython_blas  # noqa: F401  the library that compiled code calls

    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager:
    """Limit BLAS to one thread inside a `with` block."""
    return _controller().limit(limits=1, user_api="blas")
