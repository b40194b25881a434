"""The sweep's end of the kernel server: start it, ask it for kernels, hear of their deaths."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

# What a kernel is made of, imported before the first one is forked.
KERNEL = (
    "ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.debugger", "sqlite3",
    "tornado.platform.asyncio", "IPython.core.completerlib", "IPython.core.pylabtools",
    "IPython.extensions.storemagic",
)  # fmt: skip
# Wanted by nearly every notebook, imported while the first one runs already; a module that is not
# installed, or not there yet, is passed over.
LIGHT = (
    "numpy", "pandas", "scipy.sparse", "pyarrow.parquet", "numba", "candgen.columns",
    "candgen.datasets", "candgen.datasets.interactions", "candgen.datasets.splits",
    "candgen.datasets.preparation", "candgen.session", "candgen.models", "candgen.retrieval",
    "candgen.evaluation.judging", "matplotlib.backends.backend_agg", "matplotlib.pyplot",
    "candgen.plots", "sklearn", "seaborn",
)  # fmt: skip
_PATIENCE = 300  # seconds for an answer; importing everything takes a tenth of that
# Read once, when matplotlib and TensorFlow load; the latter would fill notebooks with its remarks.
_WHILE_LOADING = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


class ServerError(RuntimeError):
    """The server could not be started, has died, or cannot do what it was asked."""


class ForkedKernel:
    """A kernel made by the server, with the manners of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"kernel {self.pid}", timeout or 0)
        return self.returncode  # type: ignore[return-value]

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def ended(self, code: int) -> None:
        self.returncode = code
        self._ended.set()


class KernelServer:
    """One server process with its connection; safe to use from several threads."""

    def __init__(self, modules: Sequence[str]) -> None:
        """Start the server.

        Args:
            modules: What it imports while it waits for requests.

        Raises:
            ServerError: If it dies at once.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "candgen.sweeps.kernels.server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the sweep to handle
                env=_WHILE_LOADING | os.environ,
            )
        self._connection = ours
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        self._kernels: dict[int, ForkedKernel] = {}
        self._exits: dict[int, int] = {}  # of kernels whose birth is not yet known here
        self._preloaded: set[str] = set()
        self._alive = True
        self._reader = threading.Thread(target=self._read, name="kernel-server", daemon=True)
        self._reader.start()
        self.preload(KERNEL)
        self._ask({"do": "preload", "modules": list(modules), "later": True})

    @property
    def alive(self) -> bool:
        return self._alive

    def preload(self, modules: Sequence[str]) -> None:
        """Import modules in the server, so that every later kernel has them.

        Raises:
            ServerError: If the server has died.
        """
        wanted = [name for name in modules if name not in self._preloaded]
        if wanted:
            self._ask({"do": "preload", "modules": wanted})
            self._preloaded.update(wanted)

    def fork(self, argv: Sequence[str], cwd: str, env: dict[str, str]) -> ForkedKernel:
        """Start a kernel, in its own session when this returns.

        Args:
            argv: Arguments of the kernel program, such as `-f connection.json`.
            cwd: The kernel's folder.
            env: Its whole environment.

        Raises:
            ServerError: If the server has died, or the kernel cannot start in that folder.
        """
        answer = self._ask({"do": "fork", "argv": list(argv), "cwd": cwd, "env": env})
        if "error" in answer:
            raise ServerError(answer["error"])
        kernel = ForkedKernel(answer["pid"])
        with self._lock:
            if kernel.pid in self._exits or not self._alive:
                kernel.ended(self._exits.pop(kernel.pid, -signal.SIGKILL))
            else:
                self._kernels[kernel.pid] = kernel
        return kernel

    def close(self) -> None:
        """End the server and with it every kernel it made."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            if not self._alive:
                raise ServerError("the kernel server has ended")
            number = next(self._numbers)
            self._answers[number] = answer
            try:
                self._connection.sendall(json.dumps({"id": number, **request}).encode() + b"\n")
            except OSError as error:
                del self._answers[number]
                raise ServerError(f"the kernel server cannot be reached: {error}") from None
        try:
            return answer.result(_PATIENCE)
        except TimeoutError:
            self.process.kill()
            raise ServerError(f"the kernel server did not answer in {_PATIENCE} s") from None

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._connection, self._connection.makefile() as lines:
            for line in lines:
                self._take(json.loads(line))
        with self._lock:
            self._alive = False
            for answer in self._answers.values():
                answer.set_exception(ServerError("the kernel server has died"))
            for kernel in self._kernels.values():
                kernel.ended(-signal.SIGKILL)

    def _take(self, message: dict[str, Any]) -> None:
        with self._lock:
            if "answer" in message:
                self._answers.pop(message["answer"]).set_result(message)
            elif kernel := self._kernels.pop(message["exited"], None):
                kernel.ended(message["code"])
            else:
                self._exits[message["exited"]] = message["code"]


_shared: KernelServer | None = None
_starting = threading.Lock()
_complained = False


def supported() -> bool:
    """Tell whether this platform forks safely: Linux does, macOS and Windows do not."""
    return sys.platform == "linux"


def shared() -> KernelServer:
    """Return this process's server, started by the first call.

    Raises:
        ServerError: If the platform cannot have one, or it does not start.
    """
    global _shared
    if not supported():
        raise ServerError(f"forking is not safe on {sys.platform}")
    with _starting:
        if _shared is None:
            try:
                _shared = KernelServer(LIGHT)
            except OSError as error:
                raise ServerError(f"the kernel server does not start: {error}") from None
            atexit.register(shutdown)
        elif not _shared.alive:
            raise ServerError("the kernel server has died")
        return _shared


def shutdown() -> None:
    """End this process's server, if it has one; the next kernel starts another."""
    global _shared
    with _starting:
        if _shared is not None:
            _shared.close()
            _shared = None


def complain(reason: object) -> None:
    """Print once that kernels start the ordinary way, and why."""
    global _complained
    if not _complained:
        _complained = True
        print(f"Kernels start the ordinary, slower way: {reason}.", file=sys.stderr)
