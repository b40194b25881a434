"""Networks that read items in order: self-attention, and a gated recurrence.

Both take the vectors of items in rows of places and return, for each place, a state that knows
this item and the ones before it in the same window, and nothing else: windows that share a row do
not see each other. The product of a state and an item's vector is the score of what comes next.
Attention that is not causal knows the items after a place, too, and guesses what is hidden there.
"""

from __future__ import annotations

from typing import Any

from candgen.seeds import derive_seed
from candgen.training import quiet

_SPREAD = 0.02  # standard deviation of weights and positions at the start
_EPSILON = 1e-6
_FAR = -1e9  # an attention score that gets no share
_LENGTHS_OF_TIME = 32  # 0 s, 1-2 s, 3-6 s, 7-14 s, ..., more than 68 years


class Network:
    """Base class of both networks: embeddings in, dropout, a last normalization.

    Attributes:
        layers: All Keras layers, built.
    """

    def __init__(self, dim: int, dropout: float, seed: int) -> None:
        keras = quiet.keras()

        self.dim, self.dropout = dim, dropout
        self._keras, self._seed = keras, seed
        self.layers: list[Any] = []
        self.first_dropout = self._dropout()
        self.last_norm = self._norm()

    reads_times = False
    """Whether `states` needs times."""

    def states(
        self, vectors: Any, owners: Any, steps: Any, *, times: Any = None, training: bool
    ) -> Any:
        """Return a state a place.

        Args:
            vectors: Of the items, shape `(rows, length, dim)`.
            owners: The window of each place, shape `(rows, length)`; others are not seen.
            steps: Places of the same window before each place, shape `(rows, length)`.
            times: Seconds of each place, from any moment of its window, shape `(rows, length)`.
            training: Whether dropout is at work.
        """
        raise NotImplementedError

    def _drawn(self) -> int:
        """Return a seed of its own for each layer, from the network's seed."""
        return derive_seed(self._seed, f"layer {len(self.layers)}") % 2**31

    def _name(self) -> str:
        """Return a name that is the same in the next network, unlike the names Keras counts."""
        return f"layer_{len(self.layers)}"

    def _add(self, layer: Any, *shape: int | None) -> Any:
        layer.build(shape)
        self.layers.append(layer)
        return layer

    def _dense(self, units: int, *, inputs: int | None = None, **options: Any) -> Any:
        start = self._keras.initializers.RandomNormal(stddev=_SPREAD, seed=self._drawn())
        options |= {"kernel_initializer": start, "name": self._name()}
        dense = self._keras.layers.Dense(units, **options)
        return self._add(dense, None, inputs or self.dim)

    def _norm(self) -> Any:
        norm = self._keras.layers.LayerNormalization(epsilon=_EPSILON, name=self._name())
        return self._add(norm, None, self.dim)

    def _dropout(self) -> Any:
        dropout = self._keras.layers.Dropout(self.dropout, seed=self._drawn(), name=self._name())
        return self._add(dropout, None)


