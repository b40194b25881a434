import numpy as np
import pandas as pd
import pytest
from contract import VectorContract

from candgen.datasets.dataset import write_dataset
from candgen.errors import SettingError
from candgen.models import ItemContent, UserProfile
from candgen.retrieval import top_items

PURE = {"popularity_weight": 0.0}


class TestItemContent(VectorContract):
    def make(self, **settings):
        return ItemContent(**{**PURE, **settings})


class TestUserProfile(VectorContract):
    def make(self, **settings):
        return UserProfile(**{**PURE, **settings})


class TestUserProfileWithAnswers(VectorContract):
    def make(self, **settings):
        return UserProfile(**{**PURE, "answers": "likes", **settings})


@pytest.fixture
def four_films(tmp_path):
    """User 0 took the comedy of 2000; user 1 both dramas; the second comedy is new."""
    items = pd.DataFrame(
        {
            "item": range(5),
            "item_id": list("abcde"),
            "genres": [["Comedy"], ["Drama"], ["Drama", "War"], ["Comedy"], []],
        }
    )
    train = pd.DataFrame({"user": [0, 1, 1], "item": [0, 1, 2]})
    users = pd.DataFrame({"user": [0, 1, 2], "user_id": [7, 8, 9], "likes": [None, None, ["War"]]})
    test = pd.DataFrame({"user": [0], "item": [3]})
    tables = {"interactions": train, "train": train, "test": test, "users": users, "items": items}
    return write_dataset(tmp_path, tables, {"name": "films"})


def test_similar_items_share_more_of_their_features(four_films):
    near, cosine = ItemContent(**PURE).fit(four_films).similar([1, 0], 2)
    assert near[0].tolist()[0] == 2 and near[1].tolist()[0] == 3
    np.testing.assert_allclose(cosine[:, 0], [1 / np.sqrt(2), 1], rtol=1e-6)


def test_a_score_is_the_mean_similarity_to_the_history(four_films):
    scores = ItemContent(**PURE).fit(four_films).score([1], [1, 3])
    np.testing.assert_allclose(scores, [[(1 + 1 / np.sqrt(2)) / 2, 0]], atol=1e-6)


def test_an_item_nobody_took_is_offered_to_whom_it_resembles(four_films):
    for model in (ItemContent(**PURE), UserProfile(**PURE)):
        assert top_items(model.fit(four_films), [0], 1).items.tolist() == [[3]]


def test_an_item_without_any_feature_is_never_offered(four_films):
    for model in (ItemContent(**PURE), UserProfile(**PURE)):
        found = top_items(model.fit(four_films), [0, 1], 5).items
        assert 4 not in found


def test_vocabularies_come_from_items_of_training_alone(four_films, tmp_path):
    tables = {name: four_films.table(name).copy() for name in four_films.info["tables"]}
    tables["items"].at[3, "genres"] = ["Opera"]  # nobody has item 3 in training
    data = write_dataset(tmp_path / "opera", tables, {"name": "opera"})
    model = ItemContent(**PURE).fit(data)
    assert "genres: Opera" not in model.encoder_.names_
    assert not model.known_items_[3]


def test_a_heavier_feature_decides_which_items_are_alike(taste_world):
    by_genre, by_year = (
        ItemContent(
            **PURE,
            features={
                "genres": {"kind": "multi", "weight": genre},
                "year": {"kind": "categorical", "weight": 1.0},
            },
        )
        .fit(taste_world)
        .similar([0], 5)[0]
        for genre in (10.0, 0.1)
    )
    assert (by_genre % 6 == 0).all()
    assert (by_year // 6 % 2 == 0).all()


def test_popularity_decides_among_items_that_are_alike(taste_world):
    counts = np.bincount(taste_world.train["item"], minlength=taste_world.n_items)
    model = ItemContent(features={"genres": "multi"}, popularity_weight=0.01).fit(taste_world)
    offered = top_items(model, [0], 10).items[0]
    assert (offered % 6 == 0).all()
    assert (np.diff(counts[offered]) <= 0).all()


def test_a_profile_says_how_many_times_more_often_than_in_all_events(four_films):
    times = UserProfile(**PURE, trust=1.0).fit(four_films).profile(0)
    # Comedy has 1 of 3 events: (1 + 1 * 1/3) / ((1 + 1) * 1/3) = 2; Drama has 2: (2/3) / (4/3).
    assert times["genres: Comedy"] == pytest.approx(2.0)
    assert times["genres: Drama"] == pytest.approx(0.5)


def test_more_trust_keeps_short_histories_near_everybody(four_films):
    times = [
        UserProfile(**PURE, trust=t).fit(four_films).profile(0).iloc[0] for t in (0.5, 5.0, 500.0)
    ]
    assert times[0] > times[1] > times[2] > 1


def test_each_star_above_three_doubles_and_below_halves(four_films):
    model = UserProfile(**PURE).fit(four_films)
    vector = model.from_answers({"Comedy": 5, "Drama": 2})[0]
    names = dict(zip(model.encoder_.names_, np.exp(vector[:-1]), strict=True))
    assert names["genres: Comedy"] == pytest.approx(4)
    assert names["genres: Drama"] == pytest.approx(0.5)
    assert names["genres: War"] == pytest.approx(1)


def test_a_questionnaire_answers_a_user_without_history(four_films):
    model = UserProfile(**PURE, answers="likes").fit(four_films)
    assert model.known_users_.tolist() == [True, True, True]
    assert top_items(model, [2], 1).items.tolist() == [[2]]
    assert model.profile(2).index[0] == "genres: War"


def test_a_history_outweighs_what_was_once_claimed(taste_world):
    users = taste_world.users["likes"]
    model = UserProfile(**PURE, answers="likes", trust=0.001).fit(taste_world)
    assert users[0] == ["taste 0"]
    times = model.profile(0)
    assert times["genres: taste 0"] == pytest.approx(6, rel=0.05)  # one of six tastes, nothing else


@pytest.mark.parametrize(
    ("stars", "message"), [({"Comdy": 5}, "Did you mean 'Comedy'"), ({"War": 6}, "must be 1 to 5")]
)
def test_wrong_answers_are_named(four_films, stars, message):
    with pytest.raises(SettingError, match=message):
        UserProfile(**PURE).fit(four_films).from_answers(stars)


def test_items_without_a_description_are_refused(four_films, tmp_path):
    tables = {name: four_films.table(name) for name in four_films.info["tables"]}
    tables["items"] = tables["items"][["item", "item_id"]]
    bare = write_dataset(tmp_path / "bare", tables, {"name": "bare"})
    with pytest.raises(SettingError, match="needs a description of the items"):
        ItemContent(**PURE).fit(bare)


@pytest.mark.parametrize("settings", [{"trust": 0}, {"popularity": -1}, {"features": ["genres"]}])
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        UserProfile(**settings)
