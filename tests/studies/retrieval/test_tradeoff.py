import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from candgen.session import Run
from candgen.studies.retrieval import tradeoff

TABLE = pd.DataFrame(
    {"kind": ["exact", "a", "b", "c"], "recall": [1.0, 0.9, 0.95, 0.8], "batch": [10, 50, 40, 45]}
)


def test_what_is_found_less_and_slower_is_not_on_the_curve():
    assert tradeoff.pareto(TABLE)["kind"].tolist() == ["exact", "b", "a"]


def test_the_quickest_that_finds_enough_is_recommended():
    picks = [tradeoff.recommended(TABLE, target)["kind"] for target in (0.99, 0.94, 0.85)]
    assert picks == ["exact", "b", "a"]


def test_it_may_be_the_recall_of_held_out_items_that_has_to_be_kept():
    kept = [np.nan, *np.linspace(0.9, 1, len(TABLE) - 1)]  # exact search is there in any case
    table = TABLE.assign(kept=kept)
    for target in (0.95, 1.01):
        enough = table[(table["kept"] >= target) | (table["kind"] == "exact")]
        pick = tradeoff.recommended(table, target, share="kept")
        assert pick["batch"] == enough["batch"].max()
    assert tradeoff.recommended(table, 1.01, share="kept")["kind"] == "exact"


def test_the_best_of_each_kind_finds_enough_or_at_least_most():
    table = pd.DataFrame(
        {
            "kind": ["exact", "a", "a", "a", "b", "b"],
            "recall": [1.0, 0.9, 0.96, 0.99, 0.7, 0.8],
            "batch": [10, 50, 40, 30, 90, 80],
        }
    )
    assert tradeoff.best_of_kinds(table, 0.95).index.tolist() == [0, 2, 5]


def test_a_kind_pays_from_where_it_is_quicker_at_every_larger_size_too():
    rows = [
        ("exact", 10, 1.0, 1.0), ("exact", 100, 1.0, 1.0), ("exact", 1000, 1.0, 1.0),
        ("a", 10, 1.2, 0.99), ("a", 100, 0.9, 0.99), ("a", 1000, 3.0, 0.99),
        ("b", 10, 0.9, 0.99), ("b", 100, 2.0, 0.96), ("b", 100, 0.5, 0.99), ("b", 1000, 9.0, 0.95),
        ("c", 10, 9.0, 0.99), ("c", 100, 9.0, 0.99), ("c", 1000, 9.0, 0.8),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["kind", "n_items", "times", "recall"])
    assert tradeoff.pays_from(table, 0.95) == {"a": 1000, "b": 100, "c": None}


def test_catalogues_differ_from_the_base_in_one_thing_each_and_come_once():
    cases = tradeoff.around([10, 20], [4, 8], [0.0, 0.3], base=(20, 8, 0.3))
    assert [tuple(case.values()) for case in cases] == [
        (10, 8, 0.3), (20, 8, 0.3), (20, 4, 0.3), (20, 8, 0.0)
    ]  # fmt: skip
    apart = tradeoff.around([10], [4], [], base=(20, 8, 0.3))
    assert [tuple(case.values()) for case in apart] == [(10, 8, 0.3), (20, 4, 0.3), (20, 8, 0.3)]
    assert len(tradeoff.around([10], [], [], base=(20, 8, 0.3))) == 1


def test_shapes_are_told_by_the_quickest_that_finds_enough():
    rows = [
        (9, 4, 0.3, "exact", 1.0, 1.0, ""), (9, 4, 0.3, "a", 3.0, 0.96, "ef 9"),
        (9, 4, 0.3, "a", 7.0, 0.5, "ef 2"), (9, 8, 0.0, "a", 2.0, 0.9, "ef 3"),
        (5, 4, 0.3, "a", 99.0, 1.0, "ef 1"),
    ]  # fmt: skip
    names = ["n_items", "dim", "sigma", "kind", "times", "recall", "setting"]
    told = tradeoff.by_shape(pd.DataFrame(rows, columns=names), 9, 0.95)["a"]
    assert told.to_dict() == {(4, 0.3): "3.00 (ef 9)", (8, 0.0): "finds too little"}


