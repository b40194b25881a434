"""One Dask cluster of two worker processes for all tests of this folder that need one."""

import pytest

from candgen.cluster import address

TRAIN = """\
dataset: str = "world"
dim: int = 8  # length of a vector
wanted_path: str = ""  # a file
wait_for: str = ""  # a file that lets the page end
seed: int = 0
run_folder: str = ""
"""
BODY = """\
import hashlib, json, os, pathlib, time
data = pathlib.Path(dataset)
pathlib.Path(run_folder, "pid.txt").write_text(f"{os.getpid()} {os.getcwd()[::-1]}")
if wait_for:
    pathlib.Path(wait_for + ".began").open("a").write(f"{os.getpid()}\\n")
    while not pathlib.Path(wait_for).exists():
        time.sleep(0.02)
print("read", data)
described = (data / "dataset.json").read_text()
metrics = {
    "format": 1, "generators": [], "dataset": {"folder": str(data)},
    "answer": hashlib.sha256(f"{dim} {seed} {described}".encode()).hexdigest(),
    "wanted": pathlib.Path(wanted_path).read_text() if wanted_path else None,
    "threads": os.environ.get("NUMBA_NUM_THREADS"),
}
pathlib.Path(run_folder, "metrics.json").write_text(json.dumps(metrics))
"""


@pytest.fixture(scope="session")
def client():
    """A client of a cluster of two workers, which have one slot each."""
    with address.connected("local:2") as client:
        yield client


@pytest.fixture
def page(write_notebook):
    """The tiny project's page for these tests: it tells what it read, and can be made to wait."""
    return write_notebook("15_train", TRAIN, BODY)
