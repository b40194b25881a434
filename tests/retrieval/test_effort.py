import numpy as np
import pytest

from candgen.retrieval import effort, indexes, invented_vectors


@pytest.fixture(scope="module")
def world():
    items, queries, _ = invented_vectors.clustered(4_000, 40, 16, seed=2)
    return items, queries, np.argsort(-(queries @ items.T), axis=1)[:, :20]


def test_shares_are_of_what_exact_search_finds_and_empty_rows_have_none():
    best = np.array([[1, 2, 3, 4], [5, 6, -1, -1], [-1, -1, -1, -1]])
    found = np.array([[4, 9, 1, 8], [6, 7, -1, -1], [3, -1, -1, -1]])
    np.testing.assert_allclose(effort.shares_found(found, best), [2 / 4, 1 / 2, np.nan])
    assert effort.agreement(found, best) == pytest.approx(0.5)
    assert effort.agreement(found[2:], best[2:]) == 1.0


def test_an_item_of_another_row_does_not_count():
    assert effort.shares_found(np.array([[7], [3]]), np.array([[3], [7]])).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("annoy", {"trees": 10}), ("faiss-ivf", {"lists": 200}), ("faiss-hnsw", {"links": 16})],
)
def test_effort_is_raised_until_enough_is_found_and_hardly_further(world, kind, settings):
    items, queries, best = world
    index = indexes.build(kind, items, "dot", **settings)
    low, high = (effort.reaching(index, queries, best, target) for target in (0.5, 0.97))
    assert low.recall >= 0.5 and high.recall >= 0.97
    assert effort.effort_of(low.index, 20) <= effort.effort_of(high.index, 20)
    found = high.index.query(queries, 20).items
    again = np.mean([len(set(f) & set(b)) / 20 for f, b in zip(found, best, strict=True)])
    assert again == pytest.approx(high.recall)
    least = effort.effort_of(effort.reaching(index, queries, best, 0.0).index, 20)
    spent = effort.effort_of(high.index, 20)
    if spent > least:
        less = effort.with_effort(index, int(spent / 1.5)).query(queries, 20).items
        assert effort.agreement(less, best) < high.recall


def test_what_cannot_be_reached_ends_with_what_helped(world):
    items, queries, best = world
    index = indexes.build("faiss-pq", items, "dot", rerank=1, numbers_a_byte=8)
    found = effort.reaching(index, queries, best, 0.9999)
    assert found.recall < 0.9999
    assert effort.effort_of(found.index, 20) <= effort.most_effort(index)


@pytest.mark.parametrize(
    ("recalls", "asked", "kept"),
    [
        ([0.5, 0.6, 0.601, 0.99], 3, 0.601),  # a gain that is none ends it
        ([0.5, 0.6, 0.59, 0.58, 0.99], 4, 0.6),  # so does a second loss, and the best is kept
        ([0.5, 0.4, 0.7, 0.7, 0.7, 0.99], 5, 0.7),  # one loss alone does not
    ],
)
def test_effort_is_no_longer_doubled_once_it_does_not_help(
    world, monkeypatch, recalls, asked, kept
):
    left = list(recalls)
    monkeypatch.setattr(effort, "agreement", lambda found, best: left.pop(0))
    index = indexes.build("annoy", world[0], "dot", trees=4)
    assert effort.reaching(index, world[1][:2], world[2][:2], 0.95).recall == kept
    assert len(recalls) - len(left) == asked


def test_an_exact_index_has_no_effort(world):
    items, queries, best = world
    index = indexes.build("exact", items, "dot")
    assert effort.effort_of(index, 20) == effort.most_effort(index) == 0
    assert effort.with_effort(index, 9) is index
    assert effort.reaching(index, queries, best, 0.99).recall == 1


def test_annoys_own_choice_is_trees_times_k(world):
    index = indexes.build("annoy", world[0][:500], "dot", trees=7)
    assert effort.effort_of(index, 20) == 140
    told = effort.with_effort(index, 140).query(world[1], 20).items
    np.testing.assert_array_equal(told, index.query(world[1], 20).items)
