import numba
import numpy as np
import pytest

from candgen.errors import SettingError
from candgen.training import Bags, EmbeddingTable


def table(n_rows=6, dim=3, **settings) -> EmbeddingTable:
    return EmbeddingTable(n_rows, dim, seed=1, **settings)


def bags(rows, windows, skips=None, **more) -> Bags:
    starts, stops = (np.array(column, dtype=np.int64) for column in zip(*windows, strict=True))
    skips = np.full(len(starts), -1) if skips is None else np.array(skips)
    return Bags(np.array(rows, dtype=np.int32), starts, stops, skips, **more)


def test_a_missing_id_gathers_zeros():
    held = table()
    found = held.gather(np.array([[2, -1], [0, 2]]))
    assert found.shape == (2, 2, 3)
    np.testing.assert_array_equal(found[0, 1], 0)
    np.testing.assert_array_equal(found[0, 0], held.rows[2])


def test_plain_descent_subtracts_the_sum_of_a_rows_gradients():
    held = table(optimizer="sgd")
    before = held.rows.copy()
    held.add(np.array([4, 1, 4, -1]), np.array([[1, 2, 3], [5, 5, 5], [1, 0, 1], [9, 9, 9]]))
    held.update(0.1)
    expected = before.copy()
    expected[4] -= 0.1 * np.array([2, 2, 4])
    expected[1] -= 0.1 * 5
    np.testing.assert_allclose(held.rows, expected, atol=1e-6)


def dense_adam(start, gradients, rate):
    """Adam as its paper has it, over the whole table, by another route than the kernels."""
    x, m, v = start.astype(float), np.zeros(start.shape), np.zeros(start.shape)
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x = x - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return x


def test_adam_is_the_dense_adam_where_every_row_has_a_gradient():
    held, rng = table(), np.random.default_rng(0)
    start, every = held.rows.copy(), rng.normal(size=(7, 6, 3))
    for gradients in every:
        held.add(np.arange(6), gradients)
        held.update(0.01)
    np.testing.assert_allclose(held.rows, dense_adam(start, every, 0.01), atol=1e-5)


def test_adagrad_divides_by_the_root_of_what_a_row_has_seen():
    held = table(optimizer="adagrad")
    start = held.rows[2].astype(float)
    for g in (1.0, 2.0):
        held.add(np.array([2]), np.full((1, 3), g))
        held.update(0.5)
    expected = start - 0.5 * 1 / np.sqrt(0.1 + 1) - 0.5 * 2 / np.sqrt(0.1 + 5)
    np.testing.assert_allclose(held.rows[2], expected, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "sgd"])
def test_rows_without_a_gradient_rest_and_so_does_their_penalty(optimizer):
    held = table(optimizer=optimizer)
    held.add(np.arange(6), np.ones((6, 3)))
    held.update(0.1)
    before = {name: array.copy() for name, array in held.state().items()}
    held.add(np.array([3]), np.ones((1, 3)))
    held.update(0.1, l2=0.5)
    after = held.state()
    others = np.arange(6) != 3
    for name in set(before) - {"steps"}:
        np.testing.assert_array_equal(after[name][others], before[name][others])
        assert (after[name][3] != before[name][3]).all()


def test_a_penalty_pulls_touched_rows_to_zero():
    held = table(optimizer="sgd")
    before = held.rows[0].copy()
    held.add(np.array([0]), np.zeros((1, 3)))
    held.update(0.1, l2=2.0)
    np.testing.assert_allclose(held.rows[0], before * (1 - 0.1 * 2.0), atol=1e-6)


def test_gradients_are_forgotten_once_they_were_used():
    held = table(optimizer="sgd")
    held.add(np.array([0]), np.ones((1, 3)))
    held.update(0.1)
    before = held.rows.copy()
    held.update(0.1)
    np.testing.assert_array_equal(held.rows, before)


