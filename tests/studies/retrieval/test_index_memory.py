import numpy as np
import pytest

from candgen.retrieval import indexes
from candgen.studies.retrieval.index_memory import Observer

MIB = 2**20


def test_memory_is_what_a_search_touches_and_disk_what_lies_there(tmp_path):
    rng = np.random.default_rng(0)
    items = rng.normal(size=(80_000, 64)).astype(np.float32)  # 19.5 MiB
    indexes.build("exact", items, "dot").save(tmp_path / "exact")
    indexes.build("exact", items[:8_000], "dot").save(tmp_path / "small")
    with Observer() as observer:
        small, whole = (
            observer.look_at(tmp_path / name, items[:20], 10) for name in ("small", "exact")
        )
        again = observer.look_at(tmp_path / "exact", items[:20], 10)
    ids = 80_000 * 8 / MIB
    assert whole.disk_mib == pytest.approx(items.nbytes / MIB + ids, abs=0.1)
    assert whole.memory_mib >= items.nbytes / MIB - 1  # exact search touches every vector
    assert again.memory_mib == pytest.approx(whole.memory_mib, rel=0.3)  # and it was given back
    assert small.memory_mib < whole.memory_mib / 2
    assert 0 < whole.load_seconds < 5
    assert sorted(p.name for p in (tmp_path / "exact").iterdir()) == [
        "ids.npy", "index.json", "vectors.npy"
    ]  # fmt: skip


def test_an_index_that_cannot_be_opened_is_named(tmp_path):
    with Observer() as observer, pytest.raises(RuntimeError, match="could not be searched"):
        observer.look_at(tmp_path, np.ones((1, 2)), 1)
