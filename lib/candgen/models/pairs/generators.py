"""GMF, MLP, NeuMF and DeepFactorization: which parts a pair's score has."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from candgen.checks import Count, NotNegative, Positive, Share
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.models.base import VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.models.pairs.learning import PairLearner
from candgen.models.pairs.network import PairNetwork, Parts
from candgen.negatives import make_sampler
from candgen.seeds import derive_seed
from candgen.spaces import Real, Whole
from candgen.training import Learner, TrainingSettings
from candgen.training.losses import make_loss


class PairSettings(TrainingSettings):
    """Settings of all scores of pairs."""

    epochs: Annotated[Count, Whole(4, 32, log=True)] = 8
    l2: Annotated[NotNegative, Real(0.00001, 0.003, log=True)] = 0.0001
    dim: Annotated[Count, Whole(16, 128, log=True)] = 32
    """Length of the vectors of users and items, of each part of the score."""
    biases: bool = True
    """Whether each user and item has a bias; the published GMF, MLP and NeuMF have none, the
    factorization they are compared with has."""
    loss: Literal["logistic", "bpr", "softmax"] = "logistic"
    """Loss of the positive item against its negatives: logistic, bpr or softmax."""
    n_negatives: Annotated[Count, Whole(1, 16, log=True)] = 4
    """Negatives drawn for each positive, anew in every epoch."""
    negative_weight: NotNegative = 4.0
    """Of the logistic loss: weight of all negatives of a positive together, against its 1."""
    negatives: Literal["uniform", "popularity"] = "uniform"
    """Kind of negatives: uniform, or popularity, as likely as (events) ** alpha."""
    alpha: Share = 0.75
    """Of negatives by popularity: power of an item's events, 0 to 1; 0 is uniform."""
    skip_known: bool = True
    """Whether negatives from the user's training events do not count."""
    spread: Positive = 0.01
    """Standard deviation of the initial vectors."""
    fold_in_steps: Count = 200
    """Steps of descent for the vector of a user who was not trained on."""


class GMFSettings(PairSettings):
    """Settings of GMF, which has no layers."""

    epochs: Count = 18
    weighted: bool = True
    """Whether the dimensions have weights; without, this is the plain dot product."""


class LayeredSettings(PairSettings):
    """Settings of NeuMF, shared by all scores with layers."""

    hidden: list[Count] = [64, 32, 16]
    """Sizes of the ReLU layers; the first one is nearest to the vectors."""

    @model_validator(mode="after")
    def _has_layers(self) -> LayeredSettings:
        if not self.hidden:
            raise SettingError(
                "hidden must be a list of at least one size, such as [64, 32]; got []. Without "
                "layers, use GMF."
            )
        return self


class MLPSettings(LayeredSettings):
    """Settings of MLP."""

    epochs: Count = 12
    learning_rate: Positive = 0.01
    spread: Positive = 0.1


class DeepSettings(LayeredSettings):
    """Settings of DeepFactorization."""

    l2: NotNegative = 0.0003
    spread: Positive = 0.1
    layers_over: Literal["concatenation", "product", "both"] = "both"
    """What the layers read: concatenation (as DeepFM), product (as neural factorization machines)
    or both."""


