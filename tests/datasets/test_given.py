import gzip

import pytest

from candgen.datasets import given
from candgen.errors import DataError, SettingError


@pytest.fixture
def read(tmp_path):
    """Write parts and read them."""

    def write_and_read(train="1 10 20\n2 10\n", test="1 30\n", **settings):
        texts = {"train": train, "test": test, **settings.pop("more", {})}
        for name, text in texts.items():
            (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
            settings[f"{name}_path"] = str(tmp_path / f"{name}.txt")
        return given.read(**settings)

    return write_and_read


def rows(frame):
    return frame.values.tolist()


def test_adjacency_lists_become_events(read):
    source = read()
    assert rows(source.parts["train"]) == [[1, 10], [1, 20], [2, 10]]
    assert rows(source.parts["test"]) == [[1, 30]]


def test_a_user_with_nothing_listed_has_no_events(read):
    assert rows(read(test="1 30\n2\n").parts["test"]) == [[1, 30]]


def test_pairs_and_triples_are_read(read):
    assert rows(read("1 10\n1 20\n", "2 10\n", layout="pairs").parts["train"]) == [[1, 10], [1, 20]]
    triples = read("1,10,4.5\n", "2,10,3\n", layout="triples", delimiter=",").parts["train"]
    assert rows(triples) == [[1, 10, 4.5]]


def test_validation_and_candidate_lists_are_optional_parts(read):
    source = read(more={"validation": "2 20\n", "candidates": "1 30 40 50\n"})
    assert rows(source.parts["validation"]) == [[2, 20]]
    assert rows(source.parts["candidate_lists"]) == [[1, 30], [1, 40], [1, 50]]


def test_validation_has_candidate_lists_of_its_own(read):
    source = read(
        more={
            "validation": "2 20\n",
            "candidates": "1 30 40\n",
            "validation_candidates": "2 20 50\n",
        }
    )
    assert rows(source.parts["validation_candidate_lists"]) == [[2, 20], [2, 50]]
    assert rows(source.parts["candidate_lists"]) == [[1, 30], [1, 40]]


@pytest.mark.parametrize("lacking", ["candidates", "validation"])
def test_lists_of_validation_need_its_events_and_the_lists_of_test(read, lacking):
    more = {"validation": "2 20\n", "candidates": "1 30\n", "validation_candidates": "2 20\n"}
    del more[lacking]
    with pytest.raises(SettingError, match=f"{lacking}_path is empty"):
        read(more=more)


def test_text_in_an_id_is_named_by_its_line(read):
    with pytest.raises(
        DataError, match=r"train\.txt, line 3: item is 'x', expected a whole number"
    ):
        read("1 10 20\n\n2 10 x\n")


def test_a_negative_id_is_named_by_its_line(read):
    with pytest.raises(DataError, match=r"test\.txt, line 2: item is -3, expected 0 or greater"):
        read(test="1 30\n2 -3\n")


def test_text_ids_are_read_when_asked_for(read):
    source = read("ann x y\n", "ann 7\n", id_type="text")
    assert rows(source.parts["test"]) == [["ann", "7"]]


def test_auto_follows_the_first_line_of_train(read):
    source = read("1 b7\n", "2 7\n")
    assert rows(source.parts["train"]) == [[1, "b7"]]
    assert rows(source.parts["test"]) == [[2, "7"]]


def test_a_user_with_two_lines_is_refused_by_both(read):
    with pytest.raises(DataError, match=r"train\.txt, line 3: user 1 had line 1 already"):
        read("1 10\n2 20\n1 30\n")


def test_a_line_with_too_many_cells_is_named(read):
    with pytest.raises(DataError, match=r"line 2: expected 2 cells \(layout=pairs\), got 3"):
        read("1 10\n1 20 30\n", layout="pairs")


def test_a_rating_that_is_no_number_is_named(read):
    with pytest.raises(DataError, match=r"train\.txt, line 2: rating is 'good'"):
        read("1 10 3\n1 20 good\n", "1 30 2\n", layout="triples")


@pytest.mark.parametrize("layout", ["adjacency", "pairs", "triples"])
def test_an_empty_part_is_named(read, layout):
    with pytest.raises(DataError, match=r"train\.txt: expected lines .* the file is empty"):
        read("\n", layout=layout)


def test_a_wrong_delimiter_shows_what_was_taken_for_a_user(read):
    with pytest.raises(DataError, match=r"found '1,10,20': check the delimiter"):
        read("1,10,20\n2,10\n")


def test_bad_encoding_is_named_by_its_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"1 10\n2 \xe9\n")
    with pytest.raises(DataError, match=r"a\.txt, line 2: not utf-8 \(byte 0xe9\)"):
        given.read(train_path=str(tmp_path / "a.txt"), test_path=str(tmp_path / "a.txt"))


