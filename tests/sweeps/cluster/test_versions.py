"""A worker's versions are compared with the driver's, and what differs is named."""

from candgen.sweeps.cluster import versions

OURS = {
    "candgen": "0.1.0",
    "source": "a" * 64,
    "python": "3.12.1",
    "packages": {"candgen": "0.1.0", "numpy": "2.2", "keras": None},
}


def test_the_same_versions_differ_in_nothing():
    assert versions.differences(OURS, dict(OURS)) == []
    assert versions.differences(versions.here(), versions.here()) == []


def test_each_difference_is_named():
    theirs = {
        "candgen": "0.0.9",
        "source": "b" * 64,
        "python": "3.11.0",
        "packages": {"candgen": "0.0.9", "numpy": "2.1"},
    }
    assert versions.differences(OURS, theirs) == [
        "candgen 0.0.9 of source bbbbbbbb, here 0.1.0 of source aaaaaaaa",
        "Python 3.11.0, here 3.12.1",
        "numpy 2.1, here 2.2",
    ]
    edited = versions.differences(OURS, {**OURS, "source": "c" * 64})
    assert edited == ["candgen 0.1.0 of source cccccccc, here 0.1.0 of source aaaaaaaa"]
    lacking = {**OURS, "packages": {"candgen": "0.1.0"}}
    assert versions.differences(OURS, lacking) == ["numpy not installed, here 2.2"]
    installed = {**OURS, "packages": {**OURS["packages"], "keras": "3.0"}}
    assert versions.differences(OURS, installed) == ["keras 3.0, here not installed"]


def test_an_edited_source_of_the_same_version_differs(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "models" / "wals.py").write_text("rate = 1\n")

    def digest():
        versions.source_digest.cache_clear()
        return versions.source_digest()

    monkeypatch.setattr(versions.candgen, "__file__", str(tmp_path / "__init__.py"))
    before = digest()
    (tmp_path / "models" / "__pycache__").mkdir()
    (tmp_path / "models" / "__pycache__" / "wals.pyc").write_text("compiled")
    assert digest() == before
    (tmp_path / "models" / "wals.py").write_text("rate = 2\n")
    assert digest() != before
    versions.source_digest.cache_clear()
