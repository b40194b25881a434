import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from candgen.retrieval import tradeoff

TABLE = pd.DataFrame(
    {"kind": ["exact", "a", "b", "c"], "recall": [1.0, 0.9, 0.95, 0.8], "batch": [10, 50, 40, 45]}
)


def test_what_is_found_less_and_slower_is_not_on_the_curve():
    assert tradeoff.pareto(TABLE)["kind"].tolist() == ["exact", "b", "a"]


def test_the_quickest_that_finds_enough_is_recommended():
    picks = [tradeoff.recommended(TABLE, target)["kind"] for target in (0.99, 0.94, 0.85)]
    assert picks == ["exact", "b", "a"]


def test_agreement_counts_shared_items_and_leaves_padding_out():
    best = np.array([[1, 2, 3, 4], [5, 6, -1, -1], [-1, -1, -1, -1]])
    found = np.array([[4, 9, 1, 8], [6, 7, -1, -1], [-1, -1, -1, -1]])
    assert tradeoff.agreement(found, best) == pytest.approx((2 / 4 + 1 / 2) / 2)


def test_the_table_begins_with_exact_search_which_misses_nothing():
    rng = np.random.default_rng(0)
    items, queries = rng.normal(size=(300, 6)), rng.normal(size=(20, 6))
    held_out = csr_array(rng.random((20, 300)) < 0.05)
    table = tradeoff.tradeoff(
        items, "dot", queries, 10, {"faiss-ivf": [1, 40]}, held_out=held_out, n_single=3
    )
    assert table["kind"].tolist() == ["exact", "faiss-ivf", "faiss-ivf"]
    assert table["recall"].iloc[0] == 1 and table["recall"].iloc[1] < table["recall"].iloc[2]
    assert (table[["batch", "single"]] > 0).all().all()
