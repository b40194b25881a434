"""Settings of the generators that read a history in its order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from candgen.checks import Count, CountOrZero, Positive, Share
from candgen.errors import SettingError
from candgen.spaces import Real, Whole
from candgen.training import TrainingSettings


class SequenceSettings(TrainingSettings):
    """Settings that all of them share."""

    dim: Annotated[Count, Whole(32, 128, log=True)] = 64
    """Length of the vectors, and width of the network."""
    window: Count = 50
    """Events that are read at most, and places in a row of a batch; 200 for long histories."""
    windows: Literal["all", "last"] = "all"
    """"all" cuts whole histories into windows; "last" learns from each user's newest window."""
    blocks: Annotated[Count, Whole(1, 3)] = 2
    """Layers of attention or of recurrence."""
    dropout: Annotated[float, Field(ge=0, le=0.99), Real(0.0, 0.6)] = 0.3
    """Share of values that training drops, at each dropout layer."""
    initial_vectors: Literal["random", "neighbours"] = "random"
    """Item vectors at the start: random, or neighbours, a factorization of which items occur beside
    each other, which is most of the way where events are few."""
    spread: Positive = 0.02
    """Standard deviation of the initial vectors."""
    direct: CountOrZero = 0
    """Length of the vectors of a direct path from the newest items to the score, counted from which
    items followed which and added to the trained network's score (`direct`); 0: no such path. It
    helps where events are few, and where the next one depends on the last ones more than on
    taste."""
    direct_weight: Positive = 4.0
    """With direct: weight of its score. Above 1, since it is a mean over the newest items, of which
    most say nothing of the next one, and one or two say much."""
    direct_fading: Annotated[float, Field(gt=0, le=1)] = 0.8
    """With direct: weight factor per later item, as `fading` elsewhere; 1: all alike."""
    loss: Literal["softmax", "logistic", "gbce"] = "softmax"
    """softmax of the target among its `negatives`, logistic, or gbce. "logistic" is binary
    cross-entropy against one uniform negative that the user does not have, "gbce" generalized
    binary cross-entropy against `n_negatives` uniform ones, as in gSASRec, which the places of a
    row share; `negatives` says nothing to either."""
    negatives: Literal["all", "uniform", "popularity"] = "all"
    """Of softmax, kind of negatives: all, uniform or popularity; the places of a batch share a
    sample."""
    n_negatives: Count = 1000
    """Negatives drawn for a batch, with uniform and popularity; for each row with gbce, whose
    authors draw 256."""
    alpha: Share = 0.75
    """Of negatives by popularity: power of an item's events, 0 to 1; 0 is uniform."""
    calibration: Share = 0.75
    """Of gbce, t of the paper: how much of the overconfidence that few negatives cause is taken
    back, from 0, plain binary cross-entropy, to 1, probabilities as if all items were negatives."""
    epochs: Annotated[Count, Whole(2, 16, log=True)] = 4
    batch_size: Count = 16
    """Rows a step, each of `window` events."""
    learning_rate: Positive = 0.003
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    watch: str = "ndcg@10"


class NextItemSettings(SequenceSettings):
    """Settings of GRU4Rec, shared by SASRec: of generators that learn what comes next."""

    ahead: Count = 1
    """The target is drawn among so many following events, the one j places later as 1 / j; 1 is
    always the next one. More helps where events come in bunches whose order means little."""


class AttentionSettings(SequenceSettings):
    """Settings of attention, shared by SASRec and BERT4Rec."""

    heads: Count = 1
    """Attention heads; they share `dim` among them."""
    inner: Count = 1
    """Width of the dense layer in a block, in multiples of `dim`."""
    gated: bool = False
    """Whether a gate decides how much of each layer is added, and another one is inside the dense
    layer (LiGR). SASRec with these, `inner` 4 and 256 uniform `negatives` is eSASRec."""

    @model_validator(mode="after")
    def _heads_share_dim(self) -> AttentionSettings:
        if self.dim % self.heads:
            raise SettingError(
                f"dim must be a multiple of heads, got dim={self.dim} and heads={self.heads}."
            )
        return self


class SASRecSettings(NextItemSettings, AttentionSettings):
    """Settings of SASRec."""

    read_times: bool = False
    """Whether attention also depends on how much time lies between two events: it learns a number
    for each head and length of time, in steps of twice as much, as in HSTU. Events need times."""


class MaskedSettings(AttentionSettings):
    """Settings of BERT4Rec."""

    masked: Annotated[float, Field(gt=0, lt=1), Real(0.1, 0.6)] = 0.2
    """Share of a window's events that a step hides, at random. One window in ten hides its newest
    event alone, as when candidates are asked for."""
    epochs: Annotated[Count, Whole(4, 64, log=True)] = 16