def test_a_bag_is_the_mean_of_its_rows_without_the_one_skipped():
    held = table()
    pooled = held.pool(bags([0, 1, 2, 5], [(0, 3), (2, 4), (1, 1)], [1, -1, -1]))
    np.testing.assert_allclose(pooled[0], held.rows[[0, 2]].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(pooled[1], held.rows[[2, 5]].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(pooled[2], 0)  # an empty bag


def test_a_fading_bag_counts_its_last_entry_most():
    held = table()
    pooled = held.pool(bags([0, 1, 2], [(0, 3)], fading=0.5))
    expected = (0.25 * held.rows[0] + 0.5 * held.rows[1] + held.rows[2]) / 1.75
    np.testing.assert_allclose(pooled[0], expected, atol=1e-6)


def test_what_is_skipped_does_not_fade_what_came_before():
    held = table()
    with_gap = held.pool(bags([0, 1, 2], [(0, 3)], [1], fading=0.5))
    without = held.pool(bags([0, 2], [(0, 2)], fading=0.5))
    np.testing.assert_allclose(with_gap, without, atol=1e-6)


def test_a_weighted_sum_is_a_row_of_a_matrix_product():
    held = table()
    weights = np.array([0.5, 2.0, -1.0], dtype=np.float32)
    pooled = held.pool(bags([0, 0, 4], [(0, 3)], weights=weights, mean=False))
    np.testing.assert_allclose(pooled[0], 2.5 * held.rows[0] - held.rows[4], atol=1e-6)


@pytest.mark.parametrize("mean", [True, False])
def test_gradients_of_bags_are_the_slopes_of_pooling(mean):
    """Pooling is linear, so a step of 1 must move `sum(g * pooled)` by its exact slope."""
    held, rng = table(optimizer="sgd"), np.random.default_rng(0)
    weights = rng.random(5).astype(np.float32)
    some = bags([0, 3, 3, 5, 1], [(0, 4), (3, 5)], [2, -1], weights=weights, fading=0.7, mean=mean)
    g = rng.normal(size=(2, 3)).astype(np.float32)
    start = held.rows.copy()
    held.add_pooled(some, g)
    held.update(1.0)
    slope = start - held.rows  # the gradient
    for row in range(6):
        for column in range(3):
            held.rows[:] = start
            held.rows[row, column] += 1
            raised = (g * held.pool(some)).sum()
            held.rows[:] = start
            expected = raised - (g * held.pool(some)).sum()
            assert slope[row, column] == pytest.approx(expected, abs=1e-5)


def test_the_number_of_threads_never_changes_a_row():
    rng = np.random.default_rng(0)
    ids, gradients = rng.integers(0, 50, 400), rng.normal(size=(400, 8)).astype(np.float32)
    windows = [(start, start + 30) for start in range(0, 300, 7)]
    found = []
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        held = EmbeddingTable(50, 8, seed=1)
        held.add(ids, gradients)
        held.add_pooled(bags(ids, windows), gradients[: len(windows)])
        held.update(0.01)
        found.append(held.rows.copy())
    np.testing.assert_array_equal(found[0], found[1])


def test_training_goes_on_from_a_state_as_if_it_had_never_stopped():
    rng = np.random.default_rng(0)
    steps = [(rng.integers(0, 6, 4), rng.normal(size=(4, 3))) for _ in range(4)]
    whole, half = table(), table()
    for ids, gradients in steps:
        whole.add(ids, gradients)
        whole.update(0.1)
    for ids, gradients in steps[:2]:
        half.add(ids, gradients)
        half.update(0.1)
    resumed = EmbeddingTable(6, 3, seed=99)
    resumed.load_state({name: array.copy() for name, array in half.state().items()})
    for ids, gradients in steps[2:]:
        resumed.add(ids, gradients)
        resumed.update(0.1)
    np.testing.assert_array_equal(resumed.rows, whole.rows)


def test_memory_follows_the_table_and_not_the_batch():
    held = EmbeddingTable(10_000, 16)
    held.add(np.arange(100), np.ones((100, 16)))
    held.update(0.1)
    assert held.nbytes < 3.2 * held.rows.nbytes  # vectors, two moments, one slot a row


def test_an_unknown_optimizer_is_refused_with_a_hint():
    with pytest.raises(SettingError, match="Did you mean 'adam'"):
        table(optimizer="adams")
