"""The kernel server: imports once, forks a kernel for each request.

Run as a program with the number of an inherited Unix socket. Requests and answers are lines of
JSON over that socket:

    {"do": "preload", "modules": [...]}                  -> {"answer": id, "missing": {name: why}}
    {"do": "preload", "modules": [...], "later": true}   -> the same, at once: nothing is missing
    {"do": "fork", "argv", "cwd", "env"}                 -> {"answer": id, "pid"} or {..., "error"}
    a kernel has ended                                   -> {"exited": pid, "code": exit code}

Modules for later are imported one at a time whenever no request waits, so that the first kernel
does not wait for all that later ones want.

The server stays single-threaded, which is what makes forking safe: it never calls what it
imports. It ends when the other end of the socket closes, for whatever reason, and takes its
kernels with it; should it be killed itself, the system kills its kernels (Linux).

This module imports nothing outside the standard library.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import warnings
from typing import Any

_PR_SET_PDEATHSIG = 1


class _Kernel(BaseException):
    """Raised in the forked child: unwinds the server and leaves the kernel's request."""

    def __init__(self, request: dict) -> None:
        self.request = request


class Server:
    """Answers requests on one connection until it closes."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.kernels: set[int] = set()
        self.pending = b""
        self.later: list[str] = []
        self.libc = ctypes.CDLL(None, use_errno=True)

    def serve(self) -> None:
        """Serve until the connection closes, then kill the kernels that are left.

        Raises:
            _Kernel: In each child.
        """
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self.connection, selectors.EVENT_READ)
                selector.register(woken, selectors.EVENT_READ)
                while True:
                    ready = {key.fileobj for key, _ in selector.select(0 if self.later else None)}
                    if not ready:
                        self._import([self.later.pop(0)])
                    if woken in ready:
                        os.read(woken, 4096)
                        self._bury()
                    if self.connection in ready and not self._listen():
                        break
        finally:
            signal.set_wakeup_fd(-1)
            os.close(woken)
            os.close(wake)
        for pid in self.kernels:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _listen(self) -> bool:
        arrived = self.connection.recv(1 << 16)
        if not arrived:
            return False
        *lines, self.pending = (self.pending + arrived).split(b"\n")
        for line in lines:
            request = json.loads(line)
            answer = self._preload(request) if request["do"] == "preload" else self._fork(request)
            self._send({"answer": request["id"], **answer})
        return True

    def _send(self, message: dict) -> None:
        # A client that has gone is noticed by the next read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def _bury(self) -> None:
        for pid in list(self.kernels):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.kernels.discard(pid)
                self._send({"exited": pid, "code": os.waitstatus_to_exitcode(status)})

    def _preload(self, request: dict) -> dict:
        if request.get("later"):
            self.later += request["modules"]
            return {"missing": {}}
        return {"missing": self._import(request["modules"])}

    def _import(self, names: list[str]) -> dict[str, str]:
        missing = {}
        for name in names:
            try:
                importlib.import_module(name)
            except Exception as error:  # whatever a module does, the notebooks will say it again
                missing[name] = f"{type(error).__name__}: {error}"
        if not self.later:
            gc.collect()
            gc.freeze()  # collections in the kernels leave shared pages alone
        return missing

    def _fork(self, request: dict) -> dict:
        heard, say = os.pipe()
        server = os.getpid()
        with warnings.catch_warnings():
            # The threads that Python 3.12 warns of are those of BLAS, which looks after itself.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            os.close(heard)
            self._settle(request, say, server)
            raise _Kernel(request)
        os.close(say)
        with open(heard) as pipe:
            said = pipe.read()  # until the child is in its own session, and its folder
        self.kernels.add(pid)
        return {"pid": pid} if said == "ready" else {"error": said or "the fork died at once"}

    def _settle(self, request: dict, say: int, server: int) -> None:
        """Turn the child into a process of its own: session, signals, streams, folder, names."""
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:  # it died before the line above
            os._exit(1)
        self.connection.close()
        void = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(void, stream)
        os.close(void)
        try:
            os.chdir(request["cwd"])
        except OSError as error:
            os.write(say, f"cannot start in {request['cwd']}: {error.strerror}".encode())
            os._exit(1)
        os.environ.clear()
        os.environ.update(request["env"])
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed()  # else all kernels would draw the same unseeded numbers
        os.write(say, b"ready")
        os.close(say)


def main(descriptor: int) -> None:
    """Serve on an inherited socket; in the children, be a kernel."""
    server = os.getpid()
    try:
        Server(socket.socket(fileno=descriptor)).serve()
    except _Kernel as forked:
        arguments = forked.request["argv"]
    else:
        os._exit(0)
    # Out of the except block: a kernel begins without an exception in flight.
    import ipykernel_launcher
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = [ipykernel_launcher.__file__, *arguments]
    IPKernelApp.launch_instance([*arguments, f"--IPKernelApp.parent_handle={server}"])
    _leave(IPKernelApp.instance())


def _leave(kernel: Any) -> None:
    """End a kernel as Python would, but for taking the kernel's own threads apart.

    There ipykernel 7 waits now and then for a thread that waits for it, and would have to be
    killed after seconds. Exit functions close, hence write, what a notebook left open.
    """
    with contextlib.suppress(Exception):
        threading._shutdown()
        atexit.unregister(kernel.close)
        atexit._run_exitfuncs()
    os._exit(0)


if __name__ == "__main__":
    del sys.path[0]  # the folder that the sweep was started in; each kernel has its own
    main(int(sys.argv[1]))
