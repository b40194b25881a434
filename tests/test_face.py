"""Tests of the face: the names that a notebook uses from `candgen` itself."""

import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest

import candgen as cg
from candgen import evaluation, models, retrieval
from candgen.errors import ColdStartError, DataError, SettingError
from candgen.session import runs

GENERATORS = {
    "Random", "Popularity", "RecentPopularity", "GroupPopularity", "Revisit", "ItemKNN", "UserKNN",
    "EASE", "SLIM", "SparseEASE", "RP3beta", "GFCF", "BSPM", "MarkovChain", "TruncatedSVD", "WALS",
    "SGDFactorization", "LogisticFactorization", "PredictedRating", "ItemContent", "UserProfile",
    "TwoBranch", "SASRec", "GRU4Rec", "TwoTower", "SoftmaxNetwork", "GMF", "MLP", "NeuMF",
    "DeepFactorization", "CoVisitation", "Item2Vec", "MultiInterest", "HybridWARP", "MultVAE",
    "UltraGCN", "LightGCN", "BERT4Rec",
}  # fmt: skip


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files of this test alone; no run is open."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(runs, "_current", None)
    matplotlib.use("agg")
    return folder


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    """A hundred users, 142 among them, each with some of sixty items, in order of time."""
    rng = np.random.default_rng(7)
    events = pd.DataFrame(
        {
            "user": rng.integers(100, 200, 3000),
            "item": [f"film-{n}" for n in rng.zipf(1.3, 3000) % 60],
            "timestamp": 1_600_000_000 + np.arange(3000),
        }
    )
    return events.drop_duplicates(["user", "item"], ignore_index=True)


@pytest.fixture(scope="module")
def films(df) -> pd.DataFrame:
    names = df["item"].unique()
    return pd.DataFrame({"item": names, "title": [name.upper() for name in names]})


def snippet(root) -> str:
    section = (root / "README.md").read_text().partition("## In a notebook\n")[2]
    return re.search(r"```python\n(.*?)```", section, re.S)[1]


# --- the snippet


def test_the_readme_says_what_a_person_types_and_it_works_word_for_word(root, df):
    names = {"df": df}
    code = snippet(root)
    assert len(code.splitlines()) == 6
    exec(code, names)
    assert isinstance(names["model"], models.WALS) and names["model"].settings["dim"] == 32
    assert names["a"].generator == "WALS" and names["b"].generator == "popularity"
    assert matplotlib.pyplot.get_fignums()
    matplotlib.pyplot.close("all")


def test_the_tour_shows_the_same_snippet(root):
    tour = json.loads((root / "notebooks" / "00_tour.ipynb").read_text())
    shown = ["".join(cell["source"]) for cell in tour["cells"] if cell["cell_type"] == "markdown"]
    assert any(snippet(root) in text for text in shown)


def test_tab_lists_the_verbs_and_every_generator():
    verbs = {"dataset", "judge", "compare", "recommend", "open_cluster"}
    assert set(dir(cg)) - {"__version__"} == verbs | GENERATORS


def test_every_generator_of_the_registry_is_on_the_face_and_the_same_class():
    classes = {models.by_name(name) for name in models.names()}
    assert {getattr(cg, name) for name in GENERATORS} == classes


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'WALLS'"):
        cg.WALLS  # noqa: B018


@pytest.mark.parametrize("code", ["import candgen", "import candgen; dir(candgen)"])
def test_importing_the_face_loads_nothing_heavy(code):
    code = f"import sys; {code}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "pydantic", "matplotlib"} & set(said.stdout.split())


# --- datasets


def test_a_data_frame_needs_no_file_and_leaves_none_behind(df, temporary):
    data = cg.dataset(df)
    assert (data.n_users, data.n_items) == (df["user"].nunique(), df["item"].nunique())
    assert sorted(data.users["user_id"]) == sorted(df["user"].unique())
    assert data.warnings == [] and data.info["parameters"]["split"] == "timeline"
    for _ in range(3):
        data = cg.dataset(df)
    gc.collect()
    assert len(list(temporary.iterdir())) == 1
    validation = data.for_validation()
    del data
    gc.collect()
    assert len(validation.table("train"))  # the folder lives as long as either
    del validation
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_the_folder_goes_with_the_process(df, temporary, tmp_path):
    df.to_csv(tmp_path / "clicks.csv", index=False)
    code = f"import candgen as cg; data = cg.dataset({str(tmp_path / 'clicks.csv')!r})"
    made = "; import os, tempfile; print(len(os.listdir(tempfile.gettempdir())))"
    there = {"env": {**os.environ, "TMPDIR": str(temporary)}}
    said = subprocess.run(
        [sys.executable, "-c", code + made], capture_output=True, text=True, check=True, **there
    )
    assert said.stdout == "1\n" and list(temporary.iterdir()) == []


