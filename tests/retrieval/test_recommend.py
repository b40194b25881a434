from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from candgen.models import Popularity, VectorGenerator
from candgen.retrieval import NO_ITEM, top_items


def world(train):
    """The part of a dataset that generators look at, from a matrix of ones and zeros."""
    matrix = csr_array(np.array(train, dtype=np.float32))
    n_users, n_items = matrix.shape
    return SimpleNamespace(
        train=pd.DataFrame(index=range(matrix.nnz)),
        train_matrix=matrix,
        history_matrix=matrix,
        repeats="withhold",
        n_users=n_users,
        n_items=n_items,
        users=pd.DataFrame({"user_id": range(n_users)}),
        items=pd.DataFrame({"item_id": range(n_items)}),
    )


class Lines(VectorGenerator):
    """Items on a line at 1, 2, 3, ...; every query is at 1."""

    name = "lines"

    def __init__(self) -> None:
        """Take no settings."""

    def _fit(self, dataset):
        self._n_items = dataset.n_items

    def item_vectors(self):
        return np.arange(1, self._n_items + 1, dtype=np.float32)[:, None]

    def _user_vectors(self, users):
        return np.ones((len(users), 1), dtype=np.float32)


class Directions(Lines):
    """The same by cosine: length does not matter, so all items tie."""

    similarity = "cosine"


TRAIN = [[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 0, 1, 0]]  # nobody has item 4
BOTH_KINDS = pytest.mark.parametrize(
    ("generator", "order"), [(Lines, [3, 2, 1, 0]), (Popularity, [1, 0, 2, 3])]
)


@BOTH_KINDS
def test_items_come_in_the_generators_order_without_those_it_does_not_know(generator, order):
    found = top_items(generator().fit(world(TRAIN)), [0], 9, exclude=None)
    assert found.items.tolist() == [[*order, NO_ITEM]]


@BOTH_KINDS
def test_the_history_is_withheld_by_default(generator, order):
    found = top_items(generator().fit(world(TRAIN)), [2, 0], 2).items.tolist()
    assert found == [[i for i in order if i not in (1, 3)], [i for i in order if i > 1]]


@BOTH_KINDS
def test_a_mask_of_allowed_items_adds_to_what_the_generator_knows(generator, order):
    allowed = np.array([True, False, True, False, True])
    found = top_items(generator().fit(world(TRAIN)), [0], 3, exclude=None, allowed=allowed)
    assert found.items.tolist() == [[i for i in order if i in (0, 2)] + [NO_ITEM]]


@BOTH_KINDS
def test_candidate_lists_hold_row_by_row(generator, order):
    lists = csr_array([[0, 0, 1, 1, 1], [1, 0, 0, 0, 0]])
    model = generator().fit(world(TRAIN))
    found = top_items(model, [2, 1], 2, exclude=None, allowed=lists).items.tolist()
    assert found == [[i for i in order if i in (2, 3)], [0, NO_ITEM]]


def test_vectors_made_for_the_cosine_are_searched_by_the_cosine():
    found = top_items(Directions().fit(world(TRAIN)), [0], 4, exclude=None)
    assert found.items.tolist() == [[0, 1, 2, 3]]
    np.testing.assert_allclose(found.scores, 1)


def test_lists_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="allowed must have shape"):
        top_items(Popularity().fit(world(TRAIN)), [0, 1], 2, allowed=csr_array((1, 5)))
