"""Files that are not what their name or their settings say: the message names what they are."""

import gzip
import struct
import zipfile

import pytest

from candgen.datasets import movielens, signatures, tables
from candgen.errors import DataError

EVENTS = "user,item\n" + "".join(f"{user},{item}\n" for user in range(9) for item in range(5))


@pytest.fixture
def refused(tmp_path):
    """Write a file, read it as a table, and return what is said of it."""

    def of(content: bytes, name="events.csv", **settings) -> str:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as error:
            tables.read(path=str(tmp_path / name), **settings)
        return str(error.value).replace(str(tmp_path), "")

    return of


@pytest.fixture
def zipped(tmp_path):
    """Bytes of a zip of one table."""

    def of(method=zipfile.ZIP_DEFLATED, name="events.csv", text=EVENTS) -> bytes:
        with zipfile.ZipFile(tmp_path / "made.zip", "w", method) as archive:
            archive.writestr(name, text)
        return (tmp_path / "made.zip").read_bytes()

    return of


def by_method(packed: bytes, method: int) -> bytes:
    """Say in both headers of a zip that its member was packed by another method."""
    made = bytearray(packed)
    for mark, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        at = made.find(mark) + place
        made[at : at + 2] = struct.pack("<H", method)
    return bytes(made)


@pytest.mark.parametrize(
    ("method", "said"), [(9, "9 (deflate64)"), (99, "99 (unknown)"), (98, "98 (ppmd)")]
)
def test_a_method_of_packing_that_is_not_read_is_named(refused, zipped, method, said):
    message = refused(by_method(zipped(), method), "e.zip")
    assert f"e.zip holds 'events.csv', packed by method {said}; read are stored, deflate" in message


def test_one_member_packed_otherwise_is_named_before_films_are_read(tmp_path, zipped):
    (tmp_path / "ml.zip").write_bytes(by_method(zipped(name="ml/ratings.csv"), 9))
    with pytest.raises(DataError, match=r"holds 'ml/ratings.csv', packed by method 9"):
        movielens.read(path=str(tmp_path / "ml.zip"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_read(tmp_path, zipped, method):
    zipped(method)
    assert len(tables.read(path=str(tmp_path / "made.zip")).interactions) == 45


def test_headers_that_disagree_are_named(refused, zipped):
    packed = zipped()
    message = refused(packed.replace(b"events.csv", b"others.csv", 1), "e.zip")
    assert "was changed after it was packed: its contents and its members disagree" in message
    assert "is damaged: a member does not begin as one" in refused(
        b"\0\0\0\0" + packed[4:], "e.zip"
    )
    stored = zipped(zipfile.ZIP_STORED).replace(b"8,4\n", b"8,3\n", 1)
    assert "is damaged: a member is not what was packed" in refused(stored, "e.zip")


@pytest.mark.parametrize("lost", [1, 4, 40])
def test_a_beginning_that_is_gone_is_named(refused, zipped, lost):
    for name in ("e.zip", "e.csv"):
        said = f"{name} lacks {lost} bytes at its beginning"
        assert said in refused(zipped()[lost:], name)
    packed = gzip.compress(EVENTS.encode())[2 + lost :]
    assert "e.gz is no text, and does not begin like a .gz file" in refused(packed, "e.gz")


def test_a_zip_with_something_before_it_and_an_empty_one(tmp_path, refused, zipped):
    (tmp_path / "e.exe").write_bytes(b"unpacks itself" + zipped())
    assert len(tables.read(path=str(tmp_path / "e.exe")).interactions) == 45
    assert "must hold one file, it holds no file" in refused(b"PK\5\6" + bytes(18), "e.zip")


def test_a_workbook_is_named(refused, zipped):
    assert "is an Excel workbook. Save" in refused(zipped(name="xl/workbook.xml"), "e.xlsx")


def test_a_compressed_file_called_csv_is_read_or_named(tmp_path, refused):
    packed = gzip.compress(EVENTS.encode())
    (tmp_path / "g.csv").write_bytes(packed)
    assert len(tables.read(path=str(tmp_path / "g.csv")).interactions) == 45
    assert "is a file of the kind gzip. Set compression=auto" in refused(packed, compression="none")
    assert "is a file of the kind gzip" in refused(gzip.compress(packed))


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"BZh91AY&SY", "bzip2, which is not read here. Unpack it"),
        (b"\xfd7zXZ\x00", "xz, which"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip, which"),
        (b"Rar!\x1a\x07\x00", "RAR, which"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel (xls). Save it as CSV"),
        (b"SQLite format 3\x00", "SQLite. Save"),
        (b"%PDF-1.7", "PDF. Save"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_other_kinds_of_files_are_named(refused, start, said, encoding):
    assert f"is a file of the kind {said}" in refused(start + bytes(range(256)), encoding=encoding)


def test_null_characters_are_named(refused):
    assert "begins with null characters" in refused(bytes(9000))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037"])
def test_utf_8_that_is_declared_otherwise_is_named(refused, encoding):
    said = f"is UTF-8, not {encoding}. Set encoding=utf-8"
    assert said in refused(EVENTS.replace("8", "é").encode(), encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_named(refused, encoding, tmp_path):
    content = EVENTS.encode(encoding)
    assert f"is UTF-16. Save it as UTF-8, or set encoding={encoding}" in refused(content)
    said = f"has no mark at its beginning. Set encoding={encoding}"
    assert said in refused(content, encoding="utf-16")
    assert len(tables.read(path=str(tmp_path / "events.csv"), encoding=encoding).interactions) == 45


def test_text_is_text_whatever_it_begins_with():
    for text in (
        "PK,item\n1,2\n",
        "Rar!,b\n",
        "7z\n",
        "a\0b",
        "user,ite\0m\n1,2\n",
        "%PD",
        "",
        "a",
        "ab",
    ):
        assert signatures.no_text(text.encode()) == ""
    assert signatures.is_utf8("é".encode()[:1])
    assert not signatures.is_utf8(b"\xe9x")


def test_two_columns_for_the_title_are_named(tmp_path):
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "items.csv").write_text("item,TITLE,Title\n1,a,b\n")
    asked = {"path": str(tmp_path / "events.csv"), "items_path": str(tmp_path / "items.csv")}
    with pytest.raises(DataError, match=r"columns 'TITLE' and 'Title' could both be the title"):
        tables.read(**asked)
    found = tables.read(**asked, title_column="Title").items
    assert found["title"].tolist() == ["b"]
