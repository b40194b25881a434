"""What a positive and its negatives cost, as TensorFlow functions that XLA compiles.

Every loss takes the logits of the positives, shape `(batch,)`, those of the negatives, shape
`(batch, n)`, and one weight an example, and returns the weighted mean over the examples. Negatives
that do not count (see `candgen.training.logits`) add nothing, to the value and to the gradient;
where a loss takes the mean over an example's negatives, it is the mean over those that count.

- softmax: the positive among its negatives. With `log_expected` it estimates the softmax over the
  whole catalogue (Bengio and Senécal 2008): a negative that is expected q times among those of
  an example stands for 1 / q of itself, so log q is taken off its logit, and nothing off the
  positive's.
- logistic, with one negative: binary cross-entropy, as NCF and SASRec use it.
- bpr: Rendle et al. 2009. hinge: the same with a margin, as in CML.
- contrastive: the cosine contrastive loss of SimpleX (Mao et al. 2021); it wants cosines.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from candgen.checks import NotNegative, checked
from candgen.errors import SettingError
from candgen.training.logits import Logits, counted

NEED_NEGATIVES = ("softmax", "bpr", "hinge")


def softmax(positive: Any, negatives: Any, weights: Any, *, log_expected: Any = None) -> Any:
    """Minus the log of the positive's share in the exponentials.

    Args:
        positive: Shape `(batch,)`.
        negatives: Shape `(batch, n)`.
        weights: Of the examples, shape `(batch,)`.
        log_expected: Log of how often each negative is expected among those of an example, shape
            `(n,)`; None or zeros leave the sample uncorrected.
    """
    import tensorflow as tf

    if log_expected is not None:
        negatives = negatives - log_expected
    top = tf.stop_gradient(tf.maximum(positive, tf.reduce_max(negatives, axis=1)))
    others = tf.reduce_sum(tf.exp(negatives - top[:, None]), axis=1)
    return weighted_mean(top - positive + tf.math.log(tf.exp(positive - top) + others), weights)


def logistic(positive: Any, negatives: Any, weights: Any, *, weight: float = 1.0) -> Any:
    """Binary cross-entropy; all negatives together weigh as much as `weight` positives."""
    import tensorflow as tf

    others = _mean(tf.math.softplus(negatives), negatives)
    return weighted_mean(tf.math.softplus(-positive) + weight * others, weights)


def bpr(positive: Any, negatives: Any, weights: Any) -> Any:
    """Minus the log probability that the positive beats a negative, mean over the negatives."""
    import tensorflow as tf

    return weighted_mean(_mean(tf.math.softplus(negatives - positive[:, None]), negatives), weights)


def hinge(positive: Any, negatives: Any, weights: Any, *, margin: float = 1.0) -> Any:
    """By how much a negative comes within `margin` of the positive, mean over the negatives."""
    import tensorflow as tf

    close = tf.nn.relu(margin + negatives - positive[:, None])
    return weighted_mean(_mean(close, negatives), weights)


def contrastive(
    positive: Any, negatives: Any, weights: Any, *, margin: float = 0.9, weight: float = 1.0
) -> Any:
    """What the positive lacks of cosine 1, and `weight` times what negatives exceed `margin` by."""
    import tensorflow as tf

    others = _mean(tf.nn.relu(negatives - margin), negatives)
    return weighted_mean(1 - positive + weight * others, weights)


LOSSES: dict[str, Callable[..., Any]] = {
    "softmax": softmax,
    "logistic": logistic,
    "bpr": bpr,
    "hinge": hinge,
    "contrastive": contrastive,
}


def make_loss(
    name: str, *, margin: float | None = None, weight: float = 1.0, negatives: str = "uniform"
) -> Callable[[Logits, Any], Any]:
    """Return a loss as a function of `Logits` and example weights.

    Args:
        name: One of `LOSSES`.
        margin: Of "hinge" and "contrastive"; None takes 1 and 0.9. The others have none.
        weight: Of the negatives, with "logistic" and "contrastive".
        negatives: The kind of sampler, to refuse what cannot learn.

    Raises:
        SettingError: If a setting is out of range, or a loss that compares gets nothing to compare.
    """
    checked("loss", name, Literal[tuple(LOSSES)])
    weight = checked("negative_weight", weight, NotNegative)
    if negatives == "none" and name in NEED_NEGATIVES:
        others = ", ".join(sorted(set(LOSSES) - set(NEED_NEGATIVES)))
        raise SettingError(
            f"The loss {name!r} compares the positive with negatives, and negatives is 'none': it "
            f"would have no gradient. Draw negatives, or use one of {others}."
        )
    if name == "softmax":
        return _corrected_softmax
    options: dict[str, float] = {}
    if name in ("hinge", "contrastive") and margin is not None:
        options["margin"] = checked("loss_margin", margin, NotNegative)
    if name in ("logistic", "contrastive"):
        options["weight"] = weight
    return partial(_plain, partial(LOSSES[name], **options))


def weighted_mean(values: Any, weights: Any) -> Any:
    """Return the mean of values by weights; 0 where all weights are 0."""
    import tensorflow as tf

    return tf.math.divide_no_nan(tf.reduce_sum(weights * values), tf.reduce_sum(weights))


def _mean(costs: Any, negatives: Any) -> Any:
    """Return the mean over the negatives that count, shape `(batch,)`; 0 where none does."""
    import tensorflow as tf

    counts = counted(negatives)
    sums = tf.reduce_sum(costs * counts, axis=1)
    return sums / tf.maximum(tf.reduce_sum(counts, axis=1), 1)


def _corrected_softmax(made: Logits, weights: Any) -> Any:
    return softmax(made.positive, made.negatives, weights, log_expected=made.log_expected)


def _plain(loss: Callable[..., Any], made: Logits, weights: Any) -> Any:
    return loss(made.positive, made.negatives, weights)
