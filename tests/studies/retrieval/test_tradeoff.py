import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

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
