"""Ratings from a product of two vectors and a bias, learned together.

    predicted rating of film i by user u  =  x_i . w_u + b_u + m_i

m_i is the film's mean rating, taken off before learning and put back afterwards (mean
normalization). The rest minimizes, over the ratings y_iu that exist,

    J = 1/2 sum (x_i . w_u + b_u - (y_iu - m_i))^2  +  lambda/2 (sum |x_i|^2 + sum |w_u|^2)

Biases carry no penalty. Three ways to the minimum, all from the same start:

- `fit_dense`: a loop over TensorFlow's tape and Adam on whole matrices, as in the machine learning
  course that taught this model to many. Slow; kept as the reference.
- `fit_observed`: the same gradients and the same Adam, compiled, touching only ratings that exist.
- `fit_als`: films and users in turn, each solved exactly; no learning rate.

Koren, Bell and Volinsky, Matrix factorization techniques for recommender systems, Computer 42(8),
2009.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.checks import Count, NotNegative, Positive, checked
from candgen.datasets.rated_films import RatedFilms
from candgen.training import adam, quiet


class Vectors(NamedTuple):
    """Parameters of the model."""

    x: NDArray[np.float64]  # (n_films, dim)
    w: NDArray[np.float64]  # (n_users, dim)
    b: NDArray[np.float64]  # (n_users,)


class Fitted(NamedTuple):
    """Learned vectors and how they came about."""

    vectors: Vectors
    costs: NDArray[np.float64]  # (steps + 1,): before each step, and after the last
    seconds: float

    def of_user(self, user: int) -> NDArray[np.float64]:
        """Predict one user's ratings of all films, means not yet added, shape `(n_films,)`."""
        return self.vectors.x @ self.vectors.w[user] + self.vectors.b[user]

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the seconds spent until each step was done, all taken as equal, and the costs."""
        done = np.arange(1, len(self.costs))
        return self.seconds * done / len(done), self.costs[1:]


def normalized(rated: RatedFilms) -> tuple[RatedFilms, NDArray[np.float64]]:
    """Take each film's mean off its ratings.

    Returns:
        The ratings without their means, and the means, shape `(n_films,)`.
    """
    means = rated.means
    return replace(rated, rating=rated.rating - means[rated.film]), means


def cost(rated: RatedFilms, vectors: Vectors, regularization: float) -> float:
    """Return J, the value that all three ways make small."""
    x, w, b = vectors
    errors = np.einsum("rd,rd->r", x[rated.film], w[rated.user]) + b[rated.user] - rated.rating
    return float(0.5 * (errors @ errors) + 0.5 * regularization * ((x**2).sum() + (w**2).sum()))


def random_start(rated: RatedFilms, dim: int, *, rng: np.random.Generator) -> Vectors:
    """Draw standard normal vectors and biases: users, then films, then biases."""
    dim = checked("dim", dim, Count)
    w = rng.standard_normal((rated.n_users, dim))
    x = rng.standard_normal((rated.n_films, dim))
    return Vectors(x, w, rng.standard_normal(rated.n_users))


def tensorflow_start(rated: RatedFilms, dim: int, *, seed: int = 1234) -> Vectors:
    """Draw the start as TensorFlow does after `tf.random.set_seed(seed)`, in the same order."""
    tf = quiet.tensorflow()
    dim = checked("dim", dim, Count)
    tf.random.set_seed(seed)
    shapes = ((rated.n_users, dim), (rated.n_films, dim), (1, rated.n_users))
    w, x, b = (tf.random.normal(shape, dtype=tf.float64).numpy() for shape in shapes)
    return Vectors(x, w, b[0])


def fit_dense(
    rated: RatedFilms,
    start: Vectors,
    *,
    steps: int = 200,
    regularization: float = 1.0,
    learning_rate: float = 0.1,
) -> Fitted:
    """Learn with TensorFlow, every step over all cells of the matrix; the reference.

    Args:
        rated: Ratings, usually `normalized`.
        start: Where to begin; not changed.
        steps: Steps of Adam.
        regularization: Lambda.
        learning_rate: Adam's.

    Raises:
        SettingError: If a setting is out of range.
    """
    _check(steps, regularization, learning_rate)
    tf = quiet.tensorflow()
    x, w, b = (tf.Variable(part) for part in start)
    y, r = map(tf.constant, rated.dense())
    adam = tf.keras.optimizers.Adam(learning_rate)
    costs = []
    began = time.perf_counter()
    for _ in range(steps):
        with tf.GradientTape() as tape:
            errors = (tf.matmul(x, w, transpose_b=True) + b - y) * r  # (n_films, n_users)
            lengths = tf.reduce_sum(x**2) + tf.reduce_sum(w**2)
            value = 0.5 * tf.reduce_sum(errors**2) + 0.5 * regularization * lengths
        adam.apply_gradients(zip(tape.gradient(value, (x, w, b)), (x, w, b), strict=True))
        costs.append(float(value))
    seconds = time.perf_counter() - began
    vectors = Vectors(x.numpy(), w.numpy(), b.numpy())
    return Fitted(vectors, np.array([*costs, cost(rated, vectors, regularization)]), seconds)


def fit_observed(
    rated: RatedFilms,
    start: Vectors,
    *,
    steps: int = 200,
    regularization: float = 1.0,
    learning_rate: float = 0.1,
) -> Fitted:
    """Learn with the same gradients and the same Adam as `fit_dense`, compiled; arguments alike."""
    _check(steps, regularization, learning_rate)
    import numba

    from candgen.models.ratings import ratings_kernels as kernels

    x, w, b = (np.array(part, dtype=np.float64) for part in start)
    n_threads = numba.get_num_threads()
    by_user = np.argsort(rated.user, kind="stable")
    film_starts, user_starts = (
        _starts(rated.film, rated.n_films),
        _starts(rated.user, rated.n_users),
    )
    films_by_user = rated.film[by_user]
    x_moments, w_moments = np.zeros((2, *x.shape)), np.zeros((2, *w.shape))
    b_moments = np.zeros((2, len(b)))
    errors, moved, costs = np.empty(len(rated.rating)), np.empty_like(x), []
    began = time.perf_counter()
    for step in range(1, steps + 1):
        rate = adam.step_rate(learning_rate, step, adam.FLOAT64)
        value = kernels.film_step(
            film_starts, rated.user, rated.rating, x, w, b, regularization, rate, n_threads,
            *x_moments, errors, moved,
        )  # fmt: skip
        value += kernels.user_step(
            user_starts, films_by_user, by_user, errors, x, w, b, regularization, rate, n_threads,
            *w_moments, *b_moments,
        )  # fmt: skip
        x, moved = moved, x
        costs.append(value)
    seconds = time.perf_counter() - began
    vectors = Vectors(x, w, b)
    return Fitted(vectors, np.array([*costs, cost(rated, vectors, regularization)]), seconds)


def fit_als(
    rated: RatedFilms, start: Vectors, *, sweeps: int = 10, regularization: float = 1.0
) -> Fitted:
    """Learn by solving all users, then all films, exactly; the cost never rises.

    Only the films' vectors of the start matter. A user without ratings ends at zero, bias and all.

    Args:
        rated: Ratings, usually `normalized`.
        start: Where to begin; not changed.
        sweeps: How often users and films are solved.
        regularization: Lambda, above 0.

    Raises:
        SettingError: If a setting is out of range.
    """
    checked("sweeps", sweeps, Count)
    checked("regularization", regularization, Positive)
    import numba

    from candgen.models.ratings.ratings_kernels import ridge_rows

    x, w, b = (np.array(part, dtype=np.float64) for part in start)
    n_threads = numba.get_num_threads()
    by_user = np.argsort(rated.user, kind="stable")
    film_starts = _starts(rated.film, rated.n_films)
    user_starts = _starts(rated.user, rated.n_users)
    of_user = user_starts, rated.film[by_user], rated.rating[by_user]
    costs = [cost(rated, Vectors(x, w, b), regularization)]
    began = time.perf_counter()
    for _ in range(sweeps):
        ridge_rows(*of_user, x, True, regularization, n_threads, w, b)
        left = rated.rating - b[rated.user]
        ridge_rows(film_starts, rated.user, left, w, False, regularization, n_threads, x, b)
        costs.append(cost(rated, Vectors(x, w, b), regularization))
    return Fitted(Vectors(x, w, b), np.array(costs), time.perf_counter() - began)


def solve_user(
    film_vectors: NDArray[np.float64], ratings: NDArray[np.float64], regularization: float
) -> tuple[NDArray[np.float64], float]:
    """Find the vector and the bias of a user with the films held still; zeros without ratings.

    Args:
        film_vectors: Of the films rated, shape `(n, dim)`.
        ratings: Means taken off, shape `(n,)`.
        regularization: Lambda, above 0.
    """
    from candgen.models.ratings.ratings_kernels import ridge_rows

    vector, bias = np.zeros((1, film_vectors.shape[1])), np.zeros(1)
    starts, columns = np.array([0, len(ratings)]), np.arange(len(ratings), dtype=np.int32)
    values = np.asarray(ratings, dtype=np.float64)
    fixed = np.ascontiguousarray(film_vectors, dtype=np.float64)
    ridge_rows(starts, columns, values, fixed, True, float(regularization), 1, vector, bias)
    return vector[0], float(bias[0])


def _starts(rows: NDArray[np.int32], n_rows: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])


def _check(steps: int, regularization: float, learning_rate: float) -> None:
    checked("steps", steps, Count)
    checked("regularization", regularization, NotNegative)
    checked("learning_rate", learning_rate, Positive)
