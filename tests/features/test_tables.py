import numpy as np
import pandas as pd
import pytest

from candgen.errors import DataError, SettingError
from candgen.features import Encoder, Feature, declared, suggested

FILMS = pd.DataFrame(
    {
        "item": [0, 1, 2, 3],
        "item_id": ["a", "b", "c", "d"],
        "title": ["red dog", "red cat", "old dog", "old hen"],
        "genres": [["Comedy", "Drama"], ["Drama"], [], ["Action"]],
        "year": [2000.0, 2002.0, 2004.0, np.nan],
        "provider": ["x", "y", "x", None],
    }
)


def encoded(kind, column, rows=FILMS, on=FILMS, **options):
    encoder = Encoder([Feature(column, kind, **options)]).fit(rows)
    return encoder, encoder.encode(on).toarray()


def test_numbers_are_standardized_by_what_training_knows():
    _, found = encoded("numeric", "year", rows=FILMS[:3], on=FILMS[:3])
    deviation = np.sqrt((4 + 0 + 4) / 3)
    np.testing.assert_allclose(found[:, 0], [-2 / deviation, 0, 2 / deviation], rtol=1e-6)


def test_rows_outside_training_never_move_the_scale():
    later = pd.DataFrame({"year": [9000.0]})
    encoder = Encoder([Feature("year", "numeric")]).fit(FILMS[:3])
    before = encoder.encode(FILMS[:3]).toarray()
    encoder.encode(later)
    np.testing.assert_array_equal(encoder.encode(FILMS[:3]).toarray(), before)
    assert encoder.encode(later)[0, 0] > 1000


def test_a_missing_number_stands_at_the_mean_and_is_marked_if_training_had_some():
    _, unmarked = encoded("numeric", "year", rows=FILMS[:3])
    assert unmarked.shape == (4, 1) and unmarked[3, 0] == 0
    encoder, marked = encoded("numeric", "year")
    assert encoder.names_ == ["year", "year: missing"]
    assert marked[3].tolist() == [0, 1] and marked[:3, 1].tolist() == [0, 0, 0]


def test_a_constant_number_says_nothing():
    same = pd.DataFrame({"year": [2000, 2000]})
    _, found = encoded("numeric", "year", rows=same, on=pd.DataFrame({"year": [2000, 1990]}))
    assert not found.any()


def test_bins_share_a_number_out_between_the_two_nearest():
    _, found = encoded("numeric", "year", rows=FILMS[:3], bins=3)  # knots 2000, 2002, 2004
    encoder = Encoder([Feature("year", "numeric", bins=3)]).fit(FILMS[:3])
    asked = encoder.encode(pd.DataFrame({"year": [2000.5, 1950, 2100]})).toarray()
    np.testing.assert_allclose(asked, [[0.75, 0.25, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(found[3], 0)


def test_a_category_has_a_column_a_value_and_missing_has_none():
    encoder, found = encoded("categorical", "provider")
    assert encoder.names_ == ["provider: x", "provider: y"]
    assert found.tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]


def test_a_list_sets_a_column_for_each_of_its_values():
    encoder, found = encoded("multi", "genres")
    assert encoder.names_ == ["genres: Action", "genres: Comedy", "genres: Drama"]
    assert found.tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("kind", "column", "value"),
    [("categorical", "provider", "z"), ("multi", "genres", ["War", "War"]), ("text", "title", "?")],
)
def test_what_training_did_not_show_sets_nothing(kind, column, value):
    _, found = encoded(kind, column, on=pd.DataFrame({column: [value, None]}))
    assert found.shape[0] == 2 and not found.any()


def test_words_that_occur_in_fewer_titles_weigh_more():
    encoder, found = encoded("text", "title")
    place = {name.removeprefix("title: "): i for i, name in enumerate(encoder.names_)}
    assert set(place) == {"red", "dog", "old", "cat", "hen"}
    assert found[1, place["cat"]] > found[1, place["red"]] > 0
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_only_the_most_frequent_values_are_kept():
    assert encoded("multi", "genres", most=1)[0].names_ == ["genres: Drama"]
    assert encoded("multi", "genres", at_least=2)[0].names_ == ["genres: Drama"]


def test_blocks_say_which_columns_belong_to_which_feature():
    encoder = Encoder(declared({"genres": "multi", "year": "numeric"}, FILMS, "items")).fit(FILMS)
    assert encoder.blocks_ == {"genres": slice(0, 3), "year": slice(3, 5)}
    assert encoder.encode(FILMS).shape == (4, 5)


def test_a_weight_multiplies_the_columns_of_its_feature():
    plain, heavy = (encoded("multi", "genres", weight=w)[1] for w in (1.0, 3.0))
    np.testing.assert_allclose(heavy, 3 * plain)


def test_columns_are_declared_by_what_they_hold_and_ids_and_titles_are_left_out():
    found = {feature.column: feature.kind for feature in suggested(FILMS)}
    assert found == {"genres": "multi", "year": "numeric", "provider": "categorical"}


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"genre": "multi"}, "no column 'genre'. Did you mean 'genres'"),
        ({"genres": "multy"}, "kind is 'multy'. Did you mean 'multi'"),
        ({"genres": {"kind": "multi", "wieght": 2}}, "no option 'wieght'. Did you mean 'weight'"),
        ({"genres": {"weight": 2}}, "needs a kind"),
        ({"year": {"kind": "numeric", "bins": 1}}, "bins must be 2"),
        ({"genres": {"kind": "multi", "bins": 4}}, "only a numeric"),
        ({"genres": {"kind": "multi", "weight": 0}}, "weight must be above 0"),
        ({"genres": {"kind": "multi", "most": 0}}, "most must be"),
    ],
)
def test_a_wrong_declaration_is_named(features, message):
    with pytest.raises(SettingError, match=message):
        declared(features, FILMS, "items")


