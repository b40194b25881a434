"""Settings of the weighted factorizations; each solver adds its own to the shared objective."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from candgen.checks import Count, CountOrZero, NotNegative, Positive, Settings
from candgen.errors import SettingError
from candgen.spaces import Real, Whole
from candgen.training.watch_settings import WatchSettings


class ObjectiveSettings(Settings):
    """Settings of the objective, of the number of passes and of the start."""

    dim: Annotated[Count, Whole(8, 128, log=True)] = 32
    """Length of the vectors of users and items."""
    epochs: Annotated[Count, Whole(4, 24, log=True)] = 12
    """Passes over the events."""
    unobserved_weight: Annotated[NotNegative, Real(0.001, 1.0, log=True)] = 0.1
    """w0: weight of every pair's pull towards 0; an observed pair weighs 1."""
    regularization: Annotated[NotNegative, Real(0.0003, 0.1, log=True)] = 0.003
    """Penalty on the squared length of the vectors; also on the biases of MF-logistic."""
    frequency_power: NotNegative = 1.0
    """Power of the events of a row that scales its penalty. Exactly, the penalty is multiplied by
    (its observed pairs + w0 * all its pairs) to this power; 0 treats all rows alike."""
    seed: CountOrZero = 0
    """Seed of the initial vectors and, for gradient descent, of the order and the drawn pairs."""


class FactorizationSettings(WatchSettings, ObjectiveSettings):
    """The objective, then what is watched while it is reached."""


class WeightedSettings(FactorizationSettings):
    """Settings of the squared objective, whose observed pairs can have weights."""

    weight_by: str = ""
    """Column of the events that weights observed pairs; repeats are summed. Empty: all weigh 1."""
    weight_power: NotNegative = 0.0
    """Observed pairs weigh (n_user * n_item) to the power -weight_power besides; 0: all alike."""


class WALSSettings(WeightedSettings):
    """Settings of WALS."""

    solver: Literal["cg", "cholesky"] = "cg"
    """"cg" takes a few steps of conjugate gradients a sweep; "cholesky" solves each row exactly."""
    cg_steps: Count = 3
    """Steps of conjugate gradients per row and sweep."""

    @model_validator(mode="after")
    def _something_bounds_the_vectors(self) -> WALSSettings:
        if self.unobserved_weight == 0 and self.regularization == 0:
            raise SettingError(
                "unobserved_weight and regularization are both 0: nothing would keep the vectors "
                "of rare users and items finite. Set one of them above 0."
            )
        return self


class DescentSettings(FactorizationSettings):
    """Settings of gradient descent, which needs more passes than alternating solves."""

    epochs: Annotated[Count, Whole(10, 80, log=True)] = 40
    n_negatives: Count = 4
    """Pairs drawn for each observed one, where the pull of all pairs is sampled."""
    optimizer: Literal["adam", "adagrad"] = "adam"
    """Optimizer; it updates only the rows of the batch."""
    learning_rate: Annotated[Positive, Real(0.005, 0.2, log=True)] = 0.05
    """Learning rate of the first batch; it falls linearly to 0."""
    batch_size: Count = 1024
    """Observed pairs a batch."""


class SGDSettings(DescentSettings, WeightedSettings):
    """Settings of MF-SGD."""

    unobserved: Literal["gravity", "sampled"] = "gravity"
    """"gravity" counts the pull of all pairs exactly; "sampled" draws `n_negatives` pairs."""


class LogisticSettings(DescentSettings):
    """Settings of MF-logistic."""

    labels: Literal["events", "impressions"] = "events"
    """"events" are ones; "impressions" adds a 0 for each pair that was shown without an event."""
