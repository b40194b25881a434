"""Folders that Hugging Face saved, and logs of impressions, as `init` takes them."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from candgen.datasets import preparation
from candgen.datasets.guessing import guess
from candgen.errors import DataError
from candgen.sweeps import own_table

START, DAY = 1_700_000_000, 86_400


@pytest.fixture(scope="module")
def events():
    """Events of 60 users with 90 items over 200 days."""
    rng = np.random.default_rng(4)
    columns = {"user_id": rng.integers(0, 60, 900), "movie_id": rng.integers(0, 90, 900)}
    times = np.sort(START + rng.integers(0, 200 * DAY, 900))
    return pd.DataFrame(columns | {"stars": rng.integers(1, 6, 900), "timestamp": times})


def save(frame, folder, shards=1):
    """Write a folder as `Dataset.save_to_disk` does."""
    folder.mkdir(parents=True)
    names = [f"data-{n:05d}-of-{shards:05d}.arrow" for n in range(shards)]
    for name, rows in zip(names, np.array_split(np.arange(len(frame)), shards), strict=True):
        table = pa.Table.from_pandas(frame.iloc[rows], preserve_index=False)
        with pa.ipc.new_stream(folder / name, table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
    state = {"_data_files": [{"filename": name} for name in names], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return folder


@pytest.mark.parametrize("shards", [1, 3])
def test_a_saved_dataset_is_read_whole(events, tmp_path, shards):
    made = guess(save(events, tmp_path / "films", shards))
    assert made.columns == {
        "user": "user_id", "item": "movie_id", "rating": "stars", "timestamp": "timestamp"
    }  # fmt: skip
    data = preparation.prepare(tmp_path / "d", **made.settings | {"duplicates": "keep"})
    assert data.n_events == 900
    assert np.sort(data.table("interactions")["rating"]).tolist() == sorted(events["stars"])
    assert len(data.info["source"]["inputs"]) == shards


def test_of_several_splits_train_is_read_and_the_others_are_named(events, tmp_path):
    for name in ("train", "test"):
        save(events[: 600 if name == "train" else 300], tmp_path / "hub" / name)
    (tmp_path / "hub" / "dataset_dict.json").write_text(json.dumps({"splits": ["test", "train"]}))
    made = guess(tmp_path / "hub")
    assert made.settings["path"].endswith("train/data-00000-of-00001.arrow")
    assert any("test, train; only train is read" in note for note in made.notes)
    assert made.notes[0].startswith("600 events")


@pytest.mark.parametrize("gone", ["state.json", "data-00000-of-00003.arrow",
                                  "data-00002-of-00003.arrow"])  # fmt: skip
def test_what_is_missing_in_a_saved_dataset_is_named(events, tmp_path, gone):
    folder = save(events, tmp_path / "films", 3)
    (folder / gone).unlink()
    with pytest.raises(DataError, match=gone):
        guess(folder)


def test_a_damaged_arrow_file_is_named(events, tmp_path):
    folder = save(events, tmp_path / "films")
    file = folder / "data-00000-of-00001.arrow"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"00001\.arrow is not a readable Arrow file"):
        guess(folder)


# --- impressions


@pytest.fixture(scope="module")
def shown():
    """A page of five places for 60 users on 40 days; one in five is clicked."""
    rng = np.random.default_rng(5)
    n = 60 * 40 * 5
    return pd.DataFrame(
        {
            "visitor_id": np.repeat(np.arange(60), 200),
            "article_id": rng.integers(0, 80, n),
            "shown_at": START + np.tile(np.repeat(np.arange(40), 5), 60) * DAY,
            "slot": np.tile(np.arange(5), 60 * 40),
            "pscore": rng.uniform(0.02, 0.9, n).round(4),
            "is_click": (rng.random(n) < 0.2).astype(int),
        }
    )


def test_a_log_of_impressions_is_taken_for_one_with_all_its_roles(shown, tmp_path):
    shown.to_csv(tmp_path / "log.csv", sep=";", index=False)
    made = guess(tmp_path / "log.csv")
    assert made.settings["impressions_columns"] == {
        "user": "visitor_id", "item": "article_id", "timestamp": "shown_at",
        "position": "slot", "engaged": "is_click",
    }  # fmt: skip
    assert made.settings["impressions_format"] == {"delimiter": ";"}
    assert made.settings["first_position"] == 0 and "path" not in made.settings
    data = preparation.prepare(tmp_path / "d", **made.settings)
    told = f"The last {made.settings['test_fraction']:.0%} of them judge 60 known users."
    assert any(told in note for note in made.notes)
    known = data.everything("impressions")
    assert len(known) == len(shown) and set(known["position"]) == {1, 2, 3, 4, 5}
    assert known["engaged"].sum() == shown["is_click"].sum()
    assert known["propensity"].min() == pytest.approx(shown["pscore"].min())
    assert "0.02 to 0.9" in " ".join(made.notes)


def test_the_file_for_a_log_of_impressions_is_one_of_page_71(shown, tmp_path, monkeypatch):
    for folder in ("params", "notebooks"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    shown.to_csv("log.csv", index=False)
    text = own_table.write(guess("log.csv"), "log").read_text()
    assert "71_exposure.ipynb" in text and "impressions_path: log.csv" in text


def test_a_column_of_clicks_alone_makes_no_impressions(shown, tmp_path):
    clicked = shown[shown["is_click"] == 1][["visitor_id", "article_id", "shown_at", "is_click"]]
    clicked.to_csv(tmp_path / "clicks.csv", index=False)
    assert "impressions_path" not in guess(tmp_path / "clicks.csv").settings
    some = shown[["visitor_id", "article_id", "shown_at", "is_click"]]
    some.to_csv(tmp_path / "some.csv", index=False)
    made = guess(tmp_path / "some.csv")
    assert "impressions_path" in made.settings
    assert "values no policy" in " ".join(made.notes)
