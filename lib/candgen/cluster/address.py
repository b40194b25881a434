"""Addresses of Dask clusters, and clients that are connected to them.

| address | cluster |
|---|---|
| `local:2` | two worker processes on this machine, which end with the client |
| `tcp://host:8786`, `tls://host:8786` | the scheduler that somebody started there |
| `scheduler.json` | the scheduler that wrote this file (`dask scheduler --scheduler-file`) |

Dask distributed is an optional dependency (`pip install 'candgen[cluster]'`) and is imported when
a client is opened. A local cluster spawns its workers, so a script that opens one needs the line
`if __name__ == "__main__":` around its work; notebooks do not.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from candgen import owners
from candgen.errors import SettingError

if TYPE_CHECKING:
    from distributed import Client

FORMS = "local:2, tcp://host:8786, tls://host:8786 or the path of a scheduler.json"
_SCRATCH = "candgen-dask-"
_GIVE_UP = "distributed.deploy.lost-worker-timeout"
_TIME_TO_RESTART = "2 minutes"  # Dask's 15 s are too few on a busy machine
_SECONDS_TO_ANSWER, _SECONDS_FOR_A_WORKER = 15, 60


def check(address: str) -> str:
    """Return a cluster's address, checked as far as that goes without a connection.

    Raises:
        SettingError: If it has none of the four forms, the file does not exist or names no
            scheduler, or distributed is not installed.
    """
    if not isinstance(address, str) or not address.strip():
        raise SettingError(f"A cluster is named by {FORMS}, got {address!r}.")
    if is_local(address):
        n_local_workers(address)
    elif re.match(r"(tcp|tls)://", address):
        if not re.fullmatch(r"(tcp|tls)://[^/\s]+:[0-9]+", address):
            raise SettingError(
                f"Cluster {address!r} names no scheduler: expected a host and a port, such as "
                "tcp://host:8786."
            )
    elif "://" in address or not address.endswith(".json"):
        raise SettingError(f"A cluster is named by {FORMS}, got {address!r}.")
    else:
        _check_file(address)
    if importlib.util.find_spec("distributed") is None:
        raise SettingError(
            f"Cluster {address!r} needs the package distributed, which is not installed: "
            "pip install 'candgen[cluster]'."
        )
    return address


def is_local(address: str) -> bool:
    """Tell whether an address asks for workers on this machine, `local:N`."""
    return address.partition(":")[0] == "local"


def n_local_workers(address: str) -> int:
    """Return the number of workers that `local:N` asks for.

    Raises:
        SettingError: If N is no whole number above 0.
    """
    asked = address.partition(":")[2]
    if not re.fullmatch("[0-9]{1,4}", asked) or int(asked) < 1:
        raise SettingError(
            f"Cluster {address!r} must say how many worker processes to start here, 1 or more, "
            "such as local:2."
        )
    return int(asked)


@contextmanager
def connected(
    address: str,
    *,
    threads: int = 1,
    environment: Mapping[str, str] | None = None,
    wait: bool = True,
) -> Iterator[Client]:
    """Give a client of the cluster at an address.

    A local cluster ends with the block; any other stays as it is. Local workers have no limit of
    memory but the machine's: Dask would move large tables to disk and kill whoever holds more than
    a share of the memory.

    Args:
        address: See the table of this module.
        threads: Threads of each local worker; those of other clusters have what they were started
            with.
        environment: Environment variables of local workers, set before they import anything heavy.
        wait: Whether to wait until there is a worker, and to refuse a cluster that gets none. A
            batch system may start the first one hours later.

    Raises:
        SettingError: If the address is wrong, no scheduler answers, it has no worker, or it speaks
            TLS and Dask's configuration here names no certificates.
    """
    check(address)
    if _scheduler_at(address).startswith("tls://"):
        _check_certificates(address)
    import dask
    from distributed import Client, LocalCluster

    with ExitStack() as ends:
        if is_local(address):
            ends.enter_context(dask.config.set({_GIVE_UP: _TIME_TO_RESTART}))
            scratch = ends.enter_context(scratch_folder())
            target = ends.enter_context(
                LocalCluster(
                    n_workers=n_local_workers(address),
                    threads_per_worker=threads,
                    processes=True,
                    memory_limit=0,
                    scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                    local_directory=scratch,
                    silence_logs=logging.CRITICAL,
                    env=dict(environment or {}),
                )
            )
            known = {"address": target}
        elif address.endswith(".json"):
            known = {"scheduler_file": address}
        else:
            known = {"address": address}
        try:
            client = Client(**known, timeout=_SECONDS_TO_ANSWER, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise SettingError(
                f"Cluster {address!r}: no scheduler answered within {_SECONDS_TO_ANSWER} seconds "
                f"({error}). Is it running, and does this machine reach it?"
            ) from None
        ends.enter_context(client)
        try:
            if wait:
                client.wait_for_workers(1, timeout=_SECONDS_FOR_A_WORKER)
        except TimeoutError:
            raise SettingError(
                f"Cluster {address!r} has a scheduler and no worker. Start one on each machine: "
                "dask worker ADDRESS --nworkers 1 --nthreads N."
            ) from None
        yield client


@contextmanager
def scratch_folder() -> Iterator[str]:
    """Give a temporary folder, and remove those of local clusters whose processes were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*.*"):
        if owners.has_ended(folder.name.removeprefix(_SCRATCH).partition(".")[0]):
            shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{owners.token()}.") as scratch:
        yield scratch


def _scheduler_at(address: str) -> str:
    """Return the scheduler that an address names, which was checked."""
    if not address.endswith(".json"):
        return address
    return str(json.loads(Path(address).read_text(encoding="utf-8"))["address"])


def _check_certificates(address: str) -> None:
    from distributed import Security

    if Security().get_connection_args("client").get("ssl_context") is None:
        raise SettingError(
            f"Cluster {address!r} speaks TLS, and Dask knows no certificates here. Set the "
            "variables DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__TLS__CLIENT__CERT and "
            "..__TLS__CLIENT__KEY, or the same keys in Dask's configuration."
        )


def _check_file(path: str) -> None:
    if not os.path.isfile(path):
        raise SettingError(
            f"Cluster {path!r}: there is no such file. `dask scheduler --scheduler-file {path}` "
            "writes it; workers and candgen read it from a folder that all machines share."
        )
    try:
        with open(path, encoding="utf-8") as file:
            found = json.loads(file.read(1_000_000))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("address"), str):
        raise SettingError(
            f"Cluster {path!r}: the file names no scheduler; expected a JSON object with "
            "an address, as `dask scheduler --scheduler-file` writes it."
        )