@pytest.mark.usefixtures("quickly_measured")
def test_the_table_begins_with_exact_search_which_misses_nothing():
    rng = np.random.default_rng(0)
    items, queries = rng.normal(size=(300, 6)), rng.normal(size=(20, 6))
    held_out = csr_array(rng.random((20, 300)) < 0.05)
    builds = {"faiss-ivf": [{"lists": 30}], "annoy": [{"trees": 2}, {"trees": 20}]}
    table = tradeoff.tradeoff(
        items, "dot", queries, 10, {"faiss-ivf": [1, 30], "annoy": [40]}, builds=builds,
        held_out=held_out, cutoff=4, n_single=3,
    )  # fmt: skip
    assert table["kind"].tolist() == ["exact", "faiss-ivf", "faiss-ivf", "annoy", "annoy"]
    assert table["built"].tolist() == ["", "lists 30", "lists 30", "trees 2", "trees 20"]
    assert table["setting"].tolist()[1:3] == ["probes 1", "probes 30"]
    assert table["recall"].iloc[0] == 1 and table["recall"].iloc[1] < table["recall"].iloc[2]
    assert (table[["batch", "one_thread", "single", "load_seconds"]] > 0).all().all()
    np.testing.assert_allclose(table["of_first"], table["recall"])  # k is ten here
    assert tradeoff.described(table)["index"].iloc[3] == "annoy, trees 2, search_k 40"
    first_four = np.argsort(-(queries @ items.T), axis=1)[:, :4]
    hits = [len({*best} & {*held_out[[row]].indices}) for row, best in enumerate(first_four)]
    wanted = np.diff(held_out.indptr)
    recall = np.mean(np.array(hits)[wanted > 0] / wanted[wanted > 0])
    assert table["held_out"].iloc[0] == pytest.approx(recall) and recall > 0
    np.testing.assert_allclose(table["kept"], table["held_out"] / recall)
    disk, memory = table["disk_mib"], table["memory_mib"]
    assert disk[0] < disk[3] < disk[4]  # twenty trees take more room than two
    assert (memory >= 0).all()


@pytest.mark.usefixtures("quickly_measured")
def test_invented_catalogues_are_searched_until_enough_is_found():
    cases = tradeoff.around([300, 900], [], [], base=(900, 8, 0.3))
    builds = {"faiss-ivf": [{"lists": 20}], "faiss-hnsw": [{"links": 8}]}
    table = tradeoff.over_catalogues(cases, builds, k=10, target=0.9, n_queries=30, n_single=2)
    assert table["n_items"].tolist() == [300] * 3 + [900] * 3
    assert (table["recall"] >= 0.9).all()
    exact = table[table["kind"] == "exact"]
    assert exact[["times", "times_single", "times_one_thread"]].eq(1).all().all()
    larger = table[table["n_items"] == 900]
    np.testing.assert_allclose(larger["times"], larger["batch"] / larger["batch"].iloc[0])


@pytest.mark.usefixtures("quickly_measured")
def test_of_the_first_ten_it_counts_whether_they_are_found_at_all():
    rng = np.random.default_rng(1)
    items, queries = rng.normal(size=(400, 8)), rng.normal(size=(30, 8))
    efforts, builds = {"faiss-ivf": [2]}, {"faiss-ivf": [{"lists": 20}]}
    table = tradeoff.tradeoff(items, "dot", queries, 40, efforts, builds=builds, n_single=1)
    index = tradeoff.indexes.build("faiss-ivf", items, "dot", lists=20, probes=2)
    found = index.query(queries, 40).items
    best = np.argsort(-(queries @ items.T), axis=1)
    for name, n in (("recall", 40), ("of_first", 10)):
        shares = [len(set(b[:n]) & set(f)) / n for f, b in zip(found, best, strict=True)]
        assert table[name].iloc[1] == pytest.approx(np.mean(shares)) and table[name].iloc[1] < 1
    assert table["of_first"].iloc[0] == 1


