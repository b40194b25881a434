"""Answers of every kind of index, compared with a plain sort."""

import multiprocessing
import os
import sys

import numba
import numpy as np
import pytest
from scipy.sparse import csr_array

from candgen.errors import DataError, SettingError
from candgen.retrieval import NO_ITEM, indexes, top_k
from candgen.retrieval.indexes import approximate
from candgen.retrieval.indexes.augmenting import augmented_items
from candgen.retrieval.indexes.refine_kernels import keep, refine
from candgen.retrieval.invented_vectors import clustered

GENEROUS = {  # settings at which a small catalogue is searched nearly whole
    "exact": {},
    "annoy": {"trees": 40, "search_k": 4000},
    "faiss-flat": {},
    "faiss-ivf": {"lists": 30, "probes": 24},
    "faiss-hnsw": {"links": 16, "ef": 300},
    "faiss-pq": {"lists": 30, "probes": 24, "rerank": 6},
}
each_kind = pytest.mark.parametrize("kind", indexes.KINDS)
each_similarity = pytest.mark.parametrize("similarity", ["dot", "cosine"])


@pytest.fixture(scope="module")
def vectors():
    """Items in groups, of very different lengths, and queries near them."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(15, 12))
    items = centres[rng.integers(15, size=700)] + 0.5 * rng.normal(size=(700, 12))
    items *= rng.lognormal(sigma=0.5, size=(700, 1))
    queries = centres[rng.integers(15, size=40)] + 0.5 * rng.normal(size=(40, 12))
    return items.astype(np.float32), queries.astype(np.float32)


@pytest.fixture(scope="module")
def built(vectors):
    """All kinds for both similarities, each built once, when it is first asked for."""

    class Built(dict):
        def __missing__(self, asked):
            kind, similarity = asked
            self[asked] = indexes.build(kind, vectors[0], similarity, **GENEROUS[kind])
            return self[asked]

    return Built()


def slowly(queries, items, similarity):
    scores = queries.astype(float) @ items.astype(float).T
    if similarity == "cosine":
        scores /= np.linalg.norm(items, axis=1) * np.linalg.norm(queries, axis=1)[:, None]
    return scores


def share_found(found, scores, k):
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.mean([len(set(f) & set(b)) / k for f, b in zip(found, best, strict=True)])


@each_kind
@each_similarity
def test_the_best_items_are_found(built, vectors, kind, similarity):
    found = built[kind, similarity].query(vectors[1], 20)
    scores = slowly(*vectors[::-1], similarity)
    assert share_found(found.items, scores, 20) > 0.97
    assert (np.diff(found.scores, axis=1) <= 0).all()
    np.testing.assert_allclose(
        found.scores, np.take_along_axis(scores, found.items, 1), rtol=1e-4, atol=1e-5
    )


def test_length_counts_for_the_product_and_not_for_the_cosine(built, vectors):
    """Each approximate kind must find the product's items, which the cosine would not."""
    by_cosine = slowly(*vectors[::-1], "cosine")
    for kind in indexes.KINDS:
        found = built[kind, "dot"].query(vectors[1], 20).items
        assert share_found(found, by_cosine, 20) < 0.85


@each_kind
def test_what_is_withheld_or_not_allowed_never_comes_and_the_rest_fills_up(built, vectors, kind):
    items, queries = vectors
    rng = np.random.default_rng(0)
    seen = rng.random((40, 700)) < rng.random((40, 1)) * 0.5
    allowed = rng.random(700) < 0.3
    found = built[kind, "dot"].query(queries, 25, exclude=csr_array(seen), allowed=allowed).items
    scores = np.where(seen | ~allowed, -np.inf, slowly(queries, items, "dot"))
    assert (found >= 0).all()
    assert np.isfinite(np.take_along_axis(scores, found, 1)).all()
    assert all(len(set(row)) == 25 for row in found)
    assert share_found(found, scores, 25) > 0.97