def test_frames_files_and_other_headers_give_the_same_dataset(df, tmp_path):
    expected = cg.dataset(df).digest
    df.to_csv(tmp_path / "clicks.csv", index=False)
    renamed = df.rename(columns={"user": "user_id", "item": "item_id"})
    renamed.to_parquet(tmp_path / "clicks.parquet")
    theirs = df.rename(columns={"user": "userId", "item": "movieId", "timestamp": "at"})
    moments = df.assign(timestamp=pd.to_datetime(df["timestamp"], unit="s", utc=True))
    named = {"user_column": "userId", "item_column": "movieId", "timestamp_column": "at"}
    assert cg.dataset(str(tmp_path / "clicks.csv")).digest == expected
    assert cg.dataset(tmp_path / "clicks.parquet").digest == expected
    assert cg.dataset(theirs, **named).digest == expected
    assert cg.dataset(moments).digest == expected
    assert cg.dataset(df.sample(frac=1, random_state=0).sort_values("timestamp")).digest == expected


def test_without_times_the_split_is_random_and_the_dataset_says_so(df):
    data = cg.dataset(df.drop(columns="timestamp"))
    assert data.info["parameters"]["split"] == "random_per_user"
    assert "no timestamps and no split was chosen" in data.warnings[0]
    chosen = cg.dataset(df.drop(columns="timestamp"), split="random_rows")
    assert not any("no split was chosen" in warning for warning in chosen.warnings)


def test_a_frame_of_items_goes_by_the_users_own_header_and_columns_can_be_left_out(df, films):
    own = df.rename(columns={"item": "sku"}).assign(rating="good")
    rows = films.rename(columns={"item": "sku", "title": "Title"}).assign(item="x", rating="b")
    data = cg.dataset(own, items=rows, item_column="sku", leave_out=["rating"])
    assert "rating" not in data.train and "rating" not in data.items
    assert data.items["item_"].dropna().unique().tolist() == ["x"]
    assert data.items["title"].notna().any()
    assert "rating" not in cg.dataset(own, item_column="sku", leave_out=["rating"]).train


def test_repeated_pairs_count_once_and_the_dataset_says_so(df):
    data = cg.dataset(pd.concat([df, df[:3]], ignore_index=True))
    assert len(data.table("interactions")) == len(df)
    assert f"3 of {len(df) + 3:,} events repeat a pair of user and item" in repr(data)
    with pytest.raises(DataError, match="Set duplicates to first, last or keep"):
        cg.dataset(pd.concat([df, df[:3]]), duplicates="refuse")


def test_a_zip_of_one_table_and_json_lines_are_tables(df, tmp_path):
    df.to_csv(tmp_path / "a.csv.zip", index=False)
    df.to_json(tmp_path / "a.jsonl.gz", orient="records", lines=True)
    expected = cg.dataset(df).table("interactions")
    for name in ("a.csv.zip", "a.jsonl.gz"):
        assert cg.dataset(tmp_path / name).table("interactions").equals(expected)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("ratings.dat", "")
        archive.writestr("other.dat", "")
    with pytest.raises(DataError, match=r"ratings\.dat is empty"):
        cg.dataset(tmp_path / "two.zip")


def test_settings_of_the_preparation_may_be_passed(df):
    data = cg.dataset(df, split="leave_last_out", min_user_events=5, name="clicks")
    assert data.name == "clicks" and data.info["parameters"]["min_user_events"] == 5
    assert len(data.held_out) == data.n_users
    part = cg.dataset(df, evaluate_on="validation")
    assert len(part.held_out) == len(part.table("validation"))


