"""The network over a pair of vectors, as TensorFlow for training and as NumPy for serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.seeds import derive_seed
from candgen.training import EmbeddingTable, quiet


class Parts(NamedTuple):
    """Parts of a pair's log-odds, besides biases."""

    product: bool = False
    """The element-wise product of the vectors, weighted and summed up."""
    weighted: bool = True
    """Whether the product's weights are learned; otherwise they are 1: a plain dot product."""
    layers_over: str = ""
    """What layers see: concatenation, product or both; empty: there are none."""
    hidden: Sequence[int] = ()
    """Sizes of the ReLU layers, the first one nearest to the vectors."""
    shared: bool = False
    """Whether product and layers read the same vectors."""
    biases: bool = True
    """Whether each user and each item has a number of its own."""


class Arrays(NamedTuple):
    """A network's weights as arrays; parts that it lacks are None."""

    level: float
    product: NDArray[np.float32] | None  # (dim,)
    of_user: NDArray[np.float32] | None  # (dim, first): the first layer, taken apart
    of_item: NDArray[np.float32] | None  # (dim, first)
    of_both: NDArray[np.float32] | None  # (dim, first): for the element-wise product
    shift: NDArray[np.float32] | None  # (first,)
    hidden: list[tuple[NDArray[np.float32], NDArray[np.float32]]]  # the layers after the first
    out: NDArray[np.float32] | None  # (last,)


class PairNetwork:
    """Log-odds of pairs from the vectors of their users and items.

    The first layer over a concatenation is the sum of what it makes of the user and what it makes
    of the item, so these are two matrices here: all items of a user are an outer sum away.

    Attributes:
        layers: Keras layers, for `CompiledStep`.
    """

    def __init__(self, parts: Parts, dim: int, *, seed: int) -> None:
        """Make and build the layers.

        Args:
            parts: What there is.
            dim: Length of the vectors.
            seed: Of the start.
        """
        keras = quiet.keras()

        seeds, numbers = iter(range(seed, seed + 10_000)), count()

        def dense(size: int, width: int, start: Any, *, bias: bool = True) -> Any:
            name = f"dense_{next(numbers)}"
            made = keras.layers.Dense(size, use_bias=bias, kernel_initializer=start, name=name)
            made.build((None, width))
            return made

        def spread(width: int) -> Any:  # what keeps the spread of a ReLU layer as it was
            return keras.initializers.RandomNormal(0, np.sqrt(2 / width), seed=next(seeds))

        self.parts, self.dim = parts, dim
        self._product = self._out = None
        self._first: dict[str, Any] = {}
        self._hidden: list[Any] = []
        if parts.product and parts.weighted:
            self._product = dense(1, dim, "ones")
        if parts.layers_over:
            over = [] if parts.layers_over == "product" else ["user", "item"]
            over += [] if parts.layers_over == "concatenation" else ["both"]
            first, *others = parts.hidden
            for name in over:
                start = spread(dim * len(over))
                self._first[name] = dense(first, dim, start, bias=name == over[0])
            for before, size in zip(parts.hidden, others, strict=False):
                self._hidden.append(dense(size, before, spread(before)))
            last = parts.hidden[-1]
            start = keras.initializers.RandomNormal(0, np.sqrt(1 / last), seed=next(seeds))
            self._out = dense(1, last, start)
        made = [self._product, *self._first.values(), *self._hidden, self._out]
        self.layers = [layer for layer in made if layer is not None]

    def tables(
        self, n_users: int, n_items: int, *, spread: float, optimizer: str, seed: int
    ) -> dict[str, EmbeddingTable]:
        """Make the tables that the network reads, by name: `users/product`, `items/bias`, ..."""
        parts, made = self.parts, {}
        read = ["product"] if parts.product or parts.shared else []
        read += ["layers"] if parts.layers_over and not parts.shared else []
        for side, n in (("users", n_users), ("items", n_items)):
            for part in [*read, *(["bias"] if parts.biases else [])]:
                name = f"{side}/{part}"
                made[name] = EmbeddingTable(
                    n,
                    1 if part == "bias" else self.dim,
                    spread=0.0 if part == "bias" else spread,
                    optimizer=optimizer,
                    seed=derive_seed(seed, f"table {name}"),
                )
        return made

    def __call__(self, embedded: Mapping[str, Any]) -> Any:
        """Return log-odds, shape `(n, m)`.

        Args:
            embedded: Vectors at the names of `tables`: users' of shape `(n, dim)`, items' of shape
                `(n, m, dim)`, m items a user.
        """
        tf = quiet.tensorflow()
        total = 0.0
        if self.parts.biases:
            total = embedded["users/bias"] + embedded["items/bias"][:, :, 0]
        if self.parts.product:
            both = embedded["users/product"][:, None, :] * embedded["items/product"]
            weigh = self._product
            total += tf.reduce_sum(both, axis=2) if weigh is None else weigh(both)[:, :, 0]
        if self.parts.layers_over:
            total += self._deep(embedded)
        return total

    def _deep(self, embedded: Mapping[str, Any]) -> Any:
        tf = quiet.tensorflow()
        part = "product" if self.parts.shared else "layers"
        users, items = embedded[f"users/{part}"], embedded[f"items/{part}"]
        x = 0.0  # (n, m, first)
        if "user" in self._first:
            x = self._first["user"](users)[:, None, :] + self._first["item"](items)
        if "both" in self._first:
            x += self._first["both"](users[:, None, :] * items)
        x = tf.nn.relu(x)
        for layer in self._hidden:
            x = tf.nn.relu(layer(x))
        return self._out(x)[:, :, 0]

    def arrays(self) -> Arrays:
        """Return copies of the weights as they stand now."""

        def kernel(layer: Any) -> NDArray[np.float32] | None:
            return None if layer is None else np.array(layer.kernel.numpy())

        first = {name: kernel(layer) for name, layer in self._first.items()}
        shifts = [layer.bias.numpy() for layer in self._first.values() if layer.use_bias]
        ends = [layer for layer in (self._product, self._out) if layer is not None]
        product = None if self._product is None else kernel(self._product)[:, 0]
        if self.parts.product and product is None:
            product = np.ones(self.dim, np.float32)
        return Arrays(
            level=float(sum(layer.bias.numpy()[0] for layer in ends)),
            product=product,
            of_user=first.get("user"),
            of_item=first.get("item"),
            of_both=first.get("both"),
            shift=np.array(shifts[0]) if shifts else None,
            hidden=[(kernel(layer), np.array(layer.bias.numpy())) for layer in self._hidden],
            out=None if self._out is None else kernel(self._out)[:, 0],
        )