def test_it_is_told_from_which_size_a_kind_pays():
    rows = [(n, kind, times, 0.99) for n, kind, times in (
        (10, "exact", 1.0), (10, "a", 0.5), (90, "exact", 1.0), (90, "a", 2.0),
    )]  # fmt: skip
    table = pd.DataFrame(rows, columns=["n_items", "kind", "times", "recall"])
    table["times_single"] = 0.5
    table = table.assign(build_seconds=1.0, load_seconds=0.1, disk_mib=7.0)
    told = tradeoff.said_of_sizes(table, 0.95)
    assert told["together"] == "a from 90 items" and told["alone"] == "a at none of these"
    assert told["stand"].startswith("a 2.00 times exact search's speed all at once, 0.50 one")


@pytest.mark.usefixtures("quickly_measured")
def test_given_vectors_are_searched_like_invented_ones():
    rng = np.random.default_rng(0)
    items, queries = rng.normal(size=(400, 8)), rng.normal(size=(16, 8))
    vectors = items.astype(np.float32), queries.astype(np.float32)
    told = {"similarity": "dot", "k": 5, "target": 0.9, "n_single": 4}
    table = tradeoff.at_least_effort(*vectors, {"faiss-ivf": [{"lists": 8}]}, **told)
    assert table["kind"].tolist() == ["exact", "faiss-ivf"]
    assert table["n_items"].unique().tolist() == [400] and table["times"].iloc[0] == 1
    assert table["recall"].iloc[1] >= 0.9


def test_the_fastest_index_has_to_find_enough():
    table = pd.DataFrame(
        {"kind": ["exact", "a", "b"], "recall": [1.0, 0.96, 0.5], "times": [1.0, 0.7, 9.0]}
    )
    assert tradeoff.fastest(table, 0.95) == 0.7
    assert np.isnan(tradeoff.fastest(table, 0.99))


def test_the_curve_is_shown_with_other_settings_beside_it():
    table = pd.DataFrame(
        {
            "kind": ["exact", "a", "b"], "built": "", "setting": "", "recall": [1.0, 0.9, 0.8],
            "batch": [1.0, 5.0, 4.0],
        }
    )  # fmt: skip
    shown = tradeoff.beside_the_curve(table, table.iloc[2:])
    assert shown["index"].tolist() == ["exact", "a", "b"]
    assert shown["pareto"].tolist() == ["yes", "yes", "no"]


def test_a_kept_table_is_read_back(tmp_path):
    table = pd.DataFrame({"kind": ["a"], "settings": [{"lists": 8}], "recall": [0.5]})
    tradeoff.keep(Run(tmp_path, {}), "kept.parquet", table)
    back = pd.read_parquet(tmp_path / "kept.parquet")
    assert back["settings"].tolist() == ['{"lists": 8}'] and back["recall"].tolist() == [0.5]


def test_a_choice_is_said_with_its_speed_and_exact_search_without():
    rows = {"kind": ["exact", "a"], "built": "", "setting": ["", "probes 4"], "recall": [1, 0.96]}
    table = pd.DataFrame({**rows, "batch": [10.0, 25.0], "single": [2.0, 1.0]})
    assert tradeoff.said_of_choice(table.iloc[0], table).startswith("exact search")
    said = tradeoff.said_of_choice(table.iloc[1], table)
    assert said.startswith("a, probes 4, 2.5 times") and "0.5 times one query" in said
    assert "96.0%" in said


def test_names_of_indexes_stay_on_one_line():
    shown = tradeoff.styled(pd.DataFrame({"index": ["a, lists 3"], "recall": [0.5]}))._repr_html_()
    assert "nowrap" in shown and "0.500" in shown
