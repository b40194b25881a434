"""The driver's side of a sweep on a cluster: what goes to a worker, and what comes home.

Runs are executed by workers, one in each slot. Datasets are prepared and the report is made on this
machine: what they read lies here, and what they write is needed here.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candgen.cluster import address as addresses
from candgen.errors import SettingError
from candgen.session import environment, paths
from candgen.sweeps.cluster import attempts, parcels, remote
from candgen.sweeps.cluster.attempts import WorkerLost
from candgen.sweeps.cluster.parcels import Parcel
from candgen.sweeps.cluster.workers import EVERY, Worker, Workers, listed
from candgen.sweeps.fingerprints import dataset_digest
from candgen.sweeps.kernels import connection_files
from candgen.sweeps.run_stage import Execution, Here, Kernel, State

if TYPE_CHECKING:
    from distributed import Client

    from candgen.sweeps.plan import Stage

MOST_SLOTS = 256
"""Runs at a time on a cluster that may grow."""
_STOPPING = 5.0  # seconds that workers have to end their runs
_STARTS = 3  # attempts to start a local cluster
_OVERDUE = 120.0  # seconds beyond a run's limit until its worker counts as dead
_SENDING = 3600.0  # seconds for one message of a parcel, or for all of it from a storage
_NO_WORKER = 300.0  # seconds until a local cluster without workers counts as lost


@contextmanager
def opened(
    address: str, here: Here, kernel: Kernel, datasets_at: str | None = None
) -> Iterator[Cluster]:
    """Give the place that executes a sweep's runs on the cluster at an address.

    A local cluster starts in the background: the sweep can prepare its datasets meanwhile.

    Raises:
        SettingError: If the address is wrong, no scheduler answers, or no worker fits.
    """
    addresses.check(address)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # the live view says it better
    place = Cluster(address, here, kernel, datasets_at)
    try:
        place.connect()
        yield place
    finally:
        place.close()


class Cluster:
    """A place for stages: runs on the workers, datasets here."""

    def __init__(self, address: str, here: Here, kernel: Kernel, datasets_at: str | None) -> None:
        self._address = address
        self._local = addresses.is_local(address)
        self._kernel = kernel
        self._here = here
        self._rooms_here = threading.Semaphore(here.workers)
        self._datasets_at = datasets_at
        self._token = f"candgen-{uuid.uuid4().hex}"
        self._said: list[str] = []
        self._say: Callable[[str], None] = self._said.append
        self._parcels: dict[tuple[Path, str | None], Parcel] = {}
        self._describing = threading.Lock()
        self._told: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._stopped_at: float | None = None
        self._uploading = threading.Lock()
        self._ends = ExitStack()
        self._connected: Future[tuple[Client, Workers]] = Future()
        self.threads = here.workers if self._local else MOST_SLOTS

    @property
    def workers(self) -> int:
        if not self._connected.done() or self._connected.exception():
            return self._here.workers
        return max(1, self._connected.result()[1].n_slots())

    def listen(self, say: Callable[[str], None]) -> None:
        self._say = say
        while self._said:
            say(self._said.pop(0))

    # --- the connection

    def connect(self) -> None:
        """Connect to the scheduler; to that of a local cluster in a thread of its own.

        Raises:
            SettingError: If no scheduler answers, or no worker fits.
        """
        if self._local:
            threading.Thread(target=self._connect, name="cluster-start", daemon=True).start()
        else:
            self._connect()
            self._connected.result()[1].await_first()

    def _connect(self) -> None:
        try:
            client = self._client()
            client.subscribe_topic(self._token, self._progressed)
            workers = Workers(
                client, self._settle, lambda text: self._say(text),
                patience=_NO_WORKER if self._local else None,
                n_local=self._here.workers if self._local else 0,
            )  # fmt: skip
            self._connected.set_result((client, workers))
        except BaseException as error:  # raised again by whoever asks for the result
            self._connected.set_exception(error)

    def _client(self) -> Client:
        """Open a client; a local cluster whose worker dies while it starts is started again."""
        for attempt in range(1, 1 + (_STARTS if self._local else 1)):
            try:
                return self._ends.enter_context(addresses.connected(self._address, wait=False))
            except (RuntimeError, OSError) as error:
                if attempt == _STARTS or not self._local or self.stopped:
                    raise SettingError(
                        f"Cluster {self._address!r} does not start ({error}). Try it without "
                        "--cluster, or with fewer workers."
                    ) from error
                self._say(f"the workers do not start ({error}); trying again")
        raise AssertionError("the loop returns or raises")

    def _settle(self, client: Client, worker: Worker) -> None:
        """Make a worker ready for runs."""
        beside = listed(client).values()
        told = client.run(
            remote.settle,
            environment.commit() or "",
            sum(each["nthreads"] for each in beside if each.get("host") == worker.host),
            self._kernel == "warm",
            self._local,
            workers=[worker.address],
        )[worker.address]
        worker.scratch = told["scratch"]
        runs = "1 run" if worker.slots == 1 else f"{worker.slots} runs"
        self._say(f"{worker.label} is ready for {runs} at a time, with {told['threads']} threads")

    def _progressed(self, event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        if told := self._told.get(message["key"]):
            told(message)

    # --- stages

    @property
    def stopped(self) -> bool:
        return self._stopped_at is not None

    def execute(self, stage: Stage, parameters: dict[str, Any], asked: Execution) -> State | None:
        if stage.kind == "dataset":
            with self._rooms_here:
                return None if self.stopped else self._here.execute(stage, parameters, asked)
        return attempts.execute(self, stage, parameters, asked)

    def stop(self) -> None:
        self._stopped_at = time.monotonic()
        self._here.stop()
        if not self._connected.done() or self._connected.exception():
            return
        client, workers = self._connected.result()
        workers.close()

        def tell() -> None:
            with suppress(Exception):  # workers that cannot hear it any more
                client.run(remote.stop, self._token, on_error="ignore")

        threading.Thread(target=tell, name="cluster-stop", daemon=True).start()

    def close(self) -> None:
        """Leave the cluster; a local one ends."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        with suppress(BaseException):  # what went wrong was said by those that needed it
            self._connected.result()[1].close()
        with suppress(Exception):
            self._ends.close()
        if self._local:
            connection_files.remove_left_behind()  # of workers that were killed

    # --- for `attempts`

    def request(self, stage: Stage, asked: Execution, **of_this_attempt: Any) -> remote.Request:
        """Describe an attempt at a run for a worker."""
        home = paths.project_root()
        return remote.Request(
            sweep=self._token,
            key=f"{stage.name}-{uuid.uuid4().hex}",
            notebook=stage.notebook.path.name,
            content=stage.notebook.path.read_bytes(),
            home=str(home),
            folder=stage.folder.relative_to(home).as_posix(),
            kernel=asked.kernel,
            timeout_s=stage.minutes * 60,
            fingerprint=asked.fingerprint,
            explore=stage.explore,
            **of_this_attempt,
        )

    def parcels_of(self, stage: Stage) -> dict[str, Parcel]:
        """Describe the dataset and the files that a run reads, by parameter; each is read once."""
        found = {}
        with self._describing:
            if stage.dataset is not None:
                folder = Path(stage.parameters["dataset"])
                if (digest := dataset_digest(folder)) is not None:
                    found["dataset"] = self._parcel(folder, digest, parcels.of_dataset)
            for name, path in stage.inputs.items():
                found[name] = self._parcel(path, None, parcels.of_input)
        return found

    def _parcel(self, path: Path, digest: str | None, read: Callable[[Path], Parcel]) -> Parcel:
        if (path, digest) not in self._parcels:
            self._parcels[path, digest] = read(path)
        return self._parcels[path, digest]

    def take(self, wanted: dict[str, Parcel]) -> Worker | None:
        """Wait for a slot; None once the sweep was stopped.

        Raises:
            ClusterLost: If the scheduler has gone.
            SettingError: If a local cluster could not be started.
        """
        while not self.stopped:
            with suppress(TimeoutError):
                _, workers = self._connected.result(timeout=EVERY)
                return workers.take(parcel.digest for parcel in wanted.values())
        return None

    def give_back(self, worker: Worker) -> None:
        self._connected.result()[1].give_back(worker)

    def ask(
        self,
        worker: Worker,
        request: remote.Request,
        needed: dict[str, Parcel],
        told: Callable[[dict[str, Any]], None],
    ) -> remote.Answer:
        """Have a worker execute a run, and wait for what it left.

        Args:
            worker: With a slot that was taken.
            request: What to execute.
            needed: What the run reads, by parameter.
            told: Called with what the run says meanwhile: `cell` and `cells`, or `steps`.

        Raises:
            WorkerLost: If the worker or its connection died, or it does not answer in time.
        """
        client, _ = self._connected.result()
        for parcel in needed.values():
            self._deliver(client, worker, parcel)
        ends = [math.inf]  # another sweep may keep the worker busy until this run begins

        def began(message: dict[str, Any]) -> None:
            ends[0] = min(ends[0], time.monotonic() + request.timeout_s + _OVERDUE)
            told(message)

        self._told[request.key] = began
        try:
            future = client.submit(
                remote.execute, request, key=request.key, pure=False, retries=0,
                workers=[worker.address], allow_other_workers=False,
            )  # fmt: skip
            try:
                return self._waited(worker, future.result, lambda: ends[0])
            except WorkerLost:
                future.cancel()
                raise
        finally:
            del self._told[request.key]

    def stop_run(self, worker: Worker, request: remote.Request) -> None:
        """Have a worker stop a run; its answer comes as for any other."""
        client, _ = self._connected.result()
        with suppress(Exception):  # a worker that died meanwhile
            client.run(remote.stop_run, request.key, workers=[worker.address])

    def _deliver(self, client: Client, worker: Worker, parcel: Parcel) -> None:
        """See that a worker has a parcel; one run sends it while others wait."""

        def run(function: Callable[..., Any], *more: Any) -> Any:
            named = (parcel.digest, parcel.path.name, worker.scratch, *more)
            told = partial(client.run, function, *named, workers=[worker.address])
            end = time.monotonic() + _SENDING
            return self._waited(worker, told, lambda: end)[worker.address]

        with worker.sending.setdefault(parcel.digest, threading.Lock()):
            if parcel.digest in worker.parcels:
                return
            if not run(parcels.is_there):
                if self._datasets_at is not None:
                    with self._uploading:
                        parcels.upload(parcel, self._datasets_at)
                    run(parcels.download, parcel.contents, self._datasets_at)
                else:
                    for file, offset, piece in parcel.pieces():
                        run(parcels.receive, file, offset, piece)
                    run(parcels.accept, parcel.contents)
            worker.parcels.add(parcel.digest)

    def _waited(self, worker: Worker, call: Callable[[], Any], end: Callable[[], float]) -> Any:
        """Return what a call returns that waits for a worker; a dead worker never answers it.

        Args:
            worker: Who is waited for.
            call: Called in a thread of its own.
            end: Returns the moment of `time.monotonic` from which nothing is waited for.

        Raises:
            WorkerLost: If the worker or its connection died, it does not answer in time, or the
                sweep was stopped a while ago.
        """
        from distributed.scheduler import KilledWorker

        _, workers = self._connected.result()
        answer: Future[Any] = Future()

        def wait() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:
                answer.set_exception(error)
            workers.wake()

        def over() -> bool:
            late = self._stopped_at is not None and time.monotonic() > self._stopped_at + _STOPPING
            return answer.done() or late or time.monotonic() > end()

        threading.Thread(target=wait, name="cluster-answer", daemon=True).start()
        workers.wait(worker, over)
        if not answer.done():
            raise WorkerLost(f"{worker.label} {'died' if worker.gone else 'does not answer'}")
        try:
            return answer.result()
        except (CancelledError, asyncio.CancelledError, KilledWorker, OSError) as error:
            raise WorkerLost(f"{worker.label} was lost ({error})") from None