class AttentionNetwork(Network):
    """Blocks of self-attention and a dense pair, as in SASRec, normalized at the entrance.

    W.-C. Kang and J. McAuley, "Self-attentive sequential recommendation", ICDM 2018. Gated layers
    are those of F. Borisyuk et al., "From features to transformers: redefining ranking for scalable
    impact", 2025 (LiGR), which D. Tikhonovich et al., "eSASRec: enhancing transformer-based
    recommendations in a modular fashion", RecSys 2025, put into SASRec. The bias by time is that of
    J. Zhai et al., "Actions speak louder than words: trillion-parameter sequential transducers for
    generative recommendations", ICML 2024 (HSTU), from the event that is read instead of the one
    that is to be found, whose time nobody knows beforehand.
    """

    def __init__(
        self,
        *,
        dim: int,
        length: int,
        blocks: int,
        heads: int,
        inner: int,
        dropout: float,
        causal: bool = True,
        gated: bool = False,
        reads_times: bool = False,
        seed: int,
    ) -> None:
        """Draw the start.

        Args:
            dim: Length of the vectors.
            length: Places in a window, at most.
            blocks: Layers.
            heads: Of each layer; they share `dim`.
            inner: Width of the dense pair, in multiples of `dim`.
            dropout: Share of values that training drops.
            causal: Whether a place sees no later place of its window.
            gated: Whether what a layer adds is multiplied by a gate that reads what it is added to,
                and the dense pair has a gate inside, too.
            reads_times: Whether scores of attention depend on how much time lies between two
                places: a number is learned for each head and length of time, in steps of twice as
                much.
            seed: Of the start and of dropout.
        """
        super().__init__(dim, dropout, seed)
        self.heads, self.length, self.causal, self.gated = heads, length, causal, gated
        self.reads_times = reads_times
        start = self._keras.initializers.RandomNormal(stddev=_SPREAD, seed=self._drawn())
        positions = self._keras.layers.Embedding(
            length, dim, embeddings_initializer=start, name=self._name()
        )
        self.positions = self._add(positions, None)
        self.blocks = [self._block(inner) for _ in range(blocks)]

    def _block(self, inner: int) -> dict[str, Any]:
        block = {
            "attention norm": self._norm(),
            "query, key, value": self._dense(3 * self.dim),
            "shares dropout": self._dropout(),
            "out": self._dense(self.dim),
            "out dropout": self._dropout(),
            "dense norm": self._norm(),
            "wide": self._dense(inner * self.dim, activation="silu" if self.gated else "gelu"),
            "narrow": self._dense(self.dim, inputs=inner * self.dim),
            "narrow dropout": self._dropout(),
        }
        if self.gated:
            block["attention gate"] = self._dense(self.dim, activation="sigmoid")
            block["wide gate"] = self._dense(inner * self.dim)
            block["dense gate"] = self._dense(self.dim, activation="sigmoid")
        if self.reads_times:
            start = self._keras.initializers.RandomNormal(stddev=_SPREAD, seed=self._drawn())
            far = self._keras.layers.Embedding(
                _LENGTHS_OF_TIME, self.heads, embeddings_initializer=start, name=self._name()
            )
            block["time between"] = self._add(far, None)
        return block

    def states(
        self, vectors: Any, owners: Any, steps: Any, *, times: Any = None, training: bool
    ) -> Any:
        return self._run(vectors, owners, steps, times, training)[0]

    def shares(self, vectors: Any, owners: Any, steps: Any, times: Any = None) -> Any:
        """Return what each place looks at, shape `(blocks, rows, heads, length, length)`."""
        return quiet.tensorflow().stack(self._run(vectors, owners, steps, times, False)[1])

    def _run(
        self, vectors: Any, owners: Any, steps: Any, times: Any, training: bool
    ) -> tuple[Any, list[Any]]:
        tf = quiet.tensorflow()
        between = _length_of_time(times) if self.reads_times else None
        visible = owners[:, :, None] == owners[:, None, :]  # (rows, length, length)
        if self.causal:
            places = tf.range(vectors.shape[1])
            visible &= places[:, None] >= places[None, :]
        else:  # positions count from the end, where the mask stands when candidates are asked for
            steps = tf.reduce_max(tf.where(visible, steps[:, None, :], 0), axis=2) - steps
        x = vectors * self.dim**0.5 + self.positions(steps)
        x = self.first_dropout(x, training=training)
        looked = []
        for block in self.blocks:
            heard, shares = self._attend(block, x, visible, between, training)
            heard = block["out dropout"](block["out"](heard), training=training)
            x += block["attention gate"](x) * heard if self.gated else heard
            inside = block["dense norm"](x)
            wide = block["wide"](inside)
            wide = wide * block["wide gate"](inside) if self.gated else wide
            made = block["narrow dropout"](block["narrow"](wide), training=training)
            x += block["dense gate"](x) * made if self.gated else made
            looked.append(shares)
        return self.last_norm(x), looked

    def _attend(
        self, block: dict, x: Any, visible: Any, between: Any, training: bool
    ) -> tuple[Any, Any]:
        tf = quiet.tensorflow()
        rows, length, _ = x.shape
        made = block["query, key, value"](block["attention norm"](x))
        made = tf.reshape(made, (rows, length, 3, self.heads, self.dim // self.heads))
        query, key, value = tf.unstack(tf.transpose(made, (2, 0, 3, 1, 4)))  # (rows, heads, ...)
        scores = tf.matmul(query, key, transpose_b=True) * (self.dim // self.heads) ** -0.5
        if between is not None:
            scores += tf.transpose(block["time between"](between), (0, 3, 1, 2))
        shares = tf.nn.softmax(tf.where(visible[:, None], scores, _FAR))
        dropped = block["shares dropout"](shares, training=training)
        heard = tf.transpose(tf.matmul(dropped, value), (0, 2, 1, 3))
        return tf.reshape(heard, (rows, length, self.dim)), shares


def _length_of_time(times: Any) -> Any:
    """Return floor(log2(1 + seconds between two places)), shape `(rows, length, length)`."""
    tf = quiet.tensorflow()
    seconds = tf.cast(tf.abs(times[:, :, None] - times[:, None, :]), tf.float32)
    doubled = tf.math.log(1 + seconds) / tf.math.log(2.0)
    return tf.minimum(tf.cast(doubled + 1e-5, tf.int32), _LENGTHS_OF_TIME - 1)  # of 2**n is n


class RecurrentNetwork(Network):
    """Layers of gated recurrent units that forget everything where a window begins, as in GRU4Rec.

    B. Hidasi, A. Karatzoglou, L. Baltrunas, D. Tikk, "Session-based recommendations with recurrent
    neural networks", ICLR 2016.
    """

    def __init__(self, *, dim: int, blocks: int, dropout: float, seed: int) -> None:
        super().__init__(dim, dropout, seed)
        self.blocks = [self._block() for _ in range(blocks)]

    def _block(self) -> dict[str, Any]:
        orthogonal = self._keras.initializers.Orthogonal(seed=self._drawn())
        glorot = self._keras.initializers.GlorotUniform(seed=self._drawn())

        def dense(start: Any) -> Any:
            made = self._keras.layers.Dense(
                3 * self.dim, kernel_initializer=start, name=self._name()
            )
            return self._add(made, None, self.dim)

        into, again = dense(glorot), dense(orthogonal)
        return {"into": into, "again": again, "dropout": self._dropout()}

    def states(
        self, vectors: Any, owners: Any, steps: Any, *, times: Any = None, training: bool
    ) -> Any:
        tf = quiet.tensorflow()
        goes_on = tf.transpose(tf.cast(steps > 0, tf.float32))[:, :, None]  # (length, rows, 1)
        x = self.first_dropout(vectors * self.dim**0.5, training=training)
        for block in self.blocks:
            x = self._recur(block, x, goes_on)
            x = block["dropout"](x, training=training)
        return self.last_norm(x)

    def _recur(self, block: dict, x: Any, goes_on: Any) -> Any:
        tf = quiet.tensorflow()
        rows, length, dim = x.shape
        inputs = tf.transpose(block["into"](x), (1, 0, 2))  # (length, rows, 3 dim)

        def step(t: Any, state: Any, kept: Any) -> tuple[Any, Any, Any]:
            state *= goes_on[t]
            of_input, of_state = inputs[t], block["again"](state)
            gates = tf.sigmoid(of_input[:, : 2 * dim] + of_state[:, : 2 * dim])
            keep, reset = tf.split(gates, 2, axis=1)
            new = tf.tanh(of_input[:, 2 * dim :] + reset * of_state[:, 2 * dim :])
            state = keep * state + (1 - keep) * new
            return t + 1, state, kept.write(t, state)

        kept = tf.TensorArray(tf.float32, size=length, element_shape=(rows, dim))
        loop = (tf.constant(0), tf.zeros((rows, dim)), kept)
        *_, kept = tf.while_loop(lambda t, *_: t < length, step, loop, maximum_iterations=length)
        return tf.transpose(kept.stack(), (1, 0, 2))
