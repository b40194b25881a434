"""Projections: known answers on small shapes, the same map every time, exact neighbours."""

import numpy as np
import pytest

from candgen.retrieval.projections import (
    nearest_by_angle,
    neighbour_embedding,
    principal_directions,
)

RNG = np.random.default_rng(0)
# Three bundles of directions, far apart, whose vectors are of very different lengths.
BUNDLES = np.repeat(np.eye(3, 6), 20, axis=0) + 0.05 * RNG.normal(size=(60, 6))
BUNDLES = BUNDLES * RNG.uniform(0.1, 30, size=(60, 1))


def test_points_on_a_line_vary_in_its_direction_alone():
    line = np.outer([-2, 0, 1, 5], [-3.0, 4.0]) + 7
    axes, shares = principal_directions(line)
    np.testing.assert_allclose(axes[:, 0], [-0.6, 0.8], atol=1e-12)
    np.testing.assert_allclose(shares, [1, 0], atol=1e-12)


def test_directions_are_those_of_the_singular_value_decomposition():
    vectors = RNG.normal(size=(50, 7)) * np.arange(1, 8)
    centred = vectors - vectors.mean(axis=0)
    _, widths, expected = np.linalg.svd(centred, full_matrices=False)
    axes, shares = principal_directions(vectors)
    np.testing.assert_allclose(np.abs(np.sum(axes.T * expected[:2], axis=1)), 1, atol=1e-9)
    np.testing.assert_allclose(shares, (widths**2 / np.sum(widths**2))[:2])


@pytest.mark.parametrize("turned", [1, -1])
def test_the_largest_entry_of_a_direction_is_positive(turned):
    for dim in range(2, 12):
        axes = principal_directions(turned * RNG.normal(size=(30, dim))).axes
        assert (axes[np.abs(axes).argmax(axis=0), [0, 1]] > 0).all()


@pytest.mark.parametrize("vectors", [np.ones((4, 3)), np.arange(4.0)[:, None], np.ones((1, 2))])
def test_there_are_two_directions_whatever_the_vectors(vectors):
    axes, shares = principal_directions(vectors)
    assert axes.shape == (vectors.shape[1], 2)
    assert np.isfinite(axes).all() and 0 <= shares.sum() <= 1 + 1e-12


def test_the_same_vectors_give_the_same_map():
    assert np.array_equal(neighbour_embedding(BUNDLES), neighbour_embedding(BUNDLES.copy()))


def test_the_map_keeps_directions_together_whatever_the_lengths():
    places = neighbour_embedding(BUNDLES)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    bundle = np.arange(60) // 20
    assert (bundle[apart.argsort(axis=1)[:, :5]] == bundle[:, None]).all()


@pytest.mark.parametrize("n", [1, 2, 4, 5, 6])
def test_few_vectors_have_places_too(n):
    places = neighbour_embedding(BUNDLES[:n])
    assert places.shape == (n, 2) and np.isfinite(places).all()


def test_vectors_of_one_direction_share_a_place():
    np.testing.assert_allclose(neighbour_embedding(np.outer(np.arange(1, 9), [1.0, 2.0])), 0)


def test_neighbours_are_those_of_brute_force_among_what_is_allowed():
    vectors = RNG.normal(size=(80, 5)).astype(np.float32)
    vectors[3] = 0
    allowed = np.arange(80) % 4 != 1
    items = np.array([7, 0, 79])
    found = nearest_by_angle(vectors, items, 6, allowed=allowed)
    for item, near, cosines in zip(items, found.items, found.scores, strict=True):
        angles = [
            -2 if other in (item, 3) or not allowed[other]
            else vectors[item] @ v / np.linalg.norm(vectors[item]) / np.linalg.norm(v)
            for other, v in enumerate(vectors)
        ]  # fmt: skip
        expected = np.argsort(-np.array(angles), kind="stable")[:6]
        assert near.tolist() == expected.tolist()
        np.testing.assert_allclose(cosines, np.array(angles)[expected], rtol=1e-5)


def test_fewer_neighbours_than_asked_for_leave_empty_places():
    found = nearest_by_angle(np.eye(3, dtype=np.float32), np.array([1]), 3)
    assert found.items.tolist() == [[0, 2, -1]]
