"""One root seed, a derived seed for each purpose.

Deriving by name keeps purposes apart: drawing one more negative never changes the split.
"""

from __future__ import annotations

import hashlib


def derive_seed(root: int, purpose: str) -> int:
    """Derive the seed for one purpose ("split", "initial values", ...) from the root seed.

    Args:
        root: The seed a person chose, 0 or greater.
        purpose: What the random numbers are for. Each purpose has an independent stream.

    Returns:
        An integer in 0 .. 2**32 - 1, the range that NumPy, TensorFlow and numba all accept.
    """
    if root < 0:
        raise ValueError(f"A seed must be 0 or greater, got {root}.")
    digest = hashlib.sha256(f"{root}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:4], "little")
