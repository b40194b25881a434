import hashlib
import http.server
import threading
import zipfile
from functools import partial

import pytest

from candgen.datasets import movielens
from candgen.errors import DataError, SettingError

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,100\n1,20,0.5,101\n2,10,5.0,102\n"
MOVIES = (
    "movieId,title,genres\n"
    '10,"Café, The (1999)",Comedy|Drama\n'
    "20,No Year,(no genres listed)\n"
    "30,Unrated (2001),War\n"
)


@pytest.fixture
def films(tmp_path):
    """A folder in the manner of ml-latest-small."""
    folder = tmp_path / "ml-tiny"
    folder.mkdir()
    (folder / "ratings.csv").write_text(RATINGS, encoding="utf-8")
    (folder / "movies.csv").write_text(MOVIES, encoding="utf-8")
    return folder


def zipped(folder, target):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{folder.name}/{file.name}")
    return target


def complaint(folder, ratings=None, movies=None):
    """Read a folder after replacing a file; return the message."""
    if ratings is not None:
        (folder / "ratings.csv").write_text(ratings, encoding="utf-8")
    if movies is not None:
        (folder / "movies.csv").write_text(movies, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        movielens.read(path=str(folder))
    return str(caught.value)


def test_a_folder_of_csv_files_is_read(films):
    source = movielens.read(path=str(films))
    assert source.title == "MovieLens ml-tiny"
    assert source.interactions["user"].tolist() == [1, 1, 2]
    assert source.interactions["rating"].tolist() == [4.0, 0.5, 5.0]
    assert source.interactions["timestamp"].tolist() == [100, 101, 102]
    assert source.items["title"].tolist() == ["Café, The (1999)", "No Year", "Unrated (2001)"]
    assert source.items["genres"].tolist() == [["Comedy", "Drama"], [], ["War"]]
    assert source.items["year"].fillna(0).tolist() == [1999, 0, 2001]


def test_a_zip_reads_like_its_folder(films, tmp_path):
    packed = movielens.read(path=zipped(films, tmp_path / "ml-tiny.zip"))
    plain = movielens.read(path=str(films))
    assert packed.interactions.equals(plain.interactions)
    assert packed.items.equals(plain.items)
    assert packed.title == plain.title


def test_the_files_that_were_read_are_described(films):
    (described, _) = movielens.read(path=str(films)).inputs
    assert described == {
        "path": "ratings.csv",
        "bytes": len(RATINGS),
        "sha256": hashlib.sha256(RATINGS.encode()).hexdigest(),
    }


def test_100k_is_read_with_its_people(tmp_path):
    (tmp_path / "u.data").write_text("196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    flags = "|".join("1" if i in (5, 8) else "0" for i in range(19))
    items = f"242|Kolya, Café (1996)|24-Jan-1997||http://x|{flags}\n302|L.A. (1997)||||{flags}\n"
    (tmp_path / "u.item").write_bytes(items.encode("latin-1"))
    (tmp_path / "u.user").write_text("196|49|M|writer|55105\n186|39|F|executive|00000\n")
    source = movielens.read(path=str(tmp_path))
    assert source.title == "MovieLens 100k"
    assert source.rating_scale == (1.0, 5.0)
    assert source.interactions["item"].tolist() == [242, 302]
    assert source.items["title"][0] == "Kolya, Café (1996)"
    assert source.items["genres"][0] == ["Comedy", "Drama"]
    assert source.users["age"].tolist() == [49, 39]
    assert source.users["zip"].tolist() == ["55105", "00000"]


def test_1m_is_separated_by_double_colons(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::7::5::978300760\n2::7::3::978302109\n")
    films = "7::Sabrina: Café (1995)::Comedy|Romance\n"
    (tmp_path / "movies.dat").write_bytes(films.encode("latin-1"))
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    source = movielens.read(path=str(tmp_path))
    assert source.title == "MovieLens 1m"
    assert source.interactions.astype(int).values.tolist() == [
        [1, 7, 5, 978300760],
        [2, 7, 3, 978302109],
    ]
    assert source.items["title"].tolist() == ["Sabrina: Café (1995)"]
    assert source.users["gender"].tolist() == ["F", "M"]


def test_10m_has_half_stars_and_no_people(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::7::0.5::978300760\n")
    (tmp_path / "movies.dat").write_text("7::Café (1995)::Comedy\n", encoding="utf-8")
    source = movielens.read(path=str(tmp_path))
    assert source.title == "MovieLens 10m"
    assert source.users is None
    assert source.interactions["rating"].tolist() == [0.5]


# --- bad input


def test_a_missing_column_is_named_with_what_there_is(films):
    message = complaint(films, RATINGS.replace("movieId", "movie_id"))
    assert "ratings.csv has no column 'movieId'; it has userId, movie_id, rating" in message
    assert "Did you mean 'movie_id'?" in message


def test_text_in_a_number_is_named_by_its_line(films):
    message = complaint(films, RATINGS + "2,20,good,103\n")
    assert "ratings.csv, line 5: rating is 'good', expected a number." in message


def test_text_in_an_id_is_named_by_its_line(films):
    message = complaint(films, RATINGS + "two,20,3.0,103\n")
    assert "ratings.csv, line 5: userId is 'two', expected a whole number." in message


@pytest.mark.parametrize("nothing", ["", "NaN", "nan"])
def test_a_rating_that_is_missing_is_named_by_its_line(films, nothing):
    message = complaint(films, RATINGS + f"2,20,{nothing},103\n")
    assert "ratings.csv, line 5: rating is missing." in message


@pytest.mark.parametrize("rating", ["5.5", "0", "-1", "inf"])
def test_a_rating_out_of_range_is_named_by_its_line(films, rating):
    message = complaint(films, RATINGS + f"2,20,{rating},103\n")
    assert "ratings.csv, line 5: rating is" in message
    assert rating in message


def test_a_negative_id_is_named_by_its_line(films):
    message = complaint(films, RATINGS + "-2,20,3.0,103\n")
    assert "ratings.csv, line 5: userId is -2, expected 0 or greater." in message


def test_a_film_that_occurs_twice_is_named_with_both_rows(films):
    message = complaint(films, movies=MOVIES + "10,Again (2002),War\n")
    assert "movies.csv: film 10 occurs twice, in rows 1 and 4" in message


def test_a_rated_film_that_is_unknown_is_named(films):
    message = complaint(films, RATINGS + "2,99,3.0,103\n")
    assert "row 4: film 99 is not in" in message


def test_an_empty_file_is_named(films):
    assert "ratings.csv is empty" in complaint(films, "")
    assert "ratings.csv is empty" in complaint(films, "userId,movieId,rating,timestamp\n")


def test_a_wrong_delimiter_is_recognized(films):
    message = complaint(films, RATINGS.replace(",", ";"))
    assert "has no column 'userId'" in message
    assert "It looks separated by ';'" in message


def test_a_line_with_too_few_cells_is_named(films):
    message = complaint(films, RATINGS + "2,20\n")
    assert "ratings.csv, line 5: expected 4 cells separated by ',', got 2" in message


def test_bad_encoding_is_named_by_its_line(films):
    (films / "movies.csv").write_bytes(MOVIES.encode("latin-1"))
    message = complaint(films)
    assert "movies.csv, line 2: not utf-8 (byte 0xe9)" in message


def test_utf_16_is_recognized(films):
    (films / "ratings.csv").write_bytes(RATINGS.encode("utf-16"))
    assert "ratings.csv is UTF-16" in complaint(films)


def test_a_byte_order_mark_does_no_harm(films):
    (films / "ratings.csv").write_bytes(b"\xef\xbb\xbf" + RATINGS.encode())
    assert len(movielens.read(path=str(films)).interactions) == 3


def test_a_folder_without_ratings_says_what_it_holds(films):
    (films / "ratings.csv").unlink()
    message = complaint(films)
    assert "has no ratings.csv" in message
    assert "It holds: movies.csv." in message


def test_a_wrong_line_between_double_colons_is_named(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::7::5::978300760\n1:9:7::5::978300760\n")
    (tmp_path / "movies.dat").write_text("7::Film::War\n")
    with pytest.raises(DataError, match=r"ratings.dat, line 2: expected 4 cells .*'::'.* got 3"):
        movielens.read(path=str(tmp_path))


def test_neither_path_nor_variant_lists_the_variants():
    with pytest.raises(SettingError, match=r"path .* or a variant to download: 100k, 1m"):
        movielens.read()


def test_a_variant_that_the_files_contradict_is_refused(films):
    with pytest.raises(SettingError, match=r"variant is '100k', but .* holds ratings\.csv"):
        movielens.read(path=str(films), variant="100k")
    assert movielens.read(path=str(films), variant="32m").title == "MovieLens 32m"


def test_a_misspelt_variant_gets_a_suggestion():
    with pytest.raises(SettingError, match="Did you mean 'latest-small'"):
        movielens.read(variant="latest_small")


# --- downloads, from a server of our own


@pytest.fixture
def server(films, tmp_path, monkeypatch):
    """Serve the tiny films where GroupLens would serve theirs; return the digest of the zip."""
    served = tmp_path / "served"
    served.mkdir()
    packed = zipped(films, served / "ml-25m.zip")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served))
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{httpd.server_port}/ml-{{}}.zip"
    monkeypatch.setattr(movielens, "_URL", url)
    monkeypatch.setenv("CANDGEN_CACHE", str(tmp_path / "cache"))
    yield hashlib.sha256(packed.read_bytes()).hexdigest()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_a_download_with_the_pinned_digest_is_read(server, monkeypatch):
    monkeypatch.setitem(movielens.DIGESTS, "25m", server)
    source = movielens.read(variant="25m")
    assert source.title == "MovieLens 25m"
    assert len(source.interactions) == 3


def test_a_download_with_another_digest_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(DataError, match="does not have the pinned SHA-256 8b21cfb7eb17"):
        movielens.read(variant="25m")
    assert not (tmp_path / "cache" / "ml-25m.zip").exists()


def test_no_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(movielens, "_URL", "http://127.0.0.1:9/ml-{}.zip")
    monkeypatch.setenv("CANDGEN_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"could not be fetched.* give its path"):
        movielens.read(variant="1m")


def test_a_variant_without_a_pinned_digest_is_never_downloaded():
    with pytest.raises(
        DataError, match=r"no digest can be pinned.* Download .*ml-latest.zip yourself"
    ):
        movielens.read(variant="latest")


# --- the real thing


@pytest.mark.data
def test_ml_latest_small_has_its_published_counts(real_data):
    source = movielens.read(path=str(real_data / "ml-latest-small"))
    assert len(source.interactions) == 100_836
    assert source.interactions["user"].nunique() == 610
    assert source.interactions["item"].nunique() == 9_724
    assert len(source.items) == 9_742
    assert source.interactions["rating"].min() == 0.5
    assert (source.items["genres"].str.len() == 0).sum() == 34
