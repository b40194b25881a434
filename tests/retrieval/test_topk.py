import numba
import numpy as np
import pytest
from scipy.sparse import csr_array

from candgen.retrieval import NO_ITEM, top_k
from candgen.retrieval.topk import Ranking

# Four items on a line; a query to the right likes the larger ones more.
LINE = np.array([[0.0], [1.0], [2.0], [3.0]])
RIGHT = np.array([[1.0]])


def slowly(scores, k):
    """Rank with a stable sort, the plain way to put ties in the order of the items."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    return np.where(np.isfinite(best), order, NO_ITEM)


def test_items_come_best_first():
    found = top_k(RIGHT, LINE, 3)
    assert found.items.tolist() == [[3, 2, 1]]
    assert found.scores.tolist() == [[3, 2, 1]]


def test_ties_go_to_the_smaller_index():
    odd_items_score_one = (np.arange(500) % 2)[:, None]
    assert top_k(RIGHT, odd_items_score_one, 4).items.tolist() == [[1, 3, 5, 7]]


def test_asking_for_more_than_the_catalogue_returns_the_catalogue():
    assert top_k(RIGHT, LINE, 99).items.tolist() == [[3, 2, 1, 0]]


def test_excluded_items_are_never_returned_and_the_end_is_padded():
    seen = csr_array([[0, 0, 1, 1]])
    found = top_k(RIGHT, LINE, 4, exclude=seen)
    assert found.items.tolist() == [[1, 0, NO_ITEM, NO_ITEM]]
    assert found.scores[0, 2:].tolist() == [-np.inf, -np.inf]


def test_an_excluded_entry_counts_even_when_it_stores_a_zero():
    stored_zero = csr_array((np.zeros(1), np.array([3]), np.array([0, 1])), shape=(1, 4))
    assert top_k(RIGHT, LINE, 1, exclude=stored_zero).items.tolist() == [[2]]


def test_a_mask_of_allowed_items_holds_for_everybody():
    allowed = np.array([True, False, True, False])
    found = top_k(np.array([[1.0], [-1.0]]), LINE, 3, allowed=allowed)
    assert found.items.tolist() == [[2, 0, NO_ITEM], [0, 2, NO_ITEM]]


def test_candidate_lists_hold_for_their_own_row():
    lists = csr_array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    found = top_k(np.ones((3, 1)), LINE, 2, allowed=lists)
    assert found.items.tolist() == [[1, 0], [3, 2], [NO_ITEM, NO_ITEM]]


def test_an_item_listed_twice_or_out_of_order_is_offered_once():
    twice = csr_array((np.ones(3), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 4))
    assert top_k(RIGHT, LINE, 3, allowed=twice).items.tolist() == [[2, 0, NO_ITEM]]


@pytest.mark.parametrize("rows_per_block", [1, 3, 1024])
def test_block_size_never_changes_the_answer(rows_per_block):
    rng = np.random.default_rng(0)
    queries, items = rng.normal(size=(7, 5)), rng.normal(size=(400, 5))
    seen = rng.random((7, 400)) < 0.2
    scores = np.where(seen, -np.inf, queries @ items.T)
    found = top_k(queries, items, 10, exclude=csr_array(seen), rows_per_block=rows_per_block)
    np.testing.assert_array_equal(found.items, slowly(scores, 10))


@pytest.mark.parametrize("mask", ["exclude", "forbidden", "listed"])
def test_items_of_later_blocks_are_withheld_and_ranked_like_those_of_the_first(mask):
    rng = np.random.default_rng(3)  # small whole numbers: products are exact, and many tie
    queries, items = (rng.integers(-3, 4, size=(n, 3)).astype(np.float32) for n in (9, 3000))
    entries = rng.random((9, 3000)) < 0.5
    masks = {
        "exclude": ({"exclude": csr_array(entries)}, ~entries),
        "forbidden": ({"allowed": entries[0]}, entries[:1]),
        "listed": ({"allowed": csr_array(entries)}, entries),
    }
    given, offered = masks[mask]
    scores = np.where(offered, queries @ items.T, -np.inf)
    found = top_k(queries, items, 700, rows_per_block=512, **given)  # 1,024 items a block
    np.testing.assert_array_equal(found.items, slowly(scores, 700))
    best = np.take_along_axis(scores, np.maximum(found.items, 0), axis=1)
    np.testing.assert_array_equal(found.scores, best)


def test_the_same_call_gives_the_same_scores_on_any_number_of_threads():
    rng, found = np.random.default_rng(0), []
    items = rng.normal(size=(1500, 48)).astype(np.float32)
    queries = [rng.normal(size=(n, 48)).astype(np.float32) for n in (7, 101, 700)]
    before = numba.get_num_threads()
    for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(n)
        try:
            found.append([top_k(asked, items, 50) for asked in queries])
        finally:
            numba.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one.items, two.items)
        np.testing.assert_array_equal(one.scores, two.scores)


def of_scores(scores, k, **masks):
    ranking = Ranking(*scores.shape, k, **masks)
    ranking.take(0, scores.astype(np.float32))
    return ranking.found.items


@pytest.mark.parametrize("levels", [2, 30, 100_000])
def test_selection_agrees_with_a_stable_sort_however_many_scores_tie(levels):
    rng = np.random.default_rng(levels)
    scores = rng.integers(levels, size=(60, 777)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    lists = rng.random(scores.shape) < 0.3
    np.testing.assert_array_equal(of_scores(scores, 50), slowly(scores, 50))
    found = of_scores(scores, 50, allowed=csr_array(lists))
    np.testing.assert_array_equal(found, slowly(np.where(lists, scores, -np.inf), 50))


def test_items_without_a_score_are_not_offered():
    scores = np.array([[np.nan, 1.0, -np.inf]])
    assert of_scores(scores, 3).tolist() == [[1, NO_ITEM, NO_ITEM]]


def test_no_queries_give_no_rows():
    assert top_k(np.zeros((0, 1)), LINE, 2).items.shape == (0, 2)


def test_mismatched_towers_are_named_in_the_error():
    with pytest.raises(ValueError, match=r"shape \(1, 1\).*shape \(4, 2\)"):
        top_k(RIGHT, np.ones((4, 2)), 1)


def test_a_mask_for_other_queries_is_refused():
    with pytest.raises(ValueError, match="Select the rows of the queried users first"):
        top_k(RIGHT, LINE, 1, exclude=csr_array((9, 4)))


def test_vectors_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="item_vectors holds NaN"):
        top_k(RIGHT, LINE * np.nan, 1)


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(k):
    with pytest.raises(ValueError, match="k must be at least 1"):
        top_k(RIGHT, LINE, k)


class TestSeveralVectorsAQuery:
    """Each is searched; an item's best score counts."""

    def test_an_item_near_any_of_them_is_found_once_with_its_best_score(self):
        both_ends = np.array([[[1.0], [-1.0]]])
        found = top_k(both_ends, LINE - 1.5, 3)
        assert found.items.tolist() == [[0, 3, 1]]  # of 0 and 3, which tie, the smaller first
        assert found.scores.tolist() == [[1.5, 1.5, 0.5]]

    @pytest.mark.parametrize("n_vectors", [1, 2, 5])
    def test_it_is_the_ranking_of_the_largest_products(self, n_vectors):
        rng = np.random.default_rng(0)
        queries = rng.integers(-3, 4, size=(9, n_vectors, 5)).astype(float)  # exact, with ties
        items = rng.integers(-3, 4, size=(40, 5)).astype(float)
        seen, allowed = rng.random((9, 40)) < 0.3, rng.random(40) < 0.8
        scores = np.where(seen | ~allowed, -np.inf, (queries @ items.T).max(axis=1))
        found = top_k(queries, items, 12, exclude=csr_array(seen), allowed=allowed)
        np.testing.assert_array_equal(found.items, slowly(scores, 12))
        np.testing.assert_array_equal(found.scores, -np.sort(-scores, axis=1)[:, :12])

    def test_where_few_items_are_left_the_end_is_padded(self):
        queries, seen = np.ones((1, 3, 1)), csr_array([[0, 0, 1, 1]])
        found = top_k(queries, LINE, 4, exclude=seen)
        assert found.items.tolist() == [[1, 0, NO_ITEM, NO_ITEM]]
        assert found.scores.tolist() == [[1, 0, -np.inf, -np.inf]]

    def test_no_vector_is_refused(self):
        with pytest.raises(ValueError, match="At least one vector a query"):
            top_k(np.ones((2, 0, 1)), LINE, 1)