def test_a_missing_part_is_named_by_its_setting(read):
    with pytest.raises(SettingError, match="train_path is empty"):
        given.read()
    with pytest.raises(DataError, match="candidates_path"):
        read(candidates_path="/nowhere/lists.txt")


def test_a_misspelt_layout_gets_a_suggestion(read):
    with pytest.raises(SettingError, match="Did you mean 'triples'"):
        read(layout="triple")


@pytest.fixture
def split(tmp_path):
    def write_and_read(train, test="0 6\n1 7\n", **settings):
        (tmp_path / "train.txt").write_text(train)
        (tmp_path / "test.txt").write_text(test)
        paths = {"train_path": str(tmp_path / "train.txt"), "test_path": str(tmp_path / "test.txt")}
        return given.read(**paths, **settings).parts

    return write_and_read


@pytest.mark.parametrize("header", ["user item", "userId movie", "u i", "User ITEM"])
def test_a_header_of_pairs_is_refused_by_its_line_or_skipped(split, header):
    train = f"{header}\n0 0\n0 1\n1 2\n"
    with pytest.raises(DataError, match=r"train\.txt, line 1: .* header.*skip_lines"):
        split(train, layout="pairs")
    found = split(train, "to,skip\n0 6\n", layout="pairs", skip_lines=1)
    assert found["train"].to_numpy().tolist() == [[0, 0], [0, 1], [1, 2]]
    assert found["test"].to_numpy().tolist() == [[0, 6]]


def test_a_header_of_text_ids_is_refused(split):
    with pytest.raises(DataError, match=r"line 1: 'user item' looks like a header"):
        split("user item\nann x\nbob y\n", "ann y\n", layout="pairs")
    with pytest.raises(DataError, match=r"line 1: 'user item rating' looks like a header"):
        split("user item rating\n1 2 3\n", "1 3 3\n", layout="triples")


def test_given_ids_are_text_in_all_parts_if_one_needs_it(split):
    found = split("7 1\n8 2\n", "007 1\n", layout="pairs")
    assert found["train"]["user"].tolist() == ["7", "8"]
    assert found["test"]["user"].tolist() == ["007"]


def test_a_blank_id_is_named_in_every_part(split):
    with pytest.raises(DataError, match=r"test\.txt, line 1: item is missing"):
        split("ann,x\nbob,y\n", "ann,\n", layout="pairs", delimiter=",")
    found = split("ann,x\nbob,y\n", "7,x\nb,y\n", layout="pairs", delimiter=",")
    assert found["test"]["user"].tolist() == ["7", "b"]


def test_given_files_may_have_delimiters_quotes_and_compression(split, tmp_path):
    found = split('"a b",x\nc,"y, z"\n', "c,x\n", layout="pairs", delimiter=",")
    assert found["train"].to_numpy().tolist() == [["a b", "x"], ["c", "y, z"]]
    with pytest.raises(DataError, match=r"train\.txt, line 2: a quote opens"):
        split('a,x\nc,"y\n', "c,x\n", layout="pairs", delimiter=",")
    (tmp_path / "t.gz").write_bytes(gzip.compress(b"0 1 2\n"))
    parts = given.read(train_path=str(tmp_path / "t.gz"), test_path=str(tmp_path / "t.gz")).parts
    assert parts["train"].to_numpy().tolist() == [[0, 1], [0, 2]]


@pytest.mark.data
def test_gowalla_has_its_published_counts(real_data):
    source = given.read(
        train_path=str(real_data / "gowalla/train.txt"),
        test_path=str(real_data / "gowalla/test.txt"),
    )
    train, test = source.parts["train"], source.parts["test"]
    assert (len(train), len(test)) == (810_128, 217_242)
    assert (train["user"].nunique(), train["item"].nunique()) == (29_858, 40_981)
