"""Workers of a cluster as the driver sees them: who is there, who fits, which slots are free.

A slot takes one run at a time; a worker has one for each of its threads. The driver looks twice a
second at who is there. Dask would blame every task that is assigned to a dead worker, so no slot
ever has a second run waiting, and the driver counts attempts itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from candgen.errors import SettingError
from candgen.sweeps.cluster import versions

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

EVERY = 0.5  # seconds between looks at who is there
_LONELY = 15.0  # seconds without a worker until that is said
_SETTLING = 120.0  # seconds for the workers that are there at the start to answer


class ClusterLost(ConnectionError):
    """The scheduler of the cluster does not answer any more."""


@dataclass(eq=False)
class Worker:
    """A worker that fits."""

    address: str
    label: str
    """Its name in messages."""
    host: str
    slots: int
    life: str = ""
    """Folder that Dask gives to each life of a worker; a restarted one may keep its address."""
    scratch: Path | None = None
    parcels: set[str] = field(default_factory=set)
    """Digests of what it was sent."""
    sending: dict[str, threading.Lock] = field(default_factory=dict)
    gone: bool = False
    free: int = 0


class Workers:
    """All workers of a cluster, watched from a thread of its own."""

    def __init__(
        self,
        client: Client,
        settle: Callable[[Client, Worker], None],
        say: Callable[[str], None],
        patience: float | None = None,
        n_local: int = 0,
    ) -> None:
        """Begin to watch.

        Args:
            client: Connected to the scheduler.
            settle: Makes a worker ready; raises what is wrong with it.
            say: Tells people what happens.
            patience: Seconds without any worker until the cluster counts as lost; None to wait
                for as long as it takes.
            n_local: Workers of a local cluster. Dask starts one again that dies, but gives up if
                it dies while it starts; then another is asked for.
        """
        self._client = client
        self._settle = settle
        self._say = say
        self._patience = patience
        self._n_local = n_local
        self._seen = time.monotonic()
        self._alone = False
        self._ours = versions.here()
        self._known: dict[str, Worker | None] = {}
        """Address -> worker; None while it is being looked at, and if it was refused."""
        self._lives: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._lost: str | None = None
        self._look()
        threading.Thread(target=self._watch, name="cluster-watch", daemon=True).start()

    # --- slots

    def n_slots(self) -> int:
        """Count the slots of all workers that fit."""
        with self._changed:
            return sum(worker.slots for worker in self._fitting())

    def take(self, wanted: Iterable[str] = ()) -> Worker | None:
        """Wait for a free slot and take it; None once `close` was called.

        Args:
            wanted: Digests of parcels; a worker that has them is preferred.

        Raises:
            ClusterLost: If the scheduler has gone.
        """
        wanted = set(wanted)
        with self._changed:
            while self._lost is not None or not self._closing.is_set():
                if self._lost is not None:
                    raise ClusterLost(self._lost)
                if free := [worker for worker in self._fitting() if worker.free]:
                    best = max(free, key=lambda w: (len(w.parcels & wanted), w.free))
                    best.free -= 1
                    return best
                self._changed.wait(EVERY)
        return None

    def give_back(self, worker: Worker) -> None:
        """Free a slot."""
        with self._changed:
            worker.free += 1
            self._changed.notify_all()

    def wait(self, worker: Worker, ended: Callable[[], bool]) -> None:
        """Wait until something on a worker has ended, or the worker or the cluster is lost."""
        with self._changed:
            while not (ended() or worker.gone or self._lost is not None):
                self._changed.wait(EVERY)

    def wake(self) -> None:
        """Let those that wait look again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End the watch; whoever waits for a slot gets none."""
        self._closing.set()
        self.wake()

    def await_first(self) -> None:
        """Wait until the workers that are there have been looked at.

        Raises:
            SettingError: If none of them fits, with the reason for each.
        """
        with self._changed:
            self._changed.wait_for(self._first_are_known, timeout=_SETTLING)
            if self.refused and not self._fitting():
                reasons = "\n".join(f"  {each}" for each in self.refused.values())
                raise SettingError(
                    f"No worker of the cluster can execute runs of this checkout:\n{reasons}\n"
                    "Install there what is installed here, the same candgen and "
                    "requirements.lock, and start the workers again."
                )

    def _first_are_known(self) -> bool:
        waiting = [a for a, w in self._known.items() if w is None and a not in self.refused]
        return bool(self._fitting()) or not waiting

    def _fitting(self) -> list[Worker]:
        return [w for w in self._known.values() if w is not None and not w.gone]

    # --- the watch

    def _watch(self) -> None:
        while not self._closing.wait(EVERY):
            if self._client.status == "running":
                self._look()
                self._fill_up()
            alone = self._seconds_alone()
            if self._client.status == "closed":
                self._lose("the scheduler of the cluster has gone")
            elif self._patience is not None and alone > self._patience:
                self._lose(f"the cluster had no worker for {alone:.0f} s")
            elif alone > _LONELY and not self._alone:
                self._alone = True
                self._say(
                    "no worker fits yet; waiting for one. `dask worker ADDRESS` starts one, with "
                    "the scheduler's address."
                )

    def _fill_up(self) -> None:
        """Ask a local cluster for the workers that it lacks; it knows which are on their way."""
        with self._changed:
            lacks = len(self._known) < self._n_local
        if lacks:
            self._client.cluster.scale(self._n_local)

    def _seconds_alone(self) -> float:
        """Return for how long there has been no worker that fits."""
        with self._changed:
            if self._fitting():
                self._seen, self._alone = time.monotonic(), False
        return time.monotonic() - self._seen

    def _lose(self, why: str) -> None:
        with self._changed:
            self._lost = why
            self._changed.notify_all()
        self._closing.set()

    def _look(self) -> None:
        """Compare who is there with who was."""
        try:
            there = listed(self._client)
        except Exception:  # a client that is closing or connecting anew raises whatever it likes
            return
        with self._changed:
            lives = {address: str(info.get("local_directory")) for address, info in there.items()}
            ended = [a for a in self._known if lives.get(a) != self._lives[a]]
            died = [self._known.pop(address) for address in ended]
            for address in ended:
                self.refused.pop(address, None)
            new = {a: info for a, info in there.items() if a not in self._known}
            self._known |= dict.fromkeys(new)
            self._lives = lives
            for worker in filter(None, died):
                worker.gone = True
            self._changed.notify_all()
        for worker in filter(None, died):
            self._say(f"{worker.label} has gone")
        for address, info in new.items():
            args = (_described(address, info),)
            threading.Thread(target=self._welcome, args=args, daemon=True).start()

    def _welcome(self, worker: Worker) -> None:
        """Take a worker on, or refuse it by name."""
        try:
            fault = self._fault_of(worker)
            if fault is None:
                self._settle(self._client, worker)
        except Exception as error:  # it died meanwhile, or has no candgen that could answer
            fault = f"it cannot be asked ({type(error).__name__}: {error})"
        with self._changed:
            if self._lives.get(worker.address) != worker.life:
                return
            if fault is None:
                worker.free = worker.slots
                self._known[worker.address] = worker
            else:
                self.refused[worker.address] = f"{worker.label}: {fault}"
            self._changed.notify_all()
        if fault is not None:
            self._say(f"{worker.label} is refused: {fault}")

    def _fault_of(self, worker: Worker) -> str | None:
        found = self._client.run(versions.here, workers=[worker.address])[worker.address]
        return ", ".join(versions.differences(self._ours, found)) or None


def listed(client: Client) -> dict[str, dict[str, Any]]:
    """Ask the scheduler for its workers: address -> what it knows of each.

    `Client.scheduler_info` may return another answer, of a question that the client asks by itself
    meanwhile, and that one names no workers.
    """
    return client.sync(client.scheduler.identity, n_workers=-1)["workers"]


def _described(address: str, info: dict[str, Any]) -> Worker:
    """Describe a worker that the scheduler lists."""
    name, host = str(info.get("name", "")), str(info.get("host", ""))
    bare = address.partition("://")[2]
    label = f"worker {bare}" if name in ("", address) else f"worker {name} on {host}"
    if host == "127.0.0.1" and name.isdecimal():
        label = f"worker {name}"
    return Worker(address, label, host, int(info["nthreads"]), str(info.get("local_directory")))
