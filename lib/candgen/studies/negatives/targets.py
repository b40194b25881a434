"""Targets of the study of negatives: the findings that were expected, and what was found."""

from __future__ import annotations

from typing import NamedTuple

from candgen import evaluation
from candgen.evaluation.significance import BETTER, SAME, UNDECIDED, WORSE, verdict
from candgen.studies.negatives.advice import matching, plain_uniform, spelled
from candgen.studies.negatives.arms import Arm, Effect, Ground, shared_seeds

TIMES = 5.0
"""Smallest gain in recall of uniform negatives over positives alone that meets the target."""


class Check(NamedTuple):
    """A target, and whether it is met."""

    claim: str
    found: str
    met: bool | None
    """None where it is missed by less than these runs can tell."""


def checks(ground: Ground, margin: float) -> list[Check]:
    """Compare the expected findings of the study with its results.

    Args:
        ground: Where the arms are.
        margin: A difference in recall up to this is none in practice.
    """
    found = []
    alone = next(matching(ground, {"negatives": "none", "similarity": "cosine"}), None)
    uniform = next(iter(plain_uniform(ground)), None)
    if alone is not None:
        found += _positives_alone(ground, alone, uniform, margin)
    corrected, plain = (
        next(
            matching(ground, {"negatives": "in-batch", "correction": said, "loss": "softmax"}),
            None,
        )
        for said in ("True", "False")
    )
    if corrected is not None and plain is not None and shared_seeds([corrected, plain]):
        effect = ground.bias_effect(corrected, plain)
        before, after = (arm.number("popularity_bias") for arm in (plain, corrected))
        found.append(
            Check(
                "logQ moves the popularity bias of in-batch training towards 1",
                f"from {before:.2f} to {after:.2f}: nearer by {spelled(effect, 2)}",
                _at_least(effect, 0.0),
            )
        )
    return found


def _at_least(effect: Effect, wanted: float) -> bool | None:
    """Return whether an effect exceeds a target; None where its interval includes the target."""
    said = verdict(effect.low - wanted, effect.high - wanted, margin=0.0)
    return {BETTER: True, WORSE: False}.get(said)


def _positives_alone(ground: Ground, alone: Arm, uniform: Arm | None, margin: float) -> list[Check]:
    found, random = [], ground.baseline("random", "recall")
    if random is not None:
        table = evaluation.compare(
            [ground.judgement(alone, "recall"), random],
            ground.column("recall"),
            baseline=random.generator,
            margin=margin,
        )
        row = next(table.itertuples())
        less = Effect(row.difference, row.low, row.high, {})
        found.append(
            Check(
                "positives alone: recall as of random lists, within the margin",
                f"{row.mean:.4f} and {row.baseline_mean:.4f}, apart by {spelled(less)}",
                {SAME: True, UNDECIDED: None}.get(row.verdict, False),
            )
        )
    if uniform is not None and shared_seeds([uniform, alone]):
        column = [ground.column("recall")]
        ratio = ground.contrast([uniform, alone], column, lambda m: m[0, 0] / m[1, 0])
        found.append(
            Check(
                f"uniform negatives: at least {TIMES:g} times that",
                f"{spelled(ratio, 1)} times",
                _at_least(ratio, TIMES),
            )
        )
    return found
