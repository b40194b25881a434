"""Advice on negatives: every statement is computed from the runs of a study.

A *choice* is between two arms that differ in one thing. It is judged by the log (recall of held-out
events) and, in an invented world, by the oracle (true relevance of the candidates). Both decide by
`evaluation.significance.verdicts`, with Holm's correction over all choices of a dataset. Each
statement has its degree of certainty and the changes that would overturn it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from candgen.evaluation.significance import BETTER, SAME, UNDECIDED, WORSE, verdicts
from candgen.studies.negatives.arms import Arm, Effect, Ground, shared_seeds

YES, NO, NO_MATTER, OPEN = "yes", "no", "no matter", "open"
SPLIT, WEAK = "contradiction", "weak"
_AS_ADVICE = {BETTER: YES, WORSE: NO, SAME: NO_MATTER, UNDECIDED: OPEN}
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
    """One of YES, NO, NO_MATTER, OPEN, SPLIT, WEAK."""
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
    elsewhere = [(other.name, made) for other in others for made in decided(other, margin)]
    found = []
    for made in decided(ground, margin):
        fails_on = [
            f"{name} (log)"
            for name, there in elsewhere
            if there.words == made.words and {made.said["log"], there.said["log"]} == {YES, NO}
        ]
        found.append(
            Statement(
                made.words,
                made.one,
                made.other,
                made.effects["log"],
                made.effects.get("oracle"),
                combined(made.said),
                in_words(made.said),
                overturned_by(made.effects, made.said, margin, fails_on),
            )
        )
    return found


class Decided(NamedTuple):
    """A choice as each judge sees it; judges are "log" and, with an oracle, "oracle"."""

    words: str
    one: Arm
    other: Arm
    effects: Mapping[str, Effect]
    said: Mapping[str, str]
    """One of YES, NO, NO_MATTER, OPEN for each judge."""


def decided(ground: Ground, margin: float) -> list[Decided]:
    """Return what each judge says of each choice of which a ground has both arms."""
    measures = {"log": "recall"} | ({"oracle": "true_relevance"} if ground.has_truth else {})
    chosen = list(pairs(ground))
    effects, said = {}, {}
    for judge, measure in measures.items():
        found = [ground.effect(one, other, measure) for _, one, other in chosen]
        ends = ([getattr(e, end) for e in found] for end in ("value", "low", "high"))
        effects[judge] = found
        said[judge] = [_AS_ADVICE[word] for word in verdicts(*ends, margin=margin).words]
    return [
        Decided(
            *choice,
            {judge: of[n] for judge, of in effects.items()},
            {judge: of[n] for judge, of in said.items()},
        )
        for n, choice in enumerate(chosen)
    ]


def pairs(ground: Ground) -> Iterator[tuple[str, Arm, Arm]]:
    """Yield the choices between two arms of a ground that share a seed, with their texts."""
    for choice in CHOICES:
        for one in matching(ground, choice.one):
            other = next((o for o in matching(ground, choice.other) if _pair(one, o, choice)), None)
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


def combined(said: Mapping[str, str]) -> str:
    """Combine what the judges say of a choice into one word."""
    words = set(said.values())
    if len(words) == 1:
        return words.pop()
    if words == {YES, NO}:
        return SPLIT
    return WEAK if {YES, NO} & words else OPEN


def in_words(said: Mapping[str, str]) -> str:
    """Return what the judges say of a choice as advice in words."""
    verdict = combined(said)
    if verdict == SPLIT:
        return f"Contradictory: {said['log']} by the log, {said['oracle']} by the oracle."
    if verdict == WEAK:
        by = next(judge for judge, word in said.items() if word in (YES, NO))
        rest = next(judge for judge in said if judge != by)
        less = "finds no difference that matters" if said[rest] == NO_MATTER else "leaves it open"
        return f"Weak: {said[by]} by the {by} alone; the {rest} {less}."
    both = ", by the log and by the oracle" if "oracle" in said else ""
    return {
        YES: f"Yes{both}.",
        NO: f"No{both}.",
        NO_MATTER: f"It does not matter{both}.",
        OPEN: "Undecided: these runs do not tell.",
    }[verdict]


def overturned_by(
    effects: Mapping[str, Effect],
    said: Mapping[str, str],
    margin: float,
    fails_on: Sequence[str] = (),
) -> str:
    """Return as text by how much a difference would have to shrink, and where it fails already.

    Args:
        effects: Difference by judge.
        said: What each judge says of it.
        margin: A difference up to this is none in practice.
        fails_on: Where the opposite was found.
    """
    told, spare, wanted = [], [], []
    for by in reversed(effects):  # the oracle first
        effect = effects[by]
        if said[by] in (YES, NO):
            left = (effect.low if effect.value > 0 else -effect.high) - margin
            share = min(1.0, left / abs(effect.value))
            spare.append(f"{left:.4f} of its {abs(effect.value):.4f} ({share:.0%}) by the {by}")
        elif said[by] == OPEN and effect.value:
            wanted.append(f"{_more_needed(effect, margin)} by the {by}")
    if spare:
        told.append(f"The difference would have to lose {' and '.join(spare)}.")
    if wanted:
        told.append(f"To decide it takes more users and seeds: {', '.join(wanted)}.")
    for by in reversed(effects):
        effect = effects[by]
        turned = [s for s, value in effect.by_seed.items() if value * effect.value < 0]
        if turned and said[by] in (YES, NO):
            told.append(f"It fails already with seed {', '.join(map(str, turned))}, by the {by}.")
    if len(effects["log"].by_seed) < 2:
        told.append("One seed: another start was not tried.")
    told += [f"It fails already on {name}." for name in fails_on]
    return " ".join(told)


def _more_needed(effect: Effect, margin: float) -> str:
    """Return as text how many times the users and seeds would move the interval off the margin."""
    reach = max(effect.high - effect.value, effect.value - effect.low)
    apart = abs(abs(effect.value) - margin)  # from the difference to the nearer edge of the margin
    times = (reach / apart) ** 2 if apart else math.inf
    if times >= 1000:
        return "over a thousand times"
    whole = max(math.ceil(times - 1e-9), 2)  # where 1 would do, the correction leaves it open
    return f"about {whole:,} times"


def matching(ground: Ground, wanted: Mapping[str, Any]) -> Iterator[Arm]:
    """Yield the arms whose record has these values."""
    for arm in ground.arms:
        if all(arm.study.get(name) == value for name, value in wanted.items()):
            yield arm


def _extremes(ground: Ground, name: str, words: str) -> Iterator[tuple[str, Arm, Arm]]:
    """Compare the most with the fewest uniform negatives, at the likeness most arms have."""
    arms = sorted(plain_uniform(ground), key=lambda arm: arm.study[name])
    if len(arms) > 1 and arms[-1].study[name] > arms[0].study[name]:
        few, many = arms[0], arms[-1]
        if shared_seeds([many, few]):
            yield words.format(many.study[name], few.study[name]), many, few


def plain_uniform(ground: Ground) -> list[Arm]:
    """Uniform negatives with the softmax, at the similarity and temperature most arms have."""
    arms = list(matching(ground, _UNIFORM))
    kinds = [tuple(arm.study[key] for key in _LIKENESS) for arm in ground.arms]
    usual = max(kinds, key=kinds.count, default=None)
    return [arm for arm in arms if tuple(arm.study[key] for key in _LIKENESS) == usual]


def _steps(ground: Ground, name: str, words: str) -> Iterator[tuple[str, Arm, Arm]]:
    """Compare each temperature with the usual one, by kind of sampler."""
    for wanted in (_UNIFORM, {"negatives": "in-batch", "correction": "True"}):
        arms = [arm for arm in matching(ground, {**wanted, "similarity": "cosine"})]
        sizes = [arm.study["n_negatives"] for arm in arms]
        arms = [arm for arm in arms if arm.study["n_negatives"] == max(sizes, key=sizes.count)]
        values = [arm.study[name] for arm in ground.arms]
        usual = next((a for a in arms if a.study[name] == max(values, key=values.count)), None)
        for arm in sorted(arms, key=lambda arm: arm.study[name]):
            if usual is not None and arm is not usual and shared_seeds([arm, usual]):
                told = (arm.study[name], usual.study[name], f"{wanted['negatives']} negatives")
                yield words.format(*told), arm, usual


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
    usual = {tuple(arm.study[key] for key in _LIKENESS) for arm in plain_uniform(ground)}
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
