"""Network that makes several vectors of one history: one attention for each interest.

For the event at place t of a window, with the items x_1 .. x_t up to it, interest k is

    v_k(t) = norm(sum_s a_k(s, t) x_s),   a_k(s, t) = softmax over s <= t of
             w_k tanh(W x_s) + b_k[t - s],

where b_k says how much an event counts by how many later ones there are. An interest is a mean of
items, so its vector lies among those of the items that it pays attention to.
"""

from __future__ import annotations

from typing import Any

from candgen.models.sequences.networks import Network
from candgen.training import quiet

_FAR = -1e9  # an attention score that gets no share


class InterestNetwork(Network):
    """Attention for each interest, over the events up to each place."""

    def __init__(
        self, *, dim: int, interests: int, length: int, inner: int, dropout: float, seed: int
    ) -> None:
        """Make the layers.

        Args:
            dim: Length of the vectors.
            interests: Vectors a place.
            length: Places of a row.
            inner: Width of the attention's hidden layer, in multiples of `dim`.
            dropout: Share of values that training drops.
            seed: Of the layers.
        """
        super().__init__(dim, dropout, seed)
        self.interests, self.length = interests, length
        self.wide = self._dense(inner * dim, activation="tanh")
        self.say = self._dense(interests, inputs=inner * dim)
        later = self._keras.layers.Embedding(
            length, interests, embeddings_initializer="zeros", name=self._name()
        )
        self.later = self._add(later, None)

    def states(self, vectors: Any, owners: Any, steps: Any, *, training: bool) -> Any:
        """Return the interests at each place, shape `(rows, length, interests, dim)`."""
        x = self.first_dropout(vectors * self.dim**0.5, training=training)
        shares = self.shares(x, owners)  # (rows, interests, length, length)
        read = quiet.tensorflow().einsum("rkts,rsd->rtkd", shares, x)
        return self.last_norm(read)

    def shares(self, x: Any, owners: Any) -> Any:
        """Return what each place gives to each place, shape `(rows, interests, length, length)`.

        Rows sum to 1 over the places up to and with their own, in the same window.
        """
        tf = quiet.tensorflow()
        places = tf.range(x.shape[1])
        back = places[:, None] - places[None, :]  # (length, length)
        visible = (back >= 0) & (owners[:, :, None] == owners[:, None, :])
        said = tf.transpose(self.say(self.wide(x)), (0, 2, 1))  # (rows, interests, length)
        by_age = tf.transpose(self.later(tf.maximum(back, 0)), (2, 0, 1))  # (interests, length, ..)
        scores = said[:, :, None, :] + by_age[None]
        return tf.nn.softmax(tf.where(visible[:, None], scores, _FAR))
