"""The reader's way to an index, against the library's: the same file, the same answer."""

import json
import subprocess
import sys

import numpy as np
import pytest

from candgen.retrieval import indexes
from candgen.retrieval.indexes import reader_index

SETTINGS = {
    "annoy": {"trees": 8, "search_k": 200, "rerank": 2},
    "annoy in bands": {"trees": 8, "search_k": 60, "rerank": 2, "bands": 3},
    "annoy in parts": {"trees": 8, "search_k": 60, "rerank": 2, "bands": 2, "parts": 3},
    "faiss-flat": {},
    "faiss-ivf": {"lists": 40, "probes": 1},
    "faiss-hnsw": {"ef": 12, "links": 4},
    "faiss-pq": {"lists": 40, "probes": 3, "rerank": 2},
}
rng = np.random.default_rng(4)
CENTRES = rng.normal(size=(30, 9))
ITEMS = CENTRES[rng.integers(30, size=3000)] + 0.4 * rng.normal(size=(3000, 9))
ITEMS *= rng.lognormal(sigma=0.5, size=(3000, 1))
QUERIES = (3 * CENTRES[rng.integers(30, size=25)] + rng.normal(size=(25, 9))).astype(np.float32)


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", SETTINGS)
def test_the_reader_finds_what_the_library_finds(tmp_path, kind, similarity):
    built = indexes.build(kind.split()[0], ITEMS, similarity, **SETTINGS[kind])
    built.save(tmp_path)
    sidecar = json.loads((tmp_path / "index.json").read_text())
    opened, lists = reader_index.open_index(tmp_path, sidecar), set()
    for effort in (1.0, 2.5):
        expected = built._nearest(QUERIES, 20, effort).items
        for query, near in zip(QUERIES, expected, strict=True):
            np.testing.assert_array_equal(opened.search(query, 20, effort), near[near >= 0])
        lists.add(expected.tobytes())
    assert len(lists) == 1 + (kind != "faiss-flat")  # more effort finds others


def test_the_reader_of_indexes_needs_no_more_than_their_library():
    code = (
        "import sys; sys.modules['candgen'] = None; import runpy;"
        "runpy.run_path(sys.argv[1]);"
        "print({'annoy', 'faiss', 'pandas', 'scipy', 'numba'} & set(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, reader_index.__file__], capture_output=True, text=True
    )
    assert said.stdout.strip() == "set()", said.stderr
