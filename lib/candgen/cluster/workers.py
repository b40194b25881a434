"""Workers that share one large job in blocks: what a model or a ranking asks of a cluster.

    with candgen.open_cluster("local:2") as cluster:
        model = candgen.WALS(dim=128).fit(data, cluster=cluster)
        found = candgen.judge(model, cluster=cluster)

A job is a set of independent blocks. Their inputs are files in a folder that all workers read;
what every block needs whole is a *table*: the result of a task, sent from worker to worker. Nothing
is scattered, so what a dead worker held is computed again: its block by another worker, a table
from its files. Each worker has one block at a time, so a worker that dies is held against the block
it was at and no other.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from candgen import files
from candgen.cluster import address as addresses
from candgen.errors import ClusterError, SettingError

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK_AGAIN = 5.0  # seconds between two looks at the workers while no block ends
_SECONDS_WITHOUT_WORKERS = 60.0
_one_at_a_time = threading.Lock()  # on a worker: two compiled parallel loops at once would abort it


class Cluster:
    """A client of a Dask cluster, and a folder that this process and all workers share.

    Attributes:
        address: The address that it was opened by.
        client: The client of `distributed`.
        folder: The shared folder.
    """

    def __init__(self, client: Client, folder: Path, address: str = "") -> None:
        self.client, self.folder, self.address = client, folder, address
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Cluster {self.address}: {self.n_workers} workers, files in {self.folder}>"

    def close(self) -> None:
        """Leave the cluster; a local one ends, with its workers and its folder."""
        self._ends.close()

    @property
    def n_workers(self) -> int:
        """Number of workers at this moment."""
        return len(self.client.nthreads())

    @contextmanager
    def job(self, name: str) -> Iterator[Path]:
        """Give an empty shared folder for the files of one job; it is removed with its end.

        What a killed process left behind is removed by the next job.
        """
        files.remove_left_behind(self.folder)
        own = files.passing_name(self.folder / f"{name}-{secrets.token_hex(4)}")
        own.mkdir()
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def table(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Compute one value on some worker and keep it there while the returned future lives.

        Calls of `each` take it among their arguments: workers get it from each other, whole, and
        keep it. Lost with its worker, it is computed again from the same arguments.
        """
        return self.client.submit(_alone, function, *arguments, pure=False)

    def value(self, future: Future) -> Any:
        """Wait for a table and return it to this process.

        Raises:
            ClusterError: If its workers died again and again, or the scheduler is gone.
        """
        self._first_done([future])
        return self._result(future, "a table")

    def each(
        self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Any]]:
        """Call a function once for each block; give the place of the call and what it returned.

        They come in the order in which they end. A function may run twice, where its worker dies or
        is thought dead: it must depend on its arguments alone, and write files by renaming only.

        Args:
            function: A function of a module that workers can import.
            calls: Arguments of each call; futures of `table` stand for their values.

        Raises:
            ClusterError: If a block's worker died again and again, no worker is left for a minute,
                or the scheduler is gone.
        """
        waiting, running = list(enumerate(calls)), {}
        waiting.reverse()
        try:
            while waiting or running:
                taken = {worker for _, worker in running.values()}
                for worker in self.client.nthreads():
                    if waiting and worker not in taken:
                        place, arguments = waiting.pop()
                        future = self.client.submit(
                            _alone,
                            function,
                            *arguments,
                            pure=False,
                            workers=[worker],
                            allow_other_workers=True,  # if this one dies
                        )
                        running[future] = place, worker
                for future in self._first_done(running):
                    place, _ = running.pop(future)
                    yield place, self._result(future, f"block {place + 1}")
        finally:
            for future in running:
                future.cancel()

    def cpu_seconds(self) -> dict[str, float]:
        """Return the processor time that each living worker has spent since it started."""
        return self.client.run(time.process_time, on_error="ignore")  # one may die meanwhile

    def _first_done(self, futures: Iterable[Future]) -> list[Future]:
        """Wait until one of these has ended, well or not; without any, until there is a worker."""
        from distributed import wait

        futures, last_seen = list(futures), time.monotonic()
        while True:
            try:
                if futures:
                    with self.client.as_current():
                        wait(futures, timeout=_LOOK_AGAIN, return_when="FIRST_COMPLETED")
                else:
                    time.sleep(0.1)  # no worker yet to give a block to
            except TimeoutError:
                pass  # no block has ended yet: a look at the workers
            except (CancelledError, OSError) as error:
                raise ClusterError(self._gone(error)) from error
            done = [future for future in futures if future.done()]
            if done or (self.client.nthreads() and not futures):
                return done
            if self.client.nthreads():
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > _SECONDS_WITHOUT_WORKERS:
                raise ClusterError(
                    f"Cluster {self.address}: no worker has been there for "
                    f"{_SECONDS_WITHOUT_WORKERS:.0f} seconds. Start workers and try again."
                )

    def _result(self, future: Future, what: str) -> Any:
        from distributed import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            raise ClusterError(
                f"Cluster {self.address}: the workers that took {what} died one after another "
                f"({error}). Most often they ran out of memory: use fewer workers a machine, or "
                "see docs/scale.md for what a worker needs."
            ) from None
        except CancelledError as error:
            raise ClusterError(self._gone(error)) from error
        except OSError as error:
            raise ClusterError(
                f"Cluster {self.address}: {what} failed on a worker ({error}). Does that worker "
                f"share {self.folder}, and is there room on its disk?"
            ) from error

    def _gone(self, error: BaseException) -> str:
        return (
            f"Cluster {self.address}: the scheduler is gone ({error!r}). Start it, then try again."
        )


