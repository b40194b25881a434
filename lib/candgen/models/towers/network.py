"""A tower: from the vectors of its inputs to one vector in the common space.

With hidden layers, the inputs stand side by side and go through them, with or without
normalization, to `dim` numbers. Without any, the inputs are added up: ids alone are then plain
factorization, and features beside them what LightFM does (Kula, 2015). The user's own vector and
the mean of the history may share the sum as SimpleX has it (Mao et al., CIKM 2021):
`share * id + (1 - share) * history`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from candgen.models.towers.inputs import Input
from candgen.training import quiet


class Tower:
    """Maps looked-up inputs to vectors; a TensorFlow function that XLA can compile.

    Attributes:
        layers: Keras layers it uses, built; empty where there are none to learn.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[Input],
        *,
        dim: int,
        hidden: Sequence[int] = (),
        normalization: str = "none",
        unit: bool = False,
        id_share: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Build the layers.

        Args:
            name: Before the names of its inputs in what it is given, such as "query".
            inputs: What it reads, in this order. Without hidden layers all have width `dim`.
            dim: Length of its vectors.
            hidden: Sizes of the ReLU layers before the last, linear one.
            normalization: "layer" normalizes what enters each ReLU; "none" does not.
            unit: Whether vectors are scaled to length 1.
            id_share: Without hidden layers and with inputs id and history: the share of id of
                their sum; 0 adds them as they are.
            seed: Of the start of the layers.
        """
        self.name, self.dim, self.unit, self.id_share = name, dim, unit, id_share
        self.inputs, self.hidden = [i.name for i in inputs], list(hidden)
        self.attends = [i.name for i in inputs if i.attends]
        self._dense: list[tuple[Any, Any]] = []  # (dense, normalization or None)
        self._attention: dict[str, tuple[Any, Any]] = {}
        self.layers: list[Any] = []
        widths = {i.name: i.width for i in inputs}
        if self.hidden or self.attends:
            self._build(widths, normalization, seed)

    def __call__(self, embedded: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
        """Return the vectors, shape `(n, dim)`, of inputs at `"<tower>/<input>"`.

        Args:
            embedded: Looked-up inputs, shape `(n, width)`, or `(n, most, width)` for attention.
            given: Masks of what attention looks at, at `"<tower>/<input>/mask"`.
        """
        tf = quiet.tensorflow()
        found = {name: embedded[f"{self.name}/{name}"] for name in self.inputs}
        for name in self.attends:
            found[name] = self._attend(name, found[name], given[f"{self.name}/{name}/mask"])
        if self.hidden:
            x = tf.concat([found[name] for name in self.inputs], axis=1)
            *before, (last, _) = self._dense
            for dense, normalize in before:
                x = dense(x)
                x = tf.nn.relu(x if normalize is None else normalize(x))
            x = last(x)
        else:
            if self.id_share and {"id", "history"} <= set(found):
                found["id"] = self.id_share * found["id"]
                found["history"] = (1 - self.id_share) * found["history"]
            x = tf.add_n([found[name] for name in self.inputs])
        return unit_vectors(x) if self.unit else x

    def _attend(self, name: str, vectors: Any, mask: Any) -> Any:
        """Pool vectors `(n, most, width)` by weights that they themselves decide."""
        tf = quiet.tensorflow()
        mix, rate = self._attention[name]
        scores = rate(tf.tanh(mix(vectors)))[:, :, 0] + (mask - 1) * 1e9  # (n, most)
        weights = tf.nn.softmax(scores) * mask  # zeros where there is nothing to look at
        return tf.reduce_sum(weights[:, :, None] * vectors, axis=1)

    def _build(self, widths: Mapping[str, int], normalization: str, seed: int) -> None:
        keras = quiet.keras()

        seeds, numbers = iter(range(seed, seed + 10_000)), count()

        def dense(size: int, width: int, *, bias: bool = True) -> Any:
            start = keras.initializers.GlorotUniform(seed=next(seeds))
            name = f"{self.name}_{next(numbers)}"
            made = keras.layers.Dense(size, use_bias=bias, kernel_initializer=start, name=name)
            made.build((None, width))
            return made

        for name in self.attends:
            width = widths[name]
            self._attention[name] = (dense(width, width), dense(1, width, bias=False))
            self.layers += self._attention[name]
        width = sum(widths.values())
        for size in self.hidden:
            normalize = None
            if normalization == "layer":
                normalize = keras.layers.LayerNormalization(name=f"{self.name}_{next(numbers)}")
                normalize.build((None, size))
                self.layers.append(normalize)
            self._dense.append((dense(size, width), normalize))
            width = size
        if self.hidden:
            self._dense.append((dense(self.dim, width), None))
        self.layers += [held for held, _ in self._dense]


def unit_vectors(x: Any) -> Any:
    """Scale rows to length 1; zeros stay zeros, and so does their gradient."""
    tf = quiet.tensorflow()
    squares = tf.reduce_sum(x * x, axis=1, keepdims=True)
    return x * tf.math.rsqrt(tf.maximum(squares, 1e-12))
