"""GMF, MLP, NeuMF and DeepFactorization: which parts a pair's score has."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from candgen.checks import number, one_of, whole_number
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.models.base import VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.models.pairs.learning import PairLearner
from candgen.models.pairs.network import LAYERS_OVER, PairNetwork, Parts
from candgen.negatives import make_sampler
from candgen.seeds import derive_seed
from candgen.training import Learner, TrainingSettings
from candgen.training.losses import make_loss

NEGATIVES = ("uniform", "popularity")
LOSSES = ("logistic", "bpr", "softmax")


@dataclass(frozen=True, kw_only=True)
class PairSettings(TrainingSettings):
    """How pairs are taught, whatever their score is made of."""

    dim: int = 32
    """Length of the vectors of users and items, of each part of its own."""
    biases: bool = True
    """Whether each user and item has a number of its own; the published GMF, MLP and NeuMF lack
    it, the factorization they are compared with has it."""
    loss: str = "logistic"
    """logistic, bpr or softmax, of the positive among its negatives."""
    n_negatives: int = 4
    """Items drawn for each positive, anew in every epoch."""
    negative_weight: float = 4.0
    """Of logistic: what the negatives of a positive weigh together, against its 1."""
    negatives: str = "uniform"
    """uniform, or popularity: as likely as (events) ** alpha."""
    alpha: float = 0.75
    """Of popularity."""
    skip_known: bool = True
    """Whether a negative that its user has in training does not count."""
    spread: float = 0.1
    """Standard deviation of the start of the vectors."""
    fold_in_steps: int = 200
    """Steps of descent for the vector of a user who was not trained on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("dim", "n_negatives", "fold_in_steps"):
            whole_number(name, getattr(self, name), at_least=1)
        one_of("loss", self.loss, LOSSES)
        one_of("negatives", self.negatives, NEGATIVES)
        number("negative_weight", self.negative_weight)
        number("alpha", self.alpha)
        number("spread", self.spread, above=0)


@dataclass(frozen=True, kw_only=True)
class GMFSettings(PairSettings):
    """GMF has no layers."""

    weighted: bool = True
    """Whether the dimensions have weights; without, this is the plain dot product."""


@dataclass(frozen=True, kw_only=True)
class LayeredSettings(PairSettings):
    """What layers need besides."""

    hidden: list[int] = field(default_factory=lambda: [64, 32, 16])
    """Sizes of the ReLU layers, the first one nearest to the vectors."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.hidden, str) or not len(self.hidden):
            raise SettingError(
                f"hidden must be a list of at least one size, such as [64, 32]; got "
                f"{self.hidden!r}. Without layers, use GMF."
            )
        sizes = [whole_number("hidden", size, at_least=1) for size in self.hidden]
        object.__setattr__(self, "hidden", sizes)


@dataclass(frozen=True, kw_only=True)
class DeepSettings(LayeredSettings):
    """What layers over shared vectors need besides."""

    layers_over: str = "both"
    """concatenation (as DeepFM), product (as neural factorization machines) or both."""

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("layers_over", self.layers_over, LAYERS_OVER)


class PairFactorization(LearnedGenerator):
    """A learned score of a user's vector and an item's vector.

    A user's vector is learned from the user's events, so who has none is refused by name. Users
    with a history who were not trained on get a vector by descent on the loss of that history,
    with items and layers still.
    """

    Settings = PairSettings
    training: PairSettings

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
        chosen = self.training
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
        pairs = (dataset.for_validation() if self.training.patience else dataset).train_matrix
        trained = np.diff(pairs.indptr) > 0
        self.known_items_ &= np.bincount(pairs.indices, minlength=dataset.n_items) > 0
        history = np.diff(self.history_matrix_.indptr) > 0
        learner.fold_in(
            np.flatnonzero(history & ~trained),
            self.history_matrix_,
            steps=self.training.fold_in_steps,
            l2=self.training.l2,
            seed=derive_seed(self.training.seed, "fold in"),
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
    training: GMFSettings

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
        chosen = self.training
        return Parts(product=True, weighted=chosen.weighted, biases=chosen.biases)


class MLP(PairFactorization):
    """Layers over the concatenation of a user's and an item's vector."""

    name = "MLP"
    Settings = LayeredSettings
    training: LayeredSettings

    def _parts(self) -> Parts:
        chosen = self.training
        return Parts(layers_over="concatenation", hidden=chosen.hidden, biases=chosen.biases)


class NeuMF(PairFactorization):
    """Neural matrix factorization: GMF and MLP side by side, with vectors of their own."""

    name = "NeuMF"
    Settings = LayeredSettings
    training: LayeredSettings

    def _parts(self) -> Parts:
        chosen = self.training
        return Parts(
            product=True, layers_over="concatenation", hidden=chosen.hidden, biases=chosen.biases
        )


class DeepFactorization(PairFactorization):
    """A dot product, biases, and layers over the interaction of the same vectors."""

    name = "DeepFactorization"
    Settings = DeepSettings
    training: DeepSettings

    def _parts(self) -> Parts:
        chosen = self.training
        return Parts(
            product=True,
            weighted=False,
            layers_over=chosen.layers_over,
            hidden=chosen.hidden,
            shared=True,
            biases=chosen.biases,
        )
