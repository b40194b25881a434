"""A Jupyter kernel provisioner whose kernels are forked from the preloaded server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import subprocess
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner
from traitlets import List, Unicode

from candgen.sweeps.kernels import client

_POLITE = 1.0  # seconds; then the manager goes on to insist


class WarmProvisioner(LocalProvisioner):
    """Forks kernels from this process's `KernelServer`.

    Registered as `candgen-warm`. Where there is no server, or it has died, kernels start the
    ordinary way, which is said once.
    """

    preload: List[str] = List(Unicode(), help="Modules the kernel will want.").tag(config=True)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch the kernel that `cmd` describes, `python ... ipykernel_launcher -f FILE`."""
        folder = str(kwargs.get("cwd") or pathlib.Path.cwd())
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        environment = dict(kwargs.get("env") or os.environ)
        try:
            # Preloading takes seconds; other threads have loops of their own, ours may wait.
            self.process = await asyncio.to_thread(self._fork, arguments, folder, environment)
        except client.ServerError as error:
            client.complain(error)
            return await super().launch_kernel(cmd, **kwargs)
        # The server answers once the kernel leads its own session, so its group is its number.
        self.pid = self.pgid = self.process.pid
        self.cwd = pathlib.Path(folder)
        return self.connection_info

    async def shutdown_requested(self, restart: bool = False) -> None:
        """Wait for a kernel that was asked to end, which is quicker than looking now and then."""
        if isinstance(self.process, client.ForkedKernel):
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.process.wait, _POLITE)

    def _fork(
        self, arguments: list[str], folder: str, environment: dict[str, str]
    ) -> client.ForkedKernel:
        server = client.shared()
        server.preload(self.preload)
        return server.fork(arguments, folder, environment)
