"""Kernel spec of sweeps: always this interpreter, whatever kernels are installed.

Nothing is written to anybody's Jupyter folders; a manager made here knows its own specification.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

from candgen.project import OF_PAGE
from candgen.session import environment
from candgen.sweeps.kernels import connection_files
from candgen.training.progress import BATCH

NAME = "python3"
METADATA = {"name": NAME, "display_name": "Python 3 (ipykernel)", "language": "python"}


def kernel_spec(
    kernel: str, preload: Sequence[str] = (), project: Path | None = None
) -> KernelSpec:
    """Describe a kernel of this interpreter.

    Args:
        kernel: "warm", forked from the preloaded server, or "ordinary".
        preload: Modules a warm kernel will want beside the usual ones.
        project: Whose page it executes; None if its folder tells.
    """
    connection_files.remove_left_behind_once()
    metadata: dict[str, Any] = {}
    if kernel == "warm":
        config = {"preload": list(preload)}
        metadata = {"kernel_provisioner": {"provisioner_name": "candgen-warm", "config": config}}
    return KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name=METADATA["display_name"],
        language=METADATA["language"],
        metadata=metadata,
        # Nobody watches: lines of progress instead of bars. And nobody else asks git.
        env={BATCH: "1", environment.COMMIT: environment.commit() or ""}
        | ({} if project is None else {OF_PAGE: str(project)}),
    )


def manager_class(spec: KernelSpec) -> type[AsyncKernelManager]:
    """Make a kernel manager class that starts kernels of one specification under any name."""

    class OneSpec(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            return spec

    class Manager(AsyncKernelManager):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**{"connection_file": str(connection_files.new()), **settings})

        @default("kernel_spec_manager")
        def _one_spec(self) -> KernelSpecManager:
            return OneSpec(parent=self)

        async def start_kernel(self, **kwargs: Any) -> None:
            # What a kernel writes there is for a terminal; the sweep's own view has that one.
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            await super().start_kernel(**quiet | kwargs)

    return Manager