def test_movielens_is_read_from_a_folder_and_from_a_zip(tmp_path):
    folder = tmp_path / "ml-tiny"
    folder.mkdir()
    rows = [f"{u},{10 * i},4.0,{1000 + 10 * u + i}" for u in range(1, 6) for i in range(1, 6)]
    header = "userId,movieId,rating,timestamp\n"
    (folder / "ratings.csv").write_text(header + "\n".join(rows) + "\n")
    titles = [f"{10 * i},Film {i} (2001),Drama" for i in range(1, 6)]
    (folder / "movies.csv").write_text("movieId,title,genres\n" + "\n".join(titles) + "\n")
    with zipfile.ZipFile(tmp_path / "ml-tiny.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"ml-tiny/{file.name}")
    from_folder, from_zip = cg.dataset(folder), cg.dataset(str(tmp_path / "ml-tiny.zip"))
    assert (from_folder.name, from_folder.n_users) == ("ml-tiny", 5)
    assert from_folder.digest == from_zip.digest


def test_a_prepared_dataset_is_opened_by_folder_or_name_and_takes_no_settings(
    df, tmp_path, monkeypatch
):
    for name in ("notebooks", "params"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    made = cg.dataset(df)
    kept = tmp_path / "outputs" / "datasets" / "clicks"
    kept.parent.mkdir(parents=True)
    Path(made.folder).rename(kept)
    assert cg.dataset("clicks").digest == cg.dataset(kept).digest == made.digest
    with pytest.raises(SettingError, match="'clicks' is prepared already, so split cannot be set"):
        cg.dataset("clicks", split="random_rows")


def test_the_invented_world_takes_settings():
    world = cg.dataset("world", n_users=30, n_items=20, events_per_user=5.0)
    assert world.n_users <= 30 and world.info["source"]["kind"] == "world"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda df: df.rename(columns={"user": "who"}),
            "no column 'user' or 'user_id'; it has who",
        ),
        (lambda df: df.iloc[:0], "The DataFrame is empty"),
        (lambda df: df.assign(item=df["item"].where(df.index != 4)), "row 5: item is missing"),
        (lambda df: df.assign(timestamp="2020-01-01"), "pd.to_datetime"),
        (lambda df: df.astype({"user": object}).replace({"user": {142: "x"}}), "one type"),
    ],
)
def test_a_frame_that_is_not_right_is_refused_by_name(df, temporary, change, message):
    with pytest.raises(DataError, match=message):
        cg.dataset(change(df))
    assert list(temporary.iterdir()) == []


def test_a_table_of_items_that_is_not_right_is_refused_by_name(df, films):
    with pytest.raises(DataError, match="The table of items: item film-1 occurs twice"):
        cg.dataset(df, items=pd.concat([films, films[films["item"] == "film-1"]]))
    with pytest.raises(DataError, match="The table of items has no column 'item' or 'item_id'"):
        cg.dataset(df, items=films[["title"]])


@pytest.mark.parametrize(
    ("data", "settings", "error", "message"),
    [
        (3, {}, SettingError, "of type int, expected a pandas DataFrame, a path or a name"),
        ("clikcs.csv", {}, DataError, "There is no file 'clikcs.csv'"),
        ("world", {"evaluate_on": "tets"}, SettingError, "evaluate_on must be"),
        ("world", {"n_user": 3}, SettingError, "Did you mean 'n_users'"),
        ("world", {"source": "table"}, SettingError, "source follows from the first argument"),
        ("world", {"items": pd.DataFrame()}, SettingError, "items goes with a table of events"),
    ],
)
def test_what_cannot_be_a_dataset_is_refused_by_name(data, settings, error, message):
    with pytest.raises(error, match=message):
        cg.dataset(data, **settings)


# --- recommending


def test_recommend_takes_own_ids_and_returns_them_with_titles(df, films):
    data = cg.dataset(df, items=films)
    model = cg.ItemKNN().fit(data)
    found = model.recommend([142, 101], k=5)
    assert list(found.columns) == ["user", "item", "title", "score", "rank"]
    assert found["user"].tolist() == [142] * 5 + [101] * 5
    assert found["rank"].tolist() == [1, 2, 3, 4, 5] * 2
    assert (found["title"] == found["item"].str.upper()).all()
    known = data.train.merge(data.users).merge(data.items, on="item")
    for user in (142, 101):
        had = set(known.loc[known["user_id"] == user, "item_id"])
        assert had and not had & set(found.loc[found["user"] == user, "item"])
    one = cg.recommend(model, 142, 5)
    pd.testing.assert_frame_equal(one, found.iloc[:5])


@pytest.mark.parametrize("make", [lambda: models.WALS(dim=4), models.ItemKNN, models.Popularity])
def test_recommend_agrees_with_ranking_in_dense_ids(df, make):
    data = cg.dataset(df)
    model = make().fit(data)
    users = np.flatnonzero(np.diff(data.history_matrix.indptr))
    found = model.recommend(data.users["user_id"].to_numpy()[users], k=7)
    expected = retrieval.top_items(model, users, 7)
    there = expected.items >= 0
    assert "title" not in found
    assert (
        found["item"].tolist() == data.items["item_id"].to_numpy()[expected.items[there]].tolist()
    )
    np.testing.assert_allclose(found["score"], expected.scores[there], rtol=1e-5)


def test_fewer_items_than_asked_for_make_a_shorter_list(df):
    data = cg.dataset(df)
    found = cg.Popularity().fit(data).recommend([142], k=1000)
    train = data.train.merge(data.users)
    offered = train["item"].nunique() - train.loc[train["user_id"] == 142, "item"].nunique()
    assert len(found) == offered


