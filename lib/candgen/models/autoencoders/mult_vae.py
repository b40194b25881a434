"""Mult-VAE: a variational autoencoder of histories with a multinomial likelihood; and Mult-DAE.

The encoder reads the whole history x of a user, of length 1 and with some events dropped, and
returns a normal distribution of the user's taste z; the decoder turns z into a softmax p over all
items, which must explain the history. A user's loss, over the items i of the history, is

    - sum of log p_i  +  kl_weight * KL(N(mean, variance) || N(0, 1)),

with z drawn from the user's distribution in training; when candidates are asked for, z is its mean.
Both sides have one tanh layer. Mult-DAE has neither variance nor KL, and a tanh at z.

Nothing is kept of users: whoever has a history is answered, trained on or not. The last layer is a
product of the decoder's tanh layer with a vector and a bias of each item, so any search by inner
product finds the candidates.

D. Liang, R. Krishnan, M. Hoffman, T. Jebara, "Variational autoencoders for collaborative
filtering", WWW 2018. Ours differ in this: the start is normal and not uniform, and wider in the
encoder's first layer (`spread`); the weights of items there take their steps when a batch has the
item (the lazy form of Adam); their Mult-DAE has no layers besides z.

Cost of an epoch: 6 * users * items * `width` operations, and the steps of the decoder's matrix.
Memory: matrices of a batch by all items, and matrices of all items by `width`.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from candgen.checks import Count, CountOrZero, NotNegative, Positive, Share
from candgen.datasets import Dataset
from candgen.models.autoencoders.learner import AutoencoderLearner
from candgen.models.base import VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.spaces import Real, Whole
from candgen.training import TrainingSettings

_WIDTHS = 64, 600  # of the tanh layers, where the catalogue decides
_OF_ITEMS = 8  # items for each number of the tanh layers


class MultVAESettings(TrainingSettings):
    """Settings of Mult-VAE."""

    dim: Annotated[Count, Whole(32, 256, log=True)] = 200
    """Length of the taste vector z between encoder and decoder."""
    width: CountOrZero = 0
    """Size of the tanh layers; 0: an eighth of the items, but 64 to 600."""
    dropout: Annotated[float, Field(ge=0, le=0.99), Real(0.2, 0.8)] = 0.5
    """Share of a history's events that the encoder does not see in training."""
    variational: bool = True
    """Whether z is drawn from a distribution in training; without, this is Mult-DAE."""
    kl_weight: Annotated[NotNegative, Real(0.02, 1.0, log=True)] = 0.2
    """Weight of the KL divergence after its rise, against 1 of the likelihood; 0: none."""
    kl_rise: Share = 0.85
    """Share of all steps over which the weight of the KL divergence rises."""
    spread: Annotated[Positive, Real(0.01, 1.0, log=True)] = 0.3
    """Standard deviation of the encoder's initial vectors of items. A history has length 1, so with
    the published start, about .01, hundreds of steps pass before histories are told apart."""
    epochs: Annotated[Count, Whole(20, 200, log=True)] = 100
    batch_size: Count = 100
    """Users a step."""
    learning_rate: Annotated[Positive, Real(0.0003, 0.01, log=True)] = 0.001
    watch: str = "ndcg@100"

    def width_for(self, n_items: int) -> int:
        """Return the size of the tanh layers for a catalogue."""
        return self.width or min(max(n_items // _OF_ITEMS, _WIDTHS[0]), _WIDTHS[1])


class MultVAE(LearnedGenerator, VectorGenerator):
    """Scores an item by the logit that a decoder gives it, from the encoded history of the user.

    Items of a history that were never trained on are not read. A history of such items alone gets
    the answer to an empty one, near to popularity.
    """

    name = "Mult-VAE"
    Settings = MultVAESettings
    chosen: MultVAESettings
    folds_in = True

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, width + 1)`, its bias last; or zeros."""
        self._known("known_items_")
        return self._items

    def fold_in(self, weights: csr_array) -> NDArray[np.float32]:
        """Encode and decode histories up to the last layer.

        Args:
            weights: Weight of each event in the history, shape `(n, n_items)`; ones for plain
                events.

        Returns:
            Vectors, shape `(n, width + 1)`; zeros for a user without events.
        """
        self._known("known_users_")
        return self._learned.states(weights)

    def _learner(self, dataset: Dataset) -> AutoencoderLearner:
        return AutoencoderLearner(dataset, self.chosen, self.chosen.width_for(dataset.n_items))

    def _finish(self, learner: AutoencoderLearner, dataset: Dataset) -> None:
        self._learned, self._items = learner, learner.item_vectors()

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.fold_in(self.history_matrix_[users])

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        """Tables with moments, gradients and copies; histories; a few matrices of a batch."""
        width = self.chosen.width_for(n_items)
        return 56 * n_items * width + 24 * self.batch_size * n_items + 16 * n_events
