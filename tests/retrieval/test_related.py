import numpy as np
import pytest

from candgen.retrieval import indexes, related_items

# Two directions; item 2 is long and points between them.
ITEMS = np.array([[1, 0.05], [1, 0.1], [9, 9], [0.1, 1], [0.05, 1]], np.float32)


def test_related_items_point_the_same_way_and_an_item_is_not_its_own_neighbour():
    index = indexes.build("exact", ITEMS, "cosine")
    found = related_items(index, [0, 4], 2)
    assert found.items.tolist() == [[1, 2], [3, 2]]
    cosine = (1 + 0.005) / np.sqrt((1 + 0.05**2) * (1 + 0.1**2))
    assert found.scores[0, 0] == pytest.approx(cosine)


def test_by_products_long_vectors_are_related_to_everything():
    index = indexes.build("exact", ITEMS, "dot")
    assert related_items(index, [0, 1, 3, 4], 1).items.tolist() == [[2], [2], [2], [2]]


def test_only_items_that_may_be_named_are():
    index = indexes.build("exact", ITEMS, "cosine")
    allowed = np.array([True, False, False, True, True])
    assert related_items(index, [0], 4, allowed=allowed).items.tolist() == [[3, 4, -1, -1]]