def test_users_whom_the_dataset_does_not_have_are_refused_by_name(df):
    model = cg.Popularity().fit(cg.dataset(df))
    with pytest.raises(DataError, match=r"User 1420 is not .* whole numbers from 100 to 199"):
        model.recommend([142, 1420])
    text = df.assign(user="user-" + df["user"].astype(str))
    model = cg.Popularity().fit(cg.dataset(text))
    with pytest.raises(DataError, match=r"User 'usr-142' .*Did you mean 'user-142'\?"):
        model.recommend("usr-142")


def test_a_cold_user_is_refused_or_answered_as_the_generator_declares(df):
    late = pd.DataFrame({"user": [999], "item": ["film-1"], "timestamp": [1_700_000_000]})
    data = cg.dataset(pd.concat([df, late], ignore_index=True))
    with pytest.raises(ColdStartError, match="user ids 999"):
        cg.WALS(dim=4).fit(data).recommend([999])
    assert len(cg.Popularity().fit(data).recommend([999], k=3)) == 3


def test_what_makes_no_sense_is_refused(df):
    with pytest.raises(SettingError, match="k is 0, expected a whole number above 0"):
        cg.Popularity().fit(cg.dataset(df)).recommend([142], k=0)
    with pytest.raises(RuntimeError, match="call fit"):
        cg.WALS().recommend([142])


# --- judging


@pytest.fixture(scope="module")
def judged(df):
    data = cg.dataset(df)
    return [cg.judge(m.fit(data)) for m in (cg.WALS(dim=4), cg.WALS(dim=8), cg.Popularity())]


def test_judging_needs_no_dataset_and_gives_the_same_numbers(df):
    model = cg.ItemKNN().fit(cg.dataset(df))
    found = cg.judge(model, k=20, cutoffs=[5, 20])
    expected = evaluation.judge(model, model.dataset, k=20, cutoffs=[5, 20])
    pd.testing.assert_frame_equal(found.per_user, expected.per_user)
    assert found.overall == expected.overall and found.settings == expected.settings
    assert {metric.partition("@")[2] for metric in cg.judge(model, k=20).metrics} == {"10", "20"}
    assert {metric.partition("@")[2] for metric in cg.judge(model, k=3).metrics} == {"3"}


def test_a_judgement_shows_a_small_table_with_intervals_and_escaped_text(judged):
    found = judged[0]
    shown = cg.judge(cg.Popularity().fit(found.dataset), name="<b>mine</b>")._repr_html_()
    assert "&lt;b&gt;mine" in shown and "<b>" not in shown
    shown = found._repr_html_()
    mean = found.per_user["recall@20"].mean()
    low, high = found.interval("recall@20")
    assert f"{mean:.4f}<br><small>{low:.4f} to {high:.4f}</small>" in shown
    assert f"{len(found.per_user)} users judged" in shown
    assert shown.count("<tr>") == 6 and len(re.sub(r"<[^>]*>", "", shown)) < 1000
    assert len(repr(found)) < 200


def test_comparing_is_paired_and_tells_models_of_one_kind_apart(judged):
    first, second, popular = judged
    table = cg.compare(first, popular)
    paired = first.per_user["recall@20"] - popular.per_user["recall@20"]
    assert table["difference"].tolist() == pytest.approx([paired.mean()])
    assert {"low", "high", "p", "p_adjusted", "verdict"} <= set(table)
    assert cg.compare(first, second, popular)["generator"].tolist() == [
        "WALS(dim=4)",
        "WALS(dim=8)",
    ]
    assert cg.compare(first, second)["baseline"].tolist() == ["WALS(dim=8)"]
    with pytest.raises(SettingError, match="name of its own"):
        cg.compare(first, first)


def test_a_plot_stands_beside_popularity_unless_told_otherwise(judged):
    first, second, popular = judged

    def written(ax):
        text = " ".join(drawn.get_text() for drawn in ax.texts) + ax.get_xlabel()
        matplotlib.pyplot.close("all")
        return text

    mean = popular.per_user["recall@20"].mean()
    assert f"popularity {mean:.3f}" in written(first.plot("recall@20"))
    assert "95 % interval" in written(first.plot("recall@20"))
    assert "WALS" in written(first.plot("recall@20", against=second))
    assert written(popular.plot("ndcg@10")).count("popularity") == 1
    with pytest.raises(SettingError, match="Did you mean 'recall@20'"):
        first.plot("recal@20")


def test_a_plot_refuses_judgements_of_other_users(judged, df):
    other = cg.judge(cg.Popularity().fit(cg.dataset(df, split="leave_last_out")))
    with pytest.raises(DataError, match="judged on different users"):
        judged[0].plot("recall@20", against=other)
