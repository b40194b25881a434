"""Arrays on a disk that is full: an error that names the file, never a short file in its place."""

import errno

import numpy as np
import pytest

from candgen import files

resource = pytest.importorskip("resource")
ARRAY = np.arange(20_000, dtype=np.int64)
WRITERS = {
    "a.npy": lambda path: files.write_array(path, ARRAY),
    "a.npz": lambda path: files.write_arrays(path, {"one": ARRAY, "other": ARRAY[:5]}),
}


@pytest.fixture
def largest_file():
    """Set the size in bytes above which writing to a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda n_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("missing", [1, 100, 5000, 150_000])
def test_a_full_disk_leaves_the_arrays_of_before(tmp_path, largest_file, name, missing):
    path = tmp_path / name
    WRITERS[name](path)
    whole = path.read_bytes()
    largest_file(len(whole) - missing)
    with pytest.raises(OSError) as caught:
        WRITERS[name](path)
    assert caught.value.errno == errno.EFBIG and caught.value.filename == str(path)
    assert path.read_bytes() == whole and list(tmp_path.iterdir()) == [path]


def test_arrays_are_read_back_as_they_were(tmp_path):
    files.write_array(tmp_path / "a.npy", ARRAY.reshape(4, -1).T)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), ARRAY.reshape(4, -1).T)
    held = {"one": ARRAY, "text": np.array("dot"), "names": np.array(["a", "bc"])}
    files.write_arrays(tmp_path / "a.npz", held)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as back:
        assert back.files == list(held)
        assert all((back[name] == held[name]).all() for name in held)


@pytest.mark.parametrize("write", [files.write_array, lambda p, a: files.write_arrays(p, {"a": a})])
def test_objects_are_not_pickled(tmp_path, write):
    with pytest.raises(ValueError, match="allow_pickle"):
        write(tmp_path / "a", np.array([{}], dtype=object))
    assert list(tmp_path.iterdir()) == []
