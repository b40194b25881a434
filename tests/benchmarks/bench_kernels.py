"""Starting a run: plain papermill against a kernel forked from the preloaded server."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import nbformat
import papermill

from candgen.sweeps.execution import execute
from candgen.sweeps.kernels import client

PLAIN, WARM, AT_ONCE = 3, 5, 2
CELLS = (
    "import tensorflow as tf",
    "tf.keras.utils.set_random_seed(1)\n"
    "layer = tf.keras.layers.Dense(8)\n"
    "layer(tf.random.normal((64, 16))).numpy().tolist()",
)


def run() -> list[dict]:
    """Measure seconds a run; the first warm one, while the server imports, is told apart."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / "page.ipynb"
        cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), page)

        plain = [_seconds(_plain, page, folder / f"plain-{i}.ipynb") for i in range(PLAIN)]
        first = _seconds(_warm, page, folder / "first")
        warm = [_seconds(_warm, page, folder / f"warm-{i}") for i in range(WARM)]
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda i: _warm(page, folder / f"pair-{i}"), range(2 * AT_ONCE)))
        paired = (time.perf_counter() - began) / (2 * AT_ONCE)
        client.shutdown()

        shown = [_answer(folder / f"plain-{i}.ipynb") for i in range(PLAIN)]
        shown += [_answer(path) for path in folder.glob("*/notebook.ipynb")]
    if len(set(shown)) != 1:
        raise AssertionError(f"{len(set(shown))} different results in {len(shown)} runs")
    same = f"results identical in {len(shown)} runs"
    return [
        _row("a run that imports TensorFlow", median(warm), median(plain), same),
        _row("the same, two at a time", paired, median(plain), "seconds a run of the pair"),
        _row("the first run of a sweep", first, median(plain), "imports beside the server"),
    ]


KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def _row(name: str, ours: float, other: float, note: str) -> dict:
    return {
        "benchmark": name,
        "ours": round(ours, 3),
        "other": round(other, 3),
        "ratio": round(other / ours, 2),
        "unit": "s",
        "note": f"other: plain papermill; {note}",
    }


def _plain(page: Path, output: Path) -> None:
    papermill.execute_notebook(str(page), str(output), progress_bar=False)


def _warm(page: Path, folder: Path) -> None:
    found = execute(page, {}, folder, kernel="warm")
    if found["state"] != "done":
        raise AssertionError(found["error"])


def _seconds(work, *arguments) -> float:
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def _answer(notebook: Path) -> str:
    outputs = nbformat.read(notebook, as_version=4).cells[-1].outputs
    [result] = [output for output in outputs if output.output_type == "execute_result"]
    return result["data"]["text/plain"]