@each_kind
@pytest.mark.parametrize("n_allowed", [0, 1, 7, 30])
def test_rows_end_in_padding_only_where_nothing_is_left(built, vectors, kind, n_allowed):
    allowed = np.zeros(700, bool)
    allowed[np.random.default_rng(n_allowed).choice(700, n_allowed, replace=False)] = True
    seen = np.zeros((40, 700), bool)
    seen[::2, np.flatnonzero(allowed)[: n_allowed // 2]] = True
    found = built[kind, "cosine"].query(vectors[1], 10, exclude=csr_array(seen), allowed=allowed)
    left = np.minimum(10, (allowed & ~seen).sum(axis=1))
    np.testing.assert_array_equal((found.items != NO_ITEM).sum(axis=1), left)
    assert (np.isneginf(found.scores) == (found.items == NO_ITEM)).all()


def test_a_list_that_is_one_item_too_short_is_searched_again(vectors):
    """One inverted list alone is looked at: at some k it holds exactly one too few."""
    index = indexes.build("faiss-ivf", vectors[0], "dot", lists=12, probes=1)
    sizes = [index._nearest(query[None], 700, 1.0).items for query in vectors[1]]
    held = {int((near >= 0).sum()) for near in sizes}  # items in the list of each query
    assert len(held) > 3
    for k in (size + 1 for size in held):
        assert (index.query(vectors[1], k).items >= 0).all()


@pytest.mark.parametrize("kind", [kind for kind in indexes.KINDS if kind != "exact"])
def test_filters_hold_where_the_index_itself_finds_enough(vectors, kind, monkeypatch):
    """In a larger catalogue nobody falls back on exact search, which filters by other code."""
    rng = np.random.default_rng(2)
    items = (vectors[0][rng.integers(700, size=6000)] + 0.3 * rng.normal(size=(6000, 12))).astype(
        np.float32
    )
    scores = slowly(vectors[1], items, "dot")
    seen = csr_array((scores > np.sort(scores, axis=1)[:, [-7]]) | (rng.random((40, 6000)) < 0.002))
    allowed = rng.random(6000) < 0.7
    index = indexes.build(kind, items, "dot", **GENEROUS[kind])
    monkeypatch.setattr(approximate, "top_k_among", None)
    found = index.query(vectors[1], 20, exclude=seen, allowed=allowed).items
    left = np.where(seen.toarray() | ~allowed, -np.inf, scores)
    assert np.isfinite(np.take_along_axis(left, found, 1)).all()
    assert share_found(found, left, 20) > 0.9


def test_annoy_looks_at_more_where_more_is_asked_for(vectors):
    index = indexes.build("annoy", vectors[0], "dot", trees=5, search_k=30)
    scores = slowly(*vectors[::-1], "dot")
    little, much = (index._nearest(vectors[1], 20, effort).items for effort in (1.0, 12.0))
    assert share_found(little, scores, 20) + 0.1 < share_found(much, scores, 20)


def test_what_ties_among_the_found_goes_to_the_smaller_item():
    found = np.array([[7, 3, 5, -1, 1, 6]])
    items, scores = np.full((1, 3), -1, np.int32), np.full((1, 3), -np.inf, np.float32)
    ones, none = np.ones((9, 2), np.float32), np.zeros(0, np.int32)
    refine(ones[:1], ones, found, np.zeros(2, np.int64), none, np.zeros(0, bool), items, scores)
    assert items.tolist() == [[1, 3, 5]] and scores.tolist() == [[2, 2, 2]]


@pytest.mark.parametrize("size", [1, 3, 8, 40])
def test_an_answer_that_is_scored_already_is_filtered_and_its_ties_put_in_order(size):
    """Scores of few values, so that most of them tie; the plain way sorts what is left."""
    rng = np.random.default_rng(size)
    found = np.stack([rng.permutation(60)[:30] for _ in range(50)])
    known = -np.sort(-rng.integers(0, 6, size=found.shape), axis=1).astype(np.float32)
    found[:, 27:] = -1
    seen, eligible = csr_array(rng.random((50, 60)) < 0.2), rng.random(60) < 0.8
    items = np.full((50, size), -1, np.int32)
    scores = np.full((50, size), -np.inf, np.float32)
    keep(found, known, seen.indptr.astype(np.int64), seen.indices, eligible, items, scores)
    for row in range(50):
        through = [
            (-score, item)
            for item, score in zip(found[row], known[row], strict=True)
            if item >= 0 and eligible[item] and not seen[row, item]
        ]
        expected = sorted(through)[:size]
        n = len(expected)
        assert items[row, :n].tolist() == [item for _, item in expected]
        assert scores[row, :n].tolist() == [-less for less, _ in expected]
        assert (items[row, n:] == -1).all() and np.isneginf(scores[row, n:]).all()


def test_a_graph_finds_the_best_among_vectors_in_clusters_of_uneven_lengths():
    """Linked by distance among augmented vectors, the same graph found .970 here."""
    items, queries, _ = clustered(8000, 100, 24, sigma=0.6, seed=4)
    found = indexes.build("faiss-hnsw", items, "dot", ef=50).query(queries, 50)
    assert share_found(found.items, queries @ items.T, 50) > 0.985
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("bands", [2, 3, 7])
def test_trees_in_bands_share_the_items_out_by_length(vectors, bands):
    index = indexes.build("annoy", vectors[0], "dot", bands=bands, trees=20, search_k=2000)
    parts = [index._members(band) for band in range(bands)]
    assert sorted(np.concatenate(parts)) == list(range(700))
    lengths = [np.linalg.norm(vectors[0][part], axis=1) for part in parts]
    assert all(lengths[band].min() >= lengths[band + 1].max() for band in range(bands - 1))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    found = index.query(vectors[1], 20)
    assert share_found(found.items, slowly(vectors[1], vectors[0], "dot"), 20) > 0.97


def test_parts_share_a_band_out_and_threads_change_no_answer(vectors):
    index = indexes.build("annoy", vectors[0], "dot", bands=2, parts=3, trees=4, search_k=90)
    parts = [index._members(forest) for forest in range(6)]
    by_length = np.argsort(-np.linalg.norm(vectors[0], axis=1), kind="stable")
    assert sorted(np.concatenate(parts[:3])) == sorted(by_length[:350])
    assert sorted(np.concatenate(parts)) == list(range(700))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    at_once = index.query(vectors[1], 20).items
    one_by_one = [index.query(query[None], 20).items[0] for query in vectors[1]]
    np.testing.assert_array_equal(one_by_one, at_once)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        np.testing.assert_array_equal(index.query(vectors[1], 20).items, at_once)
    finally:
        numba.set_num_threads(threads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_searches_with_threads_of_its_own(vectors):
    """The parent's threads are not there any more in a child."""
    index = indexes.build("annoy", vectors[0], "dot", parts=2, trees=4)
    expected = index._nearest(vectors[1][:1], 5, 1.0).items
    forked = multiprocessing.get_context("fork")
    answers = forked.SimpleQueue()
    child = forked.Process(target=lambda: answers.put(index._nearest(vectors[1][:1], 5, 1.0).items))
    child.start()
    child.join(30)
    child.kill()
    assert child.exitcode == 0
    np.testing.assert_array_equal(answers.get(), expected)


def test_bands_of_short_items_are_left_out_only_where_nothing_in_them_can_be_among_the_best():
    """Short items are a tenth as long, but for one query they point where no long one does."""
    rng = np.random.default_rng(6)
    items = rng.normal(size=(400, 5)).astype(np.float32)
    items[:, 0] = np.abs(items[:, 0]) + 3
    items[200:] = 0.1 * rng.normal(size=(200, 5)) * [-1, 1, 1, 1, 1]
    queries = np.array([[1, 0, 0, 0, 0], [-1, 0, 0, 0, 0]], dtype=np.float32)
    index = indexes.build("annoy", items, "dot", bands=2, trees=10, search_k=400)
    asked = [index._near_one(query, 10, 10, 400) for query in queries]
    assert max(asked[0]) < 200 <= max(asked[1])
    best = np.argsort(-(queries @ items.T), axis=1)[:, :10]
    assert [set(row) for row in index.query(queries, 10).items] == [set(row) for row in best]


def test_one_band_is_enough_where_angles_are_compared(vectors):
    index = indexes.build("annoy", vectors[0], "cosine", bands=5)
    assert index.n_bands == 1 and index.files == ("index.annoy",)


@each_kind
def test_more_than_there_is_gives_everything(built, vectors, kind):
    found = built[kind, "dot"].query(vectors[1][:3], 5000).items
    assert all(sorted(row) == list(range(700)) for row in found.tolist())


@each_kind
def test_candidate_lists_hold_row_by_row(built, vectors, kind):
    lists = csr_array(np.random.default_rng(1).random((40, 700)) < 0.02)
    found = built[kind, "dot"].query(vectors[1], 5, allowed=lists)
    np.testing.assert_array_equal(
        found.items, top_k(vectors[1], vectors[0], 5, allowed=lists).items
    )


@each_kind
def test_one_query_is_answered_as_it_is_among_others(built, vectors, kind):
    index = built[kind, "dot"]
    together = index.query(vectors[1], 20).items
    alone = np.concatenate([index.query(query[None], 20).items for query in vectors[1]])
    assert np.mean(together == alone) > 0.99


@each_kind
def test_a_catalogue_of_one_item_can_be_searched(kind):
    index = indexes.build(kind, np.ones((1, 3)), "dot")
    assert index.query(np.ones((2, 3)), 4).items.tolist() == [[0], [0]]


@each_kind
def test_no_queries_give_no_rows(built, vectors, kind):
    assert built[kind, "dot"].query(vectors[1][:0], 3).items.shape == (0, 3)


@each_kind
def test_items_of_zeros_and_queries_of_zeros_do_no_harm(kind):
    items = np.zeros((60, 4))
    items[:30] = np.random.default_rng(0).normal(size=(30, 4))
    found = indexes.build(kind, items, "dot").query(np.zeros((2, 4)), 5)
    assert (found.items >= 0).all() and (found.scores == 0).all()


@pytest.mark.parametrize(
    ("kind", "little", "much"),
    [
        ("annoy", {"search_k": 20}, {"search_k": 4000}),
        ("faiss-ivf", {"probes": 1}, {"probes": 12}),
        ("faiss-hnsw", {"ef": 1}, {"ef": 300}),
        ("faiss-pq", {"probes": 12, "rerank": 1}, {"probes": 12, "rerank": 8}),
    ],
)
def test_settings_of_searching_change_what_is_found(built, vectors, kind, little, much):
    scores = slowly(*vectors[::-1], "dot")
    index = built[kind, "dot"]
    shares = [
        share_found(index.tuned(**settings).query(vectors[1], 20).items, scores, 20)
        for settings in (little, much)
    ]
    assert shares[0] < shares[1] - 0.005 and shares[1] > 0.98


@pytest.mark.parametrize("kind", ["annoy", "faiss-ivf", "faiss-pq"])
def test_the_same_seed_builds_the_same_index(vectors, kind):
    settings = {"annoy": {"trees": 3}, "faiss-ivf": {"probes": 1}, "faiss-pq": {"probes": 1}}[kind]
    one, same, other = (
        indexes.build(kind, vectors[0], "dot", seed=seed, **settings).query(vectors[1], 20).items
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("anoy", np.ones((3, 2)), "dot"), "Did you mean 'annoy'"),
        (("exact", np.ones((3, 2)), "angular"), "similarity must be one of dot, cosine"),
        (("exact", np.ones(3), "dot"), r"shape \(n_items, dim\) expected, got \(3,\)"),
        (("exact", np.ones((0, 3)), "dot"), r"got \(0, 3\)"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, message):
    with pytest.raises((DataError, SettingError), match=message):
        indexes.build(*arguments)


def test_misspelt_settings_are_refused():
    with pytest.raises(SettingError, match=r"no setting 'probe'\. Did you mean 'probes'"):
        indexes.build("faiss-ivf", np.ones((9, 2)), "dot", probe=3)
    index = indexes.build("faiss-ivf", np.ones((9, 2)), "dot")
    with pytest.raises(SettingError, match=r"'lists'.*not a setting of searching"):
        index.tuned(lists=3)


@each_kind
def test_vectors_with_nan_are_refused_before_anything_is_built(kind):
    items = np.ones((9, 2))
    items[4, 1] = np.nan
    with pytest.raises(DataError, match=r"1 of 9 item vectors.*first is item 4"):
        indexes.build(kind, items, "dot")


def test_queries_of_another_space_are_refused(built):
    with pytest.raises(ValueError, match=r"\(n_queries, 12\) expected, got \(1, 13\)"):
        built["faiss-ivf", "dot"].query(np.ones((1, 13)), 3)
    with pytest.raises(ValueError, match="k must be at least 1"):
        built["faiss-ivf", "dot"].query(np.ones((1, 12)), 0)
    with pytest.raises(ValueError, match="queries hold NaN"):
        built["faiss-ivf", "dot"].query(np.full((1, 12), np.nan), 1)


def test_without_annoy_its_kind_says_so_and_the_others_are_offered(monkeypatch):
    monkeypatch.setitem(sys.modules, "annoy", None)  # what an import finds where it is left out
    with pytest.raises(SettingError, match=r"not installed\. Choose another kind, such as"):
        indexes.build("annoy", np.ones((3, 2)), "dot")
    others = ("exact", "faiss-flat", "faiss-ivf", "faiss-hnsw", "faiss-pq")
    assert indexes.installed() == others


def test_ids_must_be_one_an_item_and_differ():
    with pytest.raises(DataError, match=r"for 3 items; got .* of shape \(2,\)"):
        indexes.build("exact", np.ones((3, 2)), "dot", ids=[4, 5])
    with pytest.raises(DataError, match="1 are repeated"):
        indexes.build("exact", np.ones((3, 2)), "dot", ids=["a", "b", "a"])


def test_trees_over_shortened_lengths_find_more_with_the_same_effort():
    """Without a cap, a few long vectors make all augmented vectors nearly parallel."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(200, 64))
    items = centres[rng.integers(200, size=20_000)] + 0.6 * rng.normal(size=(20_000, 64))
    items *= rng.lognormal(sigma=0.5, size=(20_000, 1))
    queries = centres[rng.integers(200, size=40)] + 0.6 * rng.normal(size=(40, 64))
    scores = slowly(queries, items, "dot")
    shares = {}
    for quantile in (1.0, 0.7):
        settings = {"trees": 10, "search_k": 600, "length_quantile": quantile}
        index = indexes.build("annoy", items, "dot", **settings)
        for rerank in (1, 3):
            found = index.tuned(rerank=rerank).query(queries, 50).items
            shares[quantile, rerank] = share_found(found, scores, 50)
    assert shares[0.7, 3] > shares[1.0, 3] + 0.3
    assert shares[0.7, 3] > shares[0.7, 1] + 0.03, "long ones need the exact second look"


def test_the_coordinate_more_makes_items_as_long_as_the_quantile():
    items = np.diag([1.0, 2.0, 3.0, 4.0, 5.0]).astype(np.float32)
    lengths = np.linalg.norm(augmented_items(items, quantile=0.5), axis=1)
    np.testing.assert_allclose(lengths, [3, 3, 3, 4, 5], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(augmented_items(items), axis=1), 5, rtol=1e-6)


@pytest.mark.parametrize("quantile", [0.0, 1.5, "much"])
def test_a_quantile_of_lengths_lies_above_0_and_at_most_at_1(quantile):
    with pytest.raises(SettingError, match="length_quantile"):
        indexes.build("annoy", np.eye(3), "dot", length_quantile=quantile)
