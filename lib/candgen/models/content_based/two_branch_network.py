"""Two small networks that meet in a dot product, trained by one compiled call an epoch.

Each branch is dense-ReLU, dense-ReLU, dense; its output is scaled to length 1, and the prediction
is the product of both, so it lies in [-1, 1]. Trained by mean squared error with Adam.

Keras hands every batch to the runtime by itself, which for layers this small costs far more than
the arithmetic. Here the loop over batches is part of the compiled program: rows stay in two tables,
a batch is a slice of (user row, item row, target), and one call runs a whole epoch. All weights lie
in one vector, so that Adam is one pass over memory a step instead of a dozen small ones.

Start and optimizer are those of Keras: Glorot uniform weights, zero biases, Adam with beta .9 and
.999 and epsilon 1e-7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.training import quiet
from candgen.training.compile_time import Stopwatch, Took, count

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7
_SHORTEST = 1e-12  # squared; a vector of zeros stays one
_ROWS_AT_ONCE = 8192
_PAIRS_AT_ONCE = 131_072  # whose inputs are made at once, where each pair has its own


class Pairs(NamedTuple):
    """Training rows: which user row meets which item row, and what their product should be."""

    users: NDArray[np.integer]  # (n,)
    items: NDArray[np.integer]  # (n,)
    targets: NDArray[np.floating]  # (n,)


Seen = Callable[[Pairs, NDArray[np.int64]], tuple[NDArray[np.floating], NDArray[np.floating]]]


class Branch(NamedTuple):
    """One network as its weights and biases, in order."""

    weights: tuple[NDArray[np.float32], ...]  # each (inputs, outputs)
    biases: tuple[NDArray[np.float32], ...]

    def vectors(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return one vector of length 1 a row, shape `(n, dim)`."""
        blocks = [
            self._block(inputs[start : start + _ROWS_AT_ONCE])
            for start in range(0, len(inputs), _ROWS_AT_ONCE)
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.dim), dtype=np.float32)

    def _block(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        x = np.asarray(inputs, dtype=np.float32)
        for place, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ w + b
            if place < len(self.weights) - 1:
                np.maximum(x, 0, out=x)
        return x / np.sqrt(np.maximum((x * x).sum(axis=1, keepdims=True), _SHORTEST))

    @property
    def dim(self) -> int:
        return self.weights[-1].shape[1]

    @property
    def n_parameters(self) -> int:
        return sum(held.size for held in (*self.weights, *self.biases))


class Network(NamedTuple):
    """Both branches."""

    user: Branch
    item: Branch

    @property
    def n_parameters(self) -> int:
        return self.user.n_parameters + self.item.n_parameters

    def loss(self, users: NDArray, items: NDArray, pairs: Pairs) -> float:
        """Return the mean squared error over pairs of rows of the two input tables."""
        u, v = self.user.vectors(users), self.item.vectors(items)
        product = np.einsum("nd,nd->n", u[pairs.users], v[pairs.items])
        return float(np.square(product - pairs.targets).mean(dtype=np.float64))


class Trained(NamedTuple):
    """A network, and how it came about."""

    network: Network
    losses: list[float]  # mean over the batches of each epoch, while weights move, as Keras has it
    seconds: list[float]  # of each epoch; the first one may compile


def new_network(
    n_user_inputs: int, n_item_inputs: int, hidden: tuple[int, ...], dim: int, seed: int
) -> Network:
    """Draw a network as Keras starts one: Glorot uniform weights, zero biases."""
    rng = np.random.default_rng(seed)
    made = []
    for inputs in (n_user_inputs, n_item_inputs):
        sizes = (inputs, *hidden, dim)
        weights = []
        for fan_in, fan_out in pairwise(sizes):
            limit = np.sqrt(6 / (fan_in + fan_out))
            drawn = rng.uniform(-limit, limit, (fan_in, fan_out))
            weights.append(drawn.astype(np.float32))
        biases = tuple(np.zeros(size, dtype=np.float32) for size in sizes[1:])
        made.append(Branch(tuple(weights), biases))
    return Network(*made)


def train_network(
    users: NDArray[np.floating],
    items: NDArray[np.floating],
    pairs: Pairs | Callable[[np.random.Generator], Pairs],
    *,
    seen: Seen | None = None,
    hidden: tuple[int, ...] = (256, 128),
    dim: int = 32,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> Trained:
    """Train both branches on pairs of rows; the rows are shuffled anew each epoch.

    Args:
        users: What the user branch sees, shape `(n_user_rows, inputs)`, standardized.
        items: What the item branch sees, shape `(n_item_rows, inputs)`, standardized.
        pairs: The training rows, or a function that draws as many for each epoch.
        seen: Returns what the branches see of some pairs, a row each, given the pairs and their
            places among all; then `users` and `items` only say how many inputs there are.
        hidden: Sizes of the ReLU layers.
        dim: Length of the vectors.
        epochs: Passes over the pairs.
        batch_size: Pairs a step; the last step of an epoch takes what is left.
        learning_rate: Of Adam.
        seed: Of the start and of the order.
    """
    tf = quiet.tensorflow()
    start = new_network(users.shape[1], items.shape[1], hidden, dim, seed)
    rng = np.random.default_rng((seed, 1))
    weights = [held for branch in start for held in (*branch.weights, *branch.biases)]
    shapes = tuple(held.shape for held in weights)
    epoch = _compiled_epoch(batch_size, learning_rate, shapes)
    with tf.device("CPU"):  # layers this small lose more by travelling than they gain
        tables = tuple(tf.constant(np.asarray(t, np.float32)) for t in (users, items))
        flat = tf.constant(np.concatenate([held.ravel() for held in weights]))
        state = (flat, tf.zeros_like(flat), tf.zeros_like(flat), tf.constant(0.0))
        losses, took, compiled = [], [], []
        for _ in range(epochs):
            clock, traced = Stopwatch(), epoch.experimental_get_tracing_count()
            drawn = pairs(rng) if callable(pairs) else pairs
            order = rng.permutation(len(drawn.targets))
            total = 0.0
            for places in [order] if seen is None else _parts(order, batch_size):
                part = Pairs(*(column[places] for column in drawn))
                rows = part.users, part.items
                if seen is not None:
                    tables = tuple(tf.constant(t, tf.float32) for t in seen(part, places))
                    rows = (np.arange(len(places)),) * 2
                columns = (tf.constant(column, tf.int32) for column in rows)
                state, loss = epoch(*tables, *columns, tf.constant(part.targets, tf.float32), state)
                total += float(loss) * len(places)
            losses.append(total / len(order))
            took.append(clock.read())
            compiled.append(epoch.experimental_get_tracing_count() > traced)
    _count_compiling(took, compiled)
    ends = np.cumsum([held.size for held in weights])[:-1]
    parts = np.split(state[0].numpy(), ends)
    trained = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    return Trained(_as_network(trained), losses, [each.seconds for each in took])


def _parts(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Cut an order into few parts of whole batches; all but the last have the same size."""
    n = len(order)
    size = -(-n // -(-n // _PAIRS_AT_ONCE))
    size = -(-size // batch_size) * batch_size
    return [order[start : start + size] for start in range(0, n, size)]


def _count_compiling(took: list[Took], compiled: list[bool]) -> None:
    """Count as compiling what epochs that compiled took beyond the quickest of the others."""
    usual = min((t for t, c in zip(took, compiled, strict=True) if not c), default=None)
    for each in [t for t, c in zip(took, compiled, strict=True) if c and usual is not None]:
        beyond = [max(0.0, spent - known) for spent, known in zip(each, usual, strict=True)]
        count(Took(*beyond))


@lru_cache(maxsize=4)  # compiled once for each shape of the rows, however often it is asked for
def _compiled_epoch(batch_size: int, learning_rate: float, shapes: tuple) -> Callable[..., Any]:
    """Make a function that runs an epoch in one XLA call and returns the new state and the loss."""
    tf = quiet.tensorflow()
    n_layers, sizes = len(shapes) // 4, [math.prod(shape) for shape in shapes]

    def branch(x: Any, held: Any) -> Any:
        for layer in range(n_layers):
            x = tf.matmul(x, held[layer]) + held[n_layers + layer]
            if layer < n_layers - 1:
                x = tf.nn.relu(x)
        return tf.math.l2_normalize(x, axis=1, epsilon=_SHORTEST)

    def step(users: Any, items: Any, batch: Any, state: Any) -> Any:
        flat, first, second, steps = state
        weights = [tf.reshape(h, s) for h, s in zip(tf.split(flat, sizes), shapes, strict=True)]
        of_user, of_item, targets = batch
        u, v = tf.gather(users, of_user), tf.gather(items, of_item)  # (batch, inputs)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            mine, theirs = branch(u, weights[: 2 * n_layers]), branch(v, weights[2 * n_layers :])
            loss = tf.reduce_mean(tf.square(tf.reduce_sum(mine * theirs, axis=1) - targets))
        slopes = tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(loss, weights)], axis=0)
        steps += 1.0
        rate = learning_rate * tf.sqrt(1 - _BETA_2**steps) / (1 - _BETA_1**steps)
        first += (slopes - first) * (1 - _BETA_1)
        second += (slopes * slopes - second) * (1 - _BETA_2)
        flat -= rate * first / (tf.sqrt(second) + _EPSILON)
        return (flat, first, second, steps), loss

    @tf.function(jit_compile=True, autograph=False)
    def epoch(users: Any, items: Any, of_user: Any, of_item: Any, targets: Any, state: Any) -> Any:
        n_rows = of_user.shape[0]
        n_steps = n_rows // batch_size
        whole = n_steps * batch_size
        columns = (of_user, of_item, targets)
        batches = [tf.reshape(c[:whole], (n_steps, batch_size)) for c in columns]

        def body(i: Any, state: Any, total: Any) -> Any:
            state, loss = step(users, items, [held[i] for held in batches], state)
            return i + 1, state, total + loss

        total = tf.constant(0.0)
        if n_steps:
            loop = (tf.constant(0), state, total)
            _, state, total = tf.while_loop(lambda i, *_: i < n_steps, body, loop)
            total *= batch_size
        if whole < n_rows:
            state, loss = step(users, items, [c[whole:] for c in columns], state)
            total += loss * (n_rows - whole)
        return state, total / n_rows

    return epoch


def _as_network(held: list[NDArray[np.float32]]) -> Network:
    half, quarter = len(held) // 2, len(held) // 4
    user, item = held[:half], held[half:]
    return Network(
        Branch(tuple(user[:quarter]), tuple(user[quarter:])),
        Branch(tuple(item[:quarter]), tuple(item[quarter:])),
    )