def open_cluster(
    address: str, *, folder: str | Path | None = None, threads: int | None = None
) -> Cluster:
    """Connect to a Dask cluster, for large jobs that take `cluster=`.

    Use it in a `with` block, or call `close()` at the end. It needs `candgen[cluster]`.

    Args:
        address: `local:N` starts N workers here; `tcp://host:8786` and the path of a
            scheduler.json name a cluster that runs.
        folder: A folder that this process and all workers can write to, for the blocks of events
            and vectors. A temporary one by default with local workers; otherwise it must be given.
        threads: Threads of each local worker; by default the cores are shared out. Other workers
            have as many as they were started with.

    Raises:
        SettingError: If the address is wrong, nobody answers there, the folder is missing, or a
            worker does not see it.
    """
    addresses.check(address)
    ends = ExitStack()
    try:
        local = addresses.is_local(address)
        if folder is None and not local:
            raise SettingError(
                f"Cluster {address!r} needs a folder that this machine and all workers share: "
                'open_cluster(address, folder="/shared/candgen").'
            )
        if folder is None:
            folder = ends.enter_context(addresses.scratch_folder())
        elif not Path(folder).is_dir():
            raise SettingError(f"The shared folder {folder} does not exist. Make it first.")
        known = {}
        if local:
            n_workers = addresses.n_local_workers(address)
            threads = threads or max(1, _usable_cores() // n_workers)
            known = {"threads": threads, "environment": {"NUMBA_NUM_THREADS": str(threads)}}
        client = ends.enter_context(addresses.connected(address, **known))
        cluster = Cluster(client, Path(folder).resolve(), address)
        _check_shared(cluster)
        cluster._ends = ends.pop_all()
        return cluster
    finally:
        ends.close()


def _usable_cores() -> int:
    import numba

    return numba.config.NUMBA_NUM_THREADS


def _check_shared(cluster: Cluster) -> None:
    """Refuse a folder that some worker does not share with this process."""
    with cluster.job("check") as folder:
        (folder / "told").write_text("here", encoding="utf-8")
        blind = [
            worker
            for worker, found in cluster.client.run(_read, str(folder / "told")).items()
            if found != "here"
        ]
    if blind:
        raise SettingError(
            f"Worker {blind[0]} of cluster {cluster.address!r} cannot read what this machine "
            f"writes to {cluster.folder} ({len(blind)} of {cluster.n_workers} workers cannot). "
            "Name a folder that all machines share: open_cluster(address, folder=...)."
        )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        return str(error)


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a call on a worker, no other beside it, on as many threads as the worker has."""
    import numba
    from distributed import get_worker

    with _one_at_a_time:
        n_threads = get_worker().state.nthreads
        numba.set_num_threads(max(1, min(n_threads, numba.config.NUMBA_NUM_THREADS)))
        return function(*arguments)
