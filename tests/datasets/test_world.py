"""The invented world: what is in it, and that each habit has the effect it claims."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from candgen.datasets.world import WorldSettings, make_world
from candgen.datasets.world.catalogue import FIRST_ITEM_ID, make_catalogue
from candgen.datasets.world.people import make_people
from candgen.errors import SettingError

SMALL = WorldSettings(n_users=300, n_items=400, events_per_user=25)


def changed(settings, **values):
    return WorldSettings(**settings.model_dump() | values)


@pytest.fixture(scope="module")
def world():
    return make_world(SMALL, 0)


def same(one, two) -> bool:
    pairs = [
        (one.interactions, two.interactions),
        (one.users, two.users),
        (one.items, two.items),
        *((one.extras[name], two.extras[name]) for name in one.extras),
    ]
    return all(left.equals(right) for left, right in pairs)


# --- what is in it


def test_tables_have_the_promised_columns_and_no_holes(world):
    assert list(world.interactions) == ["user", "item", "rating", "timestamp"]
    assert {"item_id", "title", "genres", "year", "provider", "places", "upload_time"} == set(
        world.items
    )
    assert {"user_id", "age", "gender", "place"} == set(world.users)
    impressions = ["user", "item", "timestamp", "position", "engaged", "watched"]
    assert list(world.extras["impressions"]) == impressions
    assert list(world.extras["searches"]) == ["user", "timestamp", "query"]
    for table in (world.interactions, world.users, world.items, *world.extras.values()):
        assert len(table) and not table.isna().any().any()


def test_the_interactions_are_the_films_watched_to_the_end(world):
    shown = world.extras["impressions"]
    finished = shown[shown["engaged"]]
    columns = ["user", "item", "timestamp"]
    pd.testing.assert_frame_equal(
        world.interactions[columns], finished[columns].reset_index(drop=True)
    )
    assert (shown.loc[shown["engaged"], "watched"] == 1).all()
    assert (shown.loc[~shown["engaged"], "watched"] < 1).all()
    assert (shown.loc[~shown["engaged"], "watched"] > 0).any()


def test_nobody_finishes_a_film_twice_or_sees_it_again_afterwards(world):
    shown = world.extras["impressions"].reset_index(names="order")
    assert not world.interactions.duplicated(["user", "item"]).any()
    finished = shown[shown["engaged"]].set_index(["user", "item"])["order"]
    last = shown.groupby(["user", "item"])["order"].max()
    assert (last.loc[finished.index] == finished).all()


def test_every_user_reaches_the_fewest_events_and_the_mean_is_as_asked(world):
    events = world.interactions["user"].value_counts()
    assert len(events) == SMALL.n_users
    assert events.min() >= SMALL.fewest_events == 8
    assert events.mean() == pytest.approx(SMALL.events_per_user, rel=0.03)


def test_only_uploaded_films_of_the_users_place_are_shown(world):
    shown = world.extras["impressions"].merge(world.items, left_on="item", right_on="item_id")
    shown = shown.merge(world.users, left_on="user", right_on="user_id")
    assert (shown["timestamp"] >= shown["upload_time"]).all()
    assert all(
        place in places for place, places in zip(shown["place"], shown["places"], strict=True)
    )
    assert world.items["places"].map(len).between(1, 5).all()
    assert world.items["places"].map(len).nunique() > 2


def test_everything_happens_within_the_period_and_in_order(world):
    shown = world.extras["impressions"]
    times = pd.concat([shown["timestamp"], world.extras["searches"]["timestamp"]])
    assert times.min() >= SMALL.start_time
    assert times.max() < SMALL.end_time
    assert (shown.groupby("user")["timestamp"].diff().dropna() > 0).all()


def test_titles_are_unique_and_carry_the_year(world):
    assert world.items["title"].is_unique
    years = world.items["title"].str.extract(r"\((\d{4})\)$")[0].astype(int)
    assert (years == world.items["year"]).all()
    uploaded = pd.to_datetime(world.items["upload_time"], unit="s").dt.year
    assert (world.items["year"] <= uploaded).all()


def test_films_have_one_to_five_genres_without_repeats(world):
    genres = world.items["genres"]
    assert genres.map(len).between(1, 5).all()
    assert (genres.map(len) == genres.map(lambda names: len(set(names)))).all()
    assert (genres.map(len) > 1).mean() > 0.5


def test_searches_speak_of_what_the_user_likes(world):
    searches = world.extras["searches"]
    words = {name.lower() for genres in world.items["genres"] for name in genres}
    about_genre = searches["query"].map(lambda query: any(word in query for word in words))
    assert 0.4 < about_genre.mean() < 0.95
    titles = world.items["title"].str.replace(r" \(\d{4}\)$", "", regex=True).str.lower()
    rows = dict(zip(titles, range(len(titles)), strict=True))
    by_title = searches[searches["query"].isin(rows)]
    users = by_title["user"].to_numpy() - 1
    oracle, items = world.oracle, by_title["query"].map(rows).to_numpy()
    sought = np.einsum("nd,nd->n", oracle.now[users], oracle.item_vectors[items])
    usual = (oracle.now[users] @ oracle.item_vectors.T).mean(axis=1)
    assert len(by_title) > 30
    assert (sought > usual).mean() > 0.8


# --- seeds and blocks


def test_the_same_seed_gives_the_same_world_and_another_seed_another(world):
    assert same(world, make_world(SMALL, 0))
    other = make_world(SMALL, 1)
    assert not other.interactions.equals(world.interactions)
    assert not other.items["title"].equals(world.items["title"])


@pytest.mark.parametrize("users_per_block", [1, 7, 299])
def test_the_size_of_a_block_never_changes_the_answer(world, users_per_block):
    assert same(world, make_world(SMALL, 0, users_per_block=users_per_block))


def test_the_rows_made_at_once_never_change_the_catalogue(monkeypatch):
    whole = make_catalogue(SMALL, 0)
    people = make_people(SMALL, 0)
    monkeypatch.setattr("candgen.datasets.world.blocks.ROWS", 37)
    monkeypatch.setattr("candgen.datasets.world.blocks.blocks.__defaults__", (37,))
    cut = make_catalogue(SMALL, 0)
    assert np.array_equal(whole.genres, cut.genres)
    assert np.array_equal(whole.vectors, cut.vectors)
    assert np.array_equal(people.now, make_people(SMALL, 0).now)


# --- habits


def shown_at_first(settings) -> tuple[np.ndarray, np.ndarray]:
    """Users and films of what was shown before anything was finished and so shown no more."""
    shown = make_world(settings, 0).extras["impressions"]
    first = shown.groupby("user")["engaged"].cumsum() - shown["engaged"] == 0
    users = shown.loc[first, "user"].to_numpy() - 1
    return users, shown.loc[first, "item"].to_numpy() - FIRST_ITEM_ID


def believed_agreement(settings, users, rows) -> float:
    """Mean over pairs of what the old recommender believes of their genres."""
    believed = make_people(settings, 0).believed
    genres = make_catalogue(settings, 0).genres[rows]  # (n, 5)
    each = np.where(genres >= 0, np.take_along_axis(believed[users], np.maximum(genres, 0), 1), 0)
    return float((each.sum(axis=1) / (genres >= 0).sum(axis=1)).mean())


def personal_agreement(settings, users, rows) -> float:
    """Measure how much better films suit the users who were shown them than other users."""
    others = np.random.default_rng(0).permutation(users)
    return believed_agreement(settings, users, rows) - believed_agreement(settings, others, rows)


def test_without_exposure_bias_films_are_shown_alike():
    settings = changed(SMALL, exposure_bias=0.0, n_users=600)
    catalogue = make_catalogue(settings, 0)
    users, rows = shown_at_first(settings)
    always = (catalogue.upload_time < settings.start_time) & (catalogue.places == 31)
    counts = np.bincount(rows, minlength=settings.n_items)[always]
    assert counts.sum() > 2000
    assert abs(spearmanr(counts, catalogue.fame[always]).statistic) < 0.15
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.35)  # as uniform draws have
    assert personal_agreement(settings, users, rows) == pytest.approx(0, abs=0.05)


def test_exposure_bias_concentrates_what_is_shown_on_the_popular_and_the_believed():
    popular = np.argsort(-make_catalogue(SMALL, 0).fame)[:40]
    shares, agreements = [], []
    for bias in (0.0, 0.5, 1.0):
        settings = changed(SMALL, exposure_bias=bias)
        users, rows = shown_at_first(settings)
        shares.append(np.isin(rows, popular).mean())
        agreements.append(personal_agreement(settings, users, rows))
    assert shares[0] < 0.14 < 0.25 < shares[1] < shares[2] - 0.1
    assert agreements[0] == pytest.approx(0, abs=0.05)
    assert agreements[0] + 0.2 < agreements[1] < agreements[2] - 0.04


def test_a_biased_service_puts_its_favourites_first(world):
    fame = make_catalogue(SMALL, 0).fame
    shown = world.extras["impressions"]
    by_position = pd.Series(fame[shown["item"] - FIRST_ITEM_ID]).groupby(shown["position"]).mean()
    assert by_position[1] > by_position[10]


def test_attention_falls_down_the_page_as_the_position_bias_says():
    unbiased = changed(SMALL, n_users=1000, exposure_bias=0.0)
    shown = make_world(changed(unbiased, position_bias=1.0), 0).extras["impressions"]
    rate = shown.groupby("position")["engaged"].mean()
    assert rate[2] / rate[1] == pytest.approx(1 / 2, abs=0.06)
    assert rate[10] / rate[1] == pytest.approx(1 / 10, abs=0.03)
    flat = make_world(changed(unbiased, position_bias=0.0), 0).extras["impressions"]
    rate = flat.groupby("position")["engaged"].mean()
    assert rate[10] / rate[1] == pytest.approx(1, abs=0.12)


def test_freshness_makes_new_films_win_and_its_absence_does_not():
    advantages = []
    for freshness in (0.0, 3.0):
        settings = changed(SMALL, n_users=600, freshness=freshness, exposure_bias=0.0)
        source = make_world(settings, 0)
        shown = source.extras["impressions"].merge(source.items, left_on="item", right_on="item_id")
        days = (shown["timestamp"] - shown["upload_time"]) / 86_400
        advantages.append(
            shown.loc[days < 20, "engaged"].mean() / shown.loc[days > 200, "engaged"].mean()
        )
    assert advantages[0] == pytest.approx(1.0, abs=0.25)
    assert advantages[1] > 2


def test_drift_turns_tastes_away_from_where_they_began():
    kept = []
    for drift in (0.0, 0.5, 1.0):
        oracle = make_world(changed(SMALL, drift=drift, freshness=0.0), 0).oracle
        settled = np.flatnonzero(oracle.upload_time < oracle.start)
        first = oracle.relevance(np.arange(200), settled, at=oracle.start)
        last = oracle.relevance(np.arange(200), settled, at=oracle.end)
        kept.append(
            np.mean(
                [spearmanr(a[a > 0], b[a > 0]).statistic for a, b in zip(first, last, strict=True)]
            )
        )
    assert kept[0] == pytest.approx(1.0)
    assert kept[0] > kept[1] > kept[2] + 0.1
    assert kept[2] < 0.6  # appeal and groups remain


# --- sizes and settings


def test_a_world_of_twenty_films_works():
    settings = WorldSettings(n_users=30, n_items=20, events_per_user=6)
    source = make_world(settings, 0)
    assert len(source.items) == 20 and len(source.users) == 30
    events = source.interactions["user"].value_counts()
    assert len(events) == 30 and events.min() >= 2
    assert source.interactions["item"].nunique() > 15
    assert source.extras["impressions"]["position"].max() == settings.page_size == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_users", 0),
        ("n_users", 2.5),
        ("n_users", True),
        ("n_items", 9),
        ("n_items", "2000"),
        ("events_per_user", 0.5),
        ("events_per_user", float("nan")),
        ("tastes", 0),
        ("exposure_bias", 1.1),
        ("exposure_bias", -0.1),
        ("position_bias", None),
        ("freshness", "much"),
        ("drift", 2),
        ("days", 3),
        ("start", "2024-13-01"),
        ("start", 2024),
    ],
)
def test_a_wrong_setting_is_named_with_what_arrived(name, value):
    with pytest.raises(SettingError, match=rf"^{name} must be .*got {value!r}"):
        WorldSettings(**{name: value})


def test_more_events_than_the_catalogue_can_give_are_refused_with_advice():
    with pytest.raises(SettingError, match=r"events_per_user .* 20 films .*Set it to 8 or less"):
        WorldSettings(n_items=20)
