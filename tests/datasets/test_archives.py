import io
import stat
import zipfile

import pytest

from candgen.datasets import archives, movielens
from candgen.datasets.archives import open_bundle
from candgen.errors import DataError


def packed(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "C:/evil.csv", "..\\evil.csv"]
)
def test_a_member_that_escapes_its_folder_is_refused_by_name(tmp_path, name):
    path = packed(tmp_path / "bad.zip", {"ratings.csv": "1", name: "2"})
    with pytest.raises(DataError, match=r"bad\.zip holds .*evil\.csv.* leads outside its folder"):
        open_bundle(path)


def test_a_symbolic_link_is_refused(tmp_path):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("ratings.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="leads outside its folder"):
        open_bundle(path)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_zip_says_that_the_download_was_cut_short(tmp_path, share):
    path = packed(tmp_path / "ml.zip", {"ratings.csv": "1,2\n" * 1000, "movies.csv": "x" * 500})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=r"ml\.zip is not a complete zip .*download it again"):
        open_bundle(path)


def test_damage_inside_a_member_is_found_while_reading(tmp_path):
    rows = "".join(f"{u},{u % 7},3.0,{u * 31}\n" for u in range(20_000))
    path = packed(
        tmp_path / "ml.zip",
        {
            "ml/ratings.csv": "userId,movieId,rating,timestamp\n" + rows,
            "ml/movies.csv": "movieId,title,genres\n1,A,War\n",
        },
    )
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is (damaged|not a complete zip).*ml/ratings\.csv"):
        movielens.read(path=str(path))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MIN_SUSPECT", 1 << 20)
    path = packed(tmp_path / "bomb.zip", {"ratings.csv": bytes(4 << 20)})
    with pytest.raises(DataError, match=r"'ratings\.csv', which unpacks to .* times its size"):
        open_bundle(path)


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    path = packed(tmp_path / "big.zip", {"a.csv": "x" * 600, "b.csv": "y" * 600})
    with pytest.raises(DataError, match="unpacks to 2 files"):
        open_bundle(path)


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    path = tmp_path / "ratings.txt"
    path.write_text("hello")
    with pytest.raises(DataError, match="neither a folder nor a zip"):
        open_bundle(path)


def test_nothing_at_the_path_is_said_so(tmp_path):
    with pytest.raises(DataError, match="no folder or zip at"):
        open_bundle(tmp_path / "absent")


def test_the_file_nearest_to_the_top_is_taken(tmp_path):
    members = {"a/b/ratings.csv": "deep", "a/ratings.csv": "near", "__MACOSX/ratings.csv": "junk"}
    found = open_bundle(packed(tmp_path / "x.zip", members)).find("ratings.csv")
    with found.open() as stream:
        assert io.TextIOWrapper(stream).read() == "near"
