"""Run folders become bytes and files again; archives that lead outside are refused."""

import io
import zipfile

import pytest

from candgen import files
from candgen.errors import DataError
from candgen.sweeps.cluster import archives


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_files_come_back_to_the_byte_at_any_depth(tmp_path):
    source, goal = tmp_path / "source", tmp_path / "goal"
    (source / "figures").mkdir(parents=True)
    (source / "metrics.json").write_bytes(b"{}")
    (source / "figures" / "ü.png").write_bytes(bytes(range(256)) * 5000)
    (source / "left").write_text("not asked for")
    names = ["metrics.json", "figures/ü.png"]
    assert archives.unpack(archives.pack(source, names), goal) == sorted(names)
    assert archives.names_in(goal) == sorted(names)
    for name in names:
        assert (goal / name).read_bytes() == (source / name).read_bytes()


def test_links_and_passing_files_are_not_listed(tmp_path):
    (tmp_path / "own").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "own")
    files.passing_name(tmp_path / "half").write_text("x")
    files.passing_name(tmp_path / "new").with_suffix(".part").mkdir(exist_ok=True)
    assert archives.names_in(tmp_path) == ["own"]


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "packed.zip", "a/b:c"])
def test_a_name_that_is_no_file_of_a_run_is_refused(name, tmp_path):
    with pytest.raises(DataError):
        archives.unpack(zipped(**{"a": "x", name: "x"}), tmp_path / "inside" / "goal")
    assert not (tmp_path / "out").exists() and not (tmp_path / "inside" / "out").exists()


def test_a_damaged_archive_is_refused(tmp_path):
    packed = zipped(a="content" * 100)
    for number, damaged in enumerate((packed[:-30], packed.replace(b"contentcon", b"contentcoN"))):
        with pytest.raises(DataError):
            archives.unpack(damaged, tmp_path / str(number))
