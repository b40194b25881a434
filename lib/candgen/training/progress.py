"""Training progress: a bar in JupyterLab, an occasional line in a batch, nothing elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

BATCH = "CANDGEN_BATCH"  # set for notebooks that nobody looks at while they run
SECONDS = 15.0  # between two lines


class Progress:
    """Reports the epochs of one training."""

    def __init__(self, name: str, n_steps: int, epochs: int) -> None:
        self._name, self._n_steps, self._epochs = name, n_steps, epochs
        self._bar: Any = None
        self._last = time.monotonic()
        self._lines = bool(os.environ.get(BATCH))
        if not self._lines and _in_jupyter():
            from tqdm.auto import tqdm

            self._bar = tqdm(total=epochs * n_steps, desc=name, unit="step", mininterval=0.5)

    def steps(self, n: int) -> None:
        """Note that n more steps were taken."""
        if self._bar is not None:
            self._bar.update(n)

    def epoch(self, epoch: int, loss: float, watched: str) -> None:
        """Note the end of an epoch, with what it came to."""
        said = f"loss {loss:.4g}{', ' if watched else ''}{watched}"
        if self._bar is not None:
            self._bar.set_postfix_str(said)
        elif self._lines and (time.monotonic() - self._last >= SECONDS):
            self._last = time.monotonic()
            print(f"{self._name}: epoch {epoch} of {self._epochs}, {said}", flush=True)

    def close(self) -> None:
        """End the bar where it stands."""
        if self._bar is not None:
            self._bar.close()


def _in_jupyter() -> bool:
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return found is not None and hasattr(found, "kernel")