class PairFactorization(LearnedGenerator):
    """A learned score of a user's vector and an item's vector.

    A user's vector is learned from the user's events, so who has none is refused by name. Users
    with a history who were not trained on get a vector by descent on the loss of that history,
    with items and layers still.
    """

    Settings = PairSettings
    chosen: PairSettings

    @abstractmethod
    def _parts(self) -> Parts:
        """Return what the score is made of."""

    def log_odds(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float32]:
        """Score pairs, one item a user, by the network as it was trained; shape `(n_pairs,)`."""
        users, items = self.checked_users(users), self.checked_items(items)
        sides = {"users": users, "items": items[:, None]}
        rows = {n: t.gather(sides[n.split("/")[0]]) for n, t in self._learned.tables.items()}
        return np.array(self._network(rows))[:, 0]

    @property
    def multiplications_(self) -> int:
        """Multiplications that a pair of a user and an item costs when candidates are searched."""
        self._known("known_items_")
        return self._scorer.multiplications

    def _learner(self, dataset: Dataset) -> Learner:
        chosen = self.chosen
        seed = derive_seed(chosen.seed, "network")
        self._network = PairNetwork(self._parts(), chosen.dim, seed=seed)
        tables = self._network.tables(
            dataset.n_users,
            dataset.n_items,
            spread=chosen.spread,
            optimizer=chosen.optimizer,
            seed=chosen.seed,
        )
        sampler = make_sampler(
            chosen.negatives,
            dataset,
            n=chosen.n_negatives * chosen.batch_size,
            batch_size=chosen.batch_size,
            alpha=chosen.alpha,
        )
        return PairLearner(
            dataset,
            self._network,
            tables,
            sampler,
            make_loss(chosen.loss, weight=chosen.negative_weight),
            n_negatives=chosen.n_negatives,
            batch_size=chosen.batch_size,
            skip_known=chosen.skip_known,
            optimizer=chosen.optimizer,
        )

    def _finish(self, learner: Learner, dataset: Dataset) -> None:
        pairs = (dataset.for_validation() if self.chosen.patience else dataset).train_matrix
        trained = np.diff(pairs.indptr) > 0
        history = np.diff(self.history_matrix_.indptr) > 0
        learner.fold_in(
            np.flatnonzero(history & ~trained),
            self.history_matrix_,
            steps=self.chosen.fold_in_steps,
            l2=self.chosen.l2,
            seed=derive_seed(self.chosen.seed, "fold in"),
        )
        self._learned, self._scorer = learner, learner.scorer()

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        return self._scorer.scores(users, items)


class GMF(PairFactorization, VectorGenerator):
    """Generalized matrix factorization: a dot product whose dimensions have learned weights.

    The weights multiply into the users' vectors, so it is searched like any dot product.
    """

    name = "GMF"
    Settings = GMFSettings
    chosen: GMFSettings

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim + 2)`: vector, bias, 1.

        Zeros for items never trained on.
        """
        self._known("known_items_")
        return self._items

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._scorer.user_vectors(users)

    def _finish(self, learner: Learner, dataset: Dataset) -> None:
        super()._finish(learner, dataset)
        self._items = self._scorer.item_vectors()
        self._items[~self.known_items_] = 0

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        return VectorGenerator._score(self, users, items)

    def _parts(self) -> Parts:
        chosen = self.chosen
        return Parts(product=True, weighted=chosen.weighted, biases=chosen.biases)


class MLP(PairFactorization):
    """Layers over the concatenation of a user's and an item's vector."""

    name = "MLP"
    Settings = MLPSettings
    chosen: MLPSettings

    def _parts(self) -> Parts:
        chosen = self.chosen
        return Parts(layers_over="concatenation", hidden=chosen.hidden, biases=chosen.biases)


class NeuMF(PairFactorization):
    """Neural matrix factorization: GMF and MLP side by side, with vectors of their own."""

    name = "NeuMF"
    Settings = LayeredSettings
    chosen: LayeredSettings

    def _parts(self) -> Parts:
        chosen = self.chosen
        return Parts(
            product=True, layers_over="concatenation", hidden=chosen.hidden, biases=chosen.biases
        )


class DeepFactorization(PairFactorization):
    """A dot product, biases, and layers over the interaction of the same vectors."""

    name = "DeepFactorization"
    Settings = DeepSettings
    chosen: DeepSettings

    def _parts(self) -> Parts:
        chosen = self.chosen
        return Parts(
            product=True,
            weighted=False,
            layers_over=chosen.layers_over,
            hidden=chosen.hidden,
            shared=True,
            biases=chosen.biases,
        )
