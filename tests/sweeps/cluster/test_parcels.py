"""Parcels are known by content, travel in pieces, and are accepted only as they left."""

import asyncio

import pytest

from candgen import files
from candgen.errors import DataError
from candgen.sweeps.cluster import parcels


@pytest.fixture
def dataset(tmp_path):
    """A folder as a stage leaves it: a dataset of one table, and the page beside it."""
    folder = tmp_path / "here" / "films"
    folder.mkdir(parents=True)
    (folder / "train.parquet").write_bytes(b"0123456789" * 3)
    (folder / "page.html").write_text("the page")
    described = {"digest": "d", "tables": {"train": {}}, "files": {}}
    files.write_json(folder / "dataset.json", described)
    return folder


def sent(parcel, scratch):
    """Send a parcel to a worker whose folder is `scratch`."""
    named = parcel.digest, parcel.path.name, scratch
    assert not parcels.is_there(*named)
    for piece in parcel.pieces():
        parcels.receive(*named, *piece)
    assert not parcels.is_there(*named), "what is on its way is not there yet"
    asyncio.run(parcels.accept(*named, parcel.contents))
    assert parcels.is_there(*named)
    return parcels.place_of(*named)


def test_of_a_dataset_travels_what_it_lists(dataset, tmp_path):
    place = sent(parcels.of_dataset(dataset), tmp_path / "worker")
    assert place.name == "films"
    assert {p.name for p in place.iterdir()} == {"dataset.json", "train.parquet"}
    assert (place / "train.parquet").read_bytes() == (dataset / "train.parquet").read_bytes()


@pytest.mark.parametrize("size", [0, 1, 4, 5, 8, 9])
def test_a_file_of_any_size_arrives_whole(size, tmp_path, monkeypatch):
    monkeypatch.setattr(parcels, "PIECE", 4)
    path = tmp_path / "ratings.csv"
    path.write_bytes(bytes(range(size)))
    place = sent(parcels.of_input(path), tmp_path / "worker")
    assert place.name == "ratings.csv" and place.read_bytes() == bytes(range(size))


def test_a_folder_travels_without_its_hidden_files(tmp_path):
    folder = tmp_path / "raw"
    (folder / "more").mkdir(parents=True)
    for name in ("a.csv", "more/b.csv", ".cache", "more/.hidden"):
        (folder / name).write_text(name)
    place = sent(parcels.of_input(folder), tmp_path / "worker")
    found = sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())
    assert found == ["a.csv", "more/b.csv"]
    (tmp_path / "empty").mkdir()
    assert sent(parcels.of_input(tmp_path / "empty"), tmp_path / "worker").is_dir()


def test_the_digest_follows_content_and_not_the_place(dataset, tmp_path):
    other = tmp_path / "elsewhere" / "films"
    other.parent.mkdir()
    dataset.rename(other)
    before = parcels.of_dataset(other).digest
    assert parcels.Parcel(dataset, parcels.of_dataset(other).contents).digest == before
    (other / "train.parquet").write_bytes(b"0123456789" * 3 + b"!")
    assert parcels.of_dataset(other).digest != before


def test_what_changed_on_its_way_is_refused_and_can_be_sent_again(dataset, tmp_path):
    parcel, scratch = parcels.of_dataset(dataset), tmp_path / "worker"
    named = parcel.digest, parcel.path.name, scratch
    (dataset / "train.parquet").write_bytes(b"rewritten meanwhile")
    for piece in parcel.pieces():
        parcels.receive(*named, *piece)
    with pytest.raises(DataError, match=r"train\.parquet of films arrived changed"):
        asyncio.run(parcels.accept(*named, parcel.contents))
    assert not parcels.is_there(*named)
    sent(parcels.of_dataset(dataset), scratch)


def test_a_storage_carries_parcels_and_is_asked_once(dataset, tmp_path):
    pytest.importorskip("fsspec")
    url, scratch = f"file://{tmp_path}/storage/", tmp_path / "worker"
    for parcel in (parcels.of_dataset(dataset), parcels.of_input(dataset / "page.html")):
        named = parcel.digest, parcel.path.name, scratch
        parcels.upload(parcel, url)
        asyncio.run(parcels.download(*named, parcel.contents, url))
        assert parcels.is_there(*named)
    assert parcels.place_of(*named).read_text() == "the page"
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "storage").rglob("*") if p.is_file()}
    parcels.upload(parcel, url)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_a_storage_that_cannot_be_used_is_named(dataset, tmp_path):
    pytest.importorskip("fsspec")
    parcel = parcels.of_dataset(dataset)
    with pytest.raises(DataError, match="datasets_at: nowhere://x cannot be written to"):
        parcels.upload(parcel, "nowhere://x")
    url = f"file://{tmp_path}/absent"
    with pytest.raises(DataError, match="cannot be read"):
        asyncio.run(parcels.download(parcel.digest, "films", tmp_path / "w", parcel.contents, url))