@pytest.mark.parametrize(
    ("kind", "column", "message"),
    [
        ("numeric", "provider", "'provider' is declared numeric"),
        ("multi", "year", "row 0: declared multi, expected a list"),
    ],
)
def test_a_column_of_another_kind_is_named(kind, column, message):
    with pytest.raises(DataError, match=message):
        encoded(kind, column)


@pytest.mark.parametrize(
    "held", ["Audio|Audio premium", "Audio | Audio premium|", ["Audio", "Audio premium"]]
)
def test_multi_reads_text_with_bars_like_a_list(held):
    table = pd.DataFrame({"Categories": [held, None, "Video"]})
    encoder = Encoder([Feature("Categories", "multi")]).fit(table)
    assert encoder.names_ == ["Categories: Audio", "Categories: Audio premium", "Categories: Video"]
    assert encoder.encode(table).toarray().tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_a_whole_number_is_the_same_category_where_others_are_missing():
    table = pd.DataFrame({"zip": [94110.0, np.nan, 2139.0]})
    encoder = Encoder([Feature("zip", "categorical")]).fit(table)
    assert encoder.names_ == ["zip: 2139", "zip: 94110"]
    assert encoder.encode(pd.DataFrame({"zip": [94110]})).toarray().tolist() == [[0, 1]]


def test_infinity_is_refused_by_row():
    with pytest.raises(DataError, match="row 1: expected a finite number"):
        encoded("numeric", "year", rows=pd.DataFrame({"year": [1.0, np.inf]}))


def test_a_table_without_the_column_is_named():
    encoder = Encoder([Feature("genres", "multi")]).fit(FILMS)
    with pytest.raises(DataError, match="need the column 'genres'"):
        encoder.encode(FILMS.drop(columns="genres"))


# --- what towers need: room for what training did not show


def complete(kind, column, rows=FILMS, **options):
    return Encoder([Feature(column, kind, **options)], complete=True).fit(rows)


def names_of(encoder, value):
    (column,) = encoder.blocks_
    row = encoder.encode(pd.DataFrame({column: [value]})).toarray()[0]
    return {name.removeprefix(f"{column}: ") for name in np.array(encoder.names_)[row != 0]}


@pytest.mark.parametrize(
    ("kind", "column", "unseen"),
    [("categorical", "provider", "z"), ("multi", "genres", ["War"]), ("text", "title", "zebra")],
)
def test_a_complete_encoder_has_an_answer_to_the_unseen_and_to_the_missing(kind, column, unseen):
    encoder = complete(kind, column)
    assert names_of(encoder, unseen) == {"(other 1)"}
    assert names_of(encoder, None) == {"(missing)"}
    spare = [encoder.names_[place] for place in encoder.spare_[column]]
    assert spare == [f"{column}: (other 1)", f"{column}: (missing)"]


def test_a_complete_encoder_marks_missing_numbers_even_if_training_had_none():
    encoder = complete("numeric", "year", rows=FILMS[:3])
    assert names_of(encoder, np.nan) == {"missing"}
    assert names_of(encoder, 2000.0) == {"year"}
    assert encoder.spare_["year"].tolist() == [1]


def test_a_known_value_is_read_alike_with_and_without_room_for_others():
    for kind, column in (("categorical", "provider"), ("multi", "genres"), ("text", "title")):
        plain = encoded(kind, column)[1]
        roomy = complete(kind, column).encode(FILMS).toarray()[:, : plain.shape[1]]
        np.testing.assert_array_equal(roomy, plain)


def test_values_that_are_not_kept_share_columns_by_their_spelling_alone():
    encoder = complete("categorical", "provider", hashed=3)
    found = {value: names_of(encoder, value) for value in "abcdefghijkl"}
    assert {name for names in found.values() for name in names} == {
        "(other 1)", "(other 2)", "(other 3)"
    }  # fmt: skip
    again = complete("categorical", "provider", rows=FILMS[1:], hashed=3)
    assert all(names_of(again, value) == names for value, names in found.items())


def test_rare_values_train_the_columns_that_unseen_values_get():
    encoder = complete("multi", "genres", at_least=2)  # only Drama occurs twice
    assert names_of(encoder, ["Action", "Drama"]) == {"Drama", "(other 1)"}


def test_logarithms_are_taken_before_numbers_are_standardized():
    counts = pd.DataFrame({"count": [0.0, np.e - 1, np.e**2 - 1]})
    _, found = encoded("numeric", "count", rows=counts, on=counts, log=True)
    np.testing.assert_allclose(found[:, 0], np.array([-1, 0, 1]) / np.sqrt(2 / 3), atol=1e-6)


def test_the_logarithm_of_a_negative_number_is_refused_by_row():
    with pytest.raises(DataError, match="row 1: log needs numbers of 0 or more, got -3"):
        encoded("numeric", "year", rows=pd.DataFrame({"year": [1.0, -3.0]}), log=True)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({"genres": {"kind": "multi", "log": True}}, "only a numeric feature"),
        ({"year": {"kind": "numeric", "hashed": 4}}, "hashed is for values"),
        ({"genres": {"kind": "multi", "hashed": -1}}, "hashed must be"),
    ],
)
def test_room_and_logarithms_where_they_mean_nothing_are_named(feature, message):
    with pytest.raises(SettingError, match=message):
        declared(feature, FILMS, "items")
