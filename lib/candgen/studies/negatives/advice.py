"""Advice on negatives: every statement is computed from the runs of a study.

A *choice* is between two arms that differ in one thing. It is judged by the log (recall of held-out
events) and, in an invented world, by the oracle (true relevance of the candidates). A statement has
its degree of certainty and the changes that would overturn it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from candgen.studies.negatives.arms import Arm, Effect, Ground, shared_seeds

YES, NO, SAME, OPEN, SPLIT, WEAK = "yes", "no", "no matter", "open", "contradiction", "weak"
TIMES = 5.0
"""Smallest gain in recall of uniform negatives over positives alone that meets the target."""
_UNIFORM = {"negatives": "uniform", "loss": "softmax"}
_LIKENESS = ("similarity", "temperature")


@dataclass(frozen=True)
class Choice:
    """A choice between two arms that differ in one setting."""

    words: str
    one: Mapping[str, Any]
    """Settings of the arm to choose, as its record has them."""
    other: Mapping[str, Any]
    alike: Sequence[str] = _LIKENESS
    """Settings that both arms must share."""


CHOICES = (
    Choice(
        "any negatives (uniform) rather than positives alone",
        _UNIFORM,
        {"negatives": "none", "similarity": "cosine"},
        ("similarity",),
    ),
    Choice(
        "in-batch negatives with logQ rather than without",
        {"negatives": "in-batch", "correction": "True"},
        {"negatives": "in-batch", "correction": "False"},
    ),
    Choice(
        "mixed negatives with logQ rather than without",
        {"negatives": "mixed", "correction": "True"},
        {"negatives": "mixed", "correction": "False"},
    ),
    Choice(
        "popular negatives with logQ rather than without",
        {"negatives": "popularity", "correction": "True"},
        {"negatives": "popularity", "correction": "False"},
        (*_LIKENESS, "alpha"),
    ),
    Choice(
        "popular negatives without logQ rather than uniform ones",
        {"negatives": "popularity", "correction": "False"},
        _UNIFORM,
    ),
    Choice(
        "in-batch negatives with logQ rather than uniform ones",
        {"negatives": "in-batch", "correction": "True"},
        _UNIFORM,
    ),
    Choice(
        "mixed negatives rather than in-batch ones, both with logQ",
        {"negatives": "mixed", "correction": "True"},
        {"negatives": "in-batch", "correction": "True"},
    ),
    Choice(
        "cross-batch negatives rather than in-batch ones, both with logQ",
        {"negatives": "cross-batch", "correction": "True"},
        {"negatives": "in-batch", "correction": "True"},
    ),
    Choice("the whole catalogue rather than a uniform sample", {"negatives": "all"}, _UNIFORM),
    Choice("the hardest of a sample rather than all of it", {"negatives": "hard"}, _UNIFORM),
    Choice(
        "impressions that were left rather than uniform negatives",
        {"negatives": "impressions"},
        _UNIFORM,
    ),
    *(
        Choice(
            f"the softmax rather than the {loss} loss",
            _UNIFORM,
            {"negatives": "uniform", "loss": loss},
            ("similarity",),
        )
        for loss in ("logistic", "bpr", "hinge", "contrastive")
    ),
    Choice(
        "the dot product rather than the cosine, with in-batch negatives",
        {"negatives": "in-batch", "correction": "True", "similarity": "dot"},
        {"negatives": "in-batch", "correction": "True", "similarity": "cosine"},
        (),
    ),
    Choice(
        "the dot product rather than the cosine, with uniform negatives",
        {**_UNIFORM, "similarity": "dot"},
        {**_UNIFORM, "similarity": "cosine"},
        (),
    ),
)


class Statement(NamedTuple):
    """A choice and its verdict."""

    words: str
    one: Arm
    other: Arm
    log: Effect
    truth: Effect | None
    """None without an oracle."""
    verdict: str
    """One of YES, NO, SAME, OPEN, SPLIT, WEAK."""
    advice: str
    """The verdict in words."""
    overturned: str
    """Changes that would overturn the verdict."""


def statements(ground: Ground, others: Sequence[Ground], margin: float) -> list[Statement]:
    """Judge all choices of which a ground has both arms.

    Args:
        ground: Where the arms are.
        others: Other grounds, where the same choice may fail.
        margin: A difference up to this, in recall or true relevance, is none in practice.
    """
    found = []
    for words, one, other in pairs(ground):
        log, truth = _judged(ground, one, other)
        verdict = verdict_of(log, truth, margin)
        found.append(
            Statement(
                words,
                one,
                other,
                log,
                truth,
                verdict,
                in_words(log, truth, margin),
                overturned_by(log, truth, verdict, _fails_on(words, log, truth, others)),
            )
        )
    return found


def pairs(ground: Ground) -> Iterator[tuple[str, Arm, Arm]]:
    """Yield the choices between two arms of a ground that share a seed, with their texts."""
    for choice in CHOICES:
        for one in _matching(ground, choice.one):
            other = next(
                (o for o in _matching(ground, choice.other) if _pair(one, o, choice)), None
            )
            if other is None:
                continue
            alpha = one.study.get("alpha")
            yield choice.words + ("" if alpha is None else f" (popularity^{alpha:g})"), one, other
            if alpha is None:  # each power is a choice of its own
                break
    yield from _extremes(ground, "n_negatives", "{0:,} uniform negatives rather than {1:,}")
    yield from _steps(ground, "temperature", "temperature {0:g} rather than {1:g}, {2}")


def _pair(one: Arm, other: Arm, choice: Choice) -> bool:
    alike = all(one.study.get(key) == other.study.get(key) for key in choice.alike)
    return alike and one is not other and bool(shared_seeds([one, other]))


def verdict_of(log: Effect, truth: Effect | None, margin: float) -> str:
    """Combine the verdicts of the log and the oracle into one word."""
    said = [_said(effect, margin) for effect in (log, truth) if effect is not None]
    if len(set(said)) == 1:
        return said[0]
    if {YES, NO} == set(said):
        return SPLIT
    return WEAK if {YES, NO} & set(said) else OPEN


def _said(effect: Effect, margin: float) -> str:
    if -margin <= effect.low and effect.high <= margin:
        return SAME
    if not effect.clear:
        return OPEN
    return YES if effect.value > 0 else NO


def in_words(log: Effect, truth: Effect | None, margin: float) -> str:
    """Return a verdict as advice in words."""
    verdict = verdict_of(log, truth, margin)
    if verdict == SPLIT:
        return (
            f"Contradictory: {_said(log, margin)} by the log, {_said(truth, margin)} by the oracle."
        )
    if verdict == WEAK:
        said = {"log": _said(log, margin), "oracle": _said(truth, margin)}
        by = next(name for name, word in said.items() if word in (YES, NO))
        rest = next(name for name in said if name != by)
        less = "finds no difference that matters" if said[rest] == SAME else "leaves it open"
        return f"Weak: {said[by]} by the {by} alone; the {rest} {less}."
    both = "" if truth is None else ", by the log and by the oracle"
    return {
        YES: f"Yes{both}.",
        NO: f"No{both}.",
        SAME: f"It does not matter{both}.",
        OPEN: "Undecided: these runs do not tell.",
    }[verdict]


def overturned_by(
    log: Effect, truth: Effect | None, verdict: str, fails_on: Sequence[str] = ()
) -> str:
    """Return as text by how much a difference would have to shrink, and where it fails already."""
    named = {"log": log} if truth is None else {"oracle": truth, "log": log}
    said, spare, wanted = [], [], []
    for by, effect in named.items():
        if effect.clear:
            left = effect.low if effect.value > 0 else -effect.high
            share = min(1.0, left / abs(effect.value))
            spare.append(f"{left:.4f} of its {abs(effect.value):.4f} ({share:.0%}) by the {by}")
        elif verdict != SAME and effect.value:
            ends = max(effect.high - effect.value, effect.value - effect.low)
            times = (ends / effect.value) ** 2
            more = f"about {math.ceil(times):,}" if times < 1000 else "over a thousand"
            wanted.append(f"{more} times by the {by}")
    if spare:
        said.append(f"The difference would have to lose {' and '.join(spare)}.")
    if wanted:
        said.append(f"To decide it takes more users and seeds: {', '.join(wanted)}.")
    for by, effect in named.items():
        turned = [s for s, value in effect.by_seed.items() if value * effect.value < 0]
        if turned and effect.clear:
            said.append(f"It fails already with seed {', '.join(map(str, turned))}, by the {by}.")
    if len(log.by_seed) < 2:
        said.append("One seed: another start was not tried.")
    said += [f"It fails already on {name}." for name in fails_on]
    return " ".join(said)


def _judged(ground: Ground, one: Arm, other: Arm) -> tuple[Effect, Effect | None]:
    log = ground.effect(one, other, "recall")
    return log, ground.effect(one, other, "true_relevance") if ground.has_truth else None


def _fails_on(words: str, log: Effect, truth: Effect | None, others: Sequence[Ground]) -> list[str]:
    """Return as text the grounds where the log clearly shows the opposite difference."""
    found = []
    for ground in others:
        for there, one, other in pairs(ground):
            if there == words:
                effect = ground.effect(one, other, "recall")
                if log.clear and effect.clear and effect.value * log.value < 0:
                    found.append(f"{ground.name} (log)")
    return found


def _matching(ground: Ground, wanted: Mapping[str, Any]) -> Iterator[Arm]:
    for arm in ground.arms:
        if all(arm.study.get(name) == value for name, value in wanted.items()):
            yield arm


def _extremes(ground: Ground, name: str, words: str) -> Iterator[tuple[str, Arm, Arm]]:
    """Compare the most with the fewest uniform negatives, at the likeness most arms have."""
    arms = sorted(_plain(ground), key=lambda arm: arm.study[name])
    if len(arms) > 1 and arms[-1].study[name] > arms[0].study[name]:
        few, many = arms[0], arms[-1]
        if shared_seeds([many, few]):
            yield words.format(many.study[name], few.study[name]), many, few


def _plain(ground: Ground) -> list[Arm]:
    """Uniform negatives with the softmax, at the similarity and temperature most arms have."""
    arms = list(_matching(ground, _UNIFORM))
    kinds = [tuple(arm.study[key] for key in _LIKENESS) for arm in ground.arms]
    usual = max(kinds, key=kinds.count, default=None)
    return [arm for arm in arms if tuple(arm.study[key] for key in _LIKENESS) == usual]


def _steps(ground: Ground, name: str, words: str) -> Iterator[tuple[str, Arm, Arm]]:
    """Compare each temperature with the usual one, by kind of sampler."""
    for wanted in (_UNIFORM, {"negatives": "in-batch", "correction": "True"}):
        arms = [arm for arm in _matching(ground, {**wanted, "similarity": "cosine"})]
        sizes = [arm.study["n_negatives"] for arm in arms]
        arms = [arm for arm in arms if arm.study["n_negatives"] == max(sizes, key=sizes.count)]
        values = [arm.study[name] for arm in ground.arms]
        usual = next((a for a in arms if a.study[name] == max(values, key=values.count)), None)
        for arm in sorted(arms, key=lambda arm: arm.study[name]):
            if usual is not None and arm is not usual and shared_seeds([arm, usual]):
                told = (arm.study[name], usual.study[name], f"{wanted['negatives']} negatives")
                yield words.format(*told), arm, usual


# --- targets of the study


class Check(NamedTuple):
    """A target, and whether it is met."""

    claim: str
    found: str
    met: bool | None
    """None where it is missed by less than these runs can tell."""


def checks(ground: Ground) -> list[Check]:
    """Compare the expected findings of the study with its results."""
    found = []
    alone = next(_matching(ground, {"negatives": "none", "similarity": "cosine"}), None)
    uniform = next(iter(_plain(ground)), None)
    if alone is not None:
        found += _positives_alone(ground, alone, uniform)
    corrected, plain = (
        next(
            _matching(ground, {"negatives": "in-batch", "correction": said, "loss": "softmax"}),
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
                effect.low > 0,
            )
        )
    return found


def _positives_alone(ground: Ground, alone: Arm, uniform: Arm | None) -> list[Check]:
    found, random = [], ground.baseline("random", "recall")
    reached = ground.contrast([alone], [ground.column("recall")], lambda means: means[0, 0])
    if random is not None:
        low, high = ground.interval(random)
        own = alone.values(ground.column("recall"), ground.users, alone.seeds).mean(axis=0)
        less, more = ground.interval(own - random)
        within = bool(low <= reached.value <= high)
        found.append(
            Check(
                "positives alone: recall within the interval of random lists",
                f"{spelled(reached)}; random {random.mean():.4f} ({low:.4f} to {high:.4f})",
                True if within else None if less <= 0 <= more else False,
            )
        )
    if uniform is not None and shared_seeds([uniform, alone]):
        column = [ground.column("recall")]
        ratio = ground.contrast([uniform, alone], column, lambda m: m[0, 0] / m[1, 0])
        found.append(
            Check(
                f"uniform negatives: at least {TIMES:g} times that",
                f"{spelled(ratio, 1)} times",
                ratio.low >= TIMES,
            )
        )
    return found


def spelled(effect: Effect, digits: int = 4) -> str:
    """Format a value with its interval."""
    value, low, high = (f"{v:.{digits}f}".replace("-", "−") for v in effect[:3])
    return f"{value} ({low} to {high})"


# --- where the log and the oracle disagree


class Disagreement(NamedTuple):
    """An arm's place by the log and by the oracle, 1 is best."""

    arm: Arm
    by_log: int
    by_truth: int


def samplers(ground: Ground) -> list[Arm]:
    """Return the arms that differ in the sampler alone: the softmax at the usual likeness."""
    usual = {tuple(arm.study[key] for key in _LIKENESS) for arm in _plain(ground)}
    some = [arm for arm in ground.arms if arm.study["loss"] == "softmax"]
    return [arm for arm in some if tuple(arm.study[key] for key in _LIKENESS) in usual]


def disagreements(arms: Sequence[Arm]) -> list[Disagreement]:
    """Rank arms by recall and by true relevance; the furthest apart come first."""
    by_log = _places([arm.number("recall") or 0.0 for arm in arms])
    by_truth = _places([arm.number("true_relevance") or 0.0 for arm in arms])
    found = [Disagreement(*row) for row in zip(arms, by_log, by_truth, strict=True)]
    return sorted(found, key=lambda one: -abs(one.by_log - one.by_truth))


def _places(values: Sequence[float]) -> list[int]:
    order = np.argsort(-np.asarray(values), kind="stable")
    places = np.empty(len(values), np.int64)
    places[order] = np.arange(1, len(values) + 1)
    return places.tolist()
