"""The sections of the report on negatives: the answer first, then its evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from candgen import evaluation
from candgen.evaluation.significance import WORSE
from candgen.reports.overview import chosen_as_best, titled
from candgen.reports.rendering import (
    EMPTY,
    Cell,
    Fragment,
    Table,
    fold,
    heading,
    note,
    picture,
    value,
)
from candgen.reports.report import Report
from candgen.reports.results import new_figure
from candgen.studies.negatives import advice, targets
from candgen.studies.negatives.arms import Arm, Effect, Ground, read_grounds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTHING = (
    "No finished run of the study is here: candgen sweep params/negatives.yaml makes them, on the "
    "invented world and without any data of yours."
)
_TONES = {advice.YES: "good", advice.NO: "good", advice.SPLIT: "bad"}
_CONTRADICTION = "The judges contradict each other on"
_FURTHEST = 5
_MEASURES = (  # of the record: name, head, digits, hint
    ("recall", "recall", 4, "held-out items found among the first k"),
    ("true_relevance", "true relevance", 4, "of the first k, by the oracle"),
    ("popularity_bias", "bias, own", 2, "popularity of candidates over that of histories"),
    ("taste_bias", "bias, taste", 2, "popularity of candidates over that of the oracle's lists"),
    ("coverage", "coverage", 2, "share of the catalogue in the first k of any user"),
    ("calibration_logged", "error, log", 3, "expected calibration error, against the log"),
    ("calibration_true", "error, oracle", 3, "expected calibration error, against the oracle"),
    ("slope", "slope", 3, "of true relevance on the score, 1 is calibrated"),
    ("rank_correlation", "rank corr.", 3, "of score and true relevance within a user"),
    ("norm_popularity", "length", 2, "rank correlation of a vector's length with popularity"),
    ("recall_item_head", "head", 3, "recall of items in the most popular third of events"),
    ("recall_item_tail", "tail", 3, "recall of items in the least popular third"),
    ("recall_user_least_active", "quiet users", 3, "recall of the least active third"),
    ("recall_user_most_active", "busy users", 3, "recall of the most active third"),
    ("seconds", "fit, s", 1, "seconds of training"),
)


_last: tuple[Report, tuple[list[Ground], list[str]]] | None = None


def _read(report: Report) -> tuple[list[Ground], list[str]]:
    """Read a report's runs once for all sections."""
    global _last
    if _last is None or _last[0] is not report:
        _last = report, read_grounds(report.sweep)
    return _last[1]


def _each(report: Report, make: Callable[[Ground], Fragment]) -> Fragment:
    """Make a part for each dataset, with a heading where there are several."""
    grounds, _ = _read(report)
    if not grounds:
        return note(NOTHING, tone="bad")
    whole = None
    for ground in grounds:
        part = make(ground)
        part = heading(ground.title) + part if len(grounds) > 1 else part
        whole = part if whole is None else whole + part
    return whole


def opening(report: Report) -> Fragment:
    """The title, the question, and the answer in a few sentences for each dataset."""
    grounds, remarks = _read(report)
    top = titled(report, [], remarks)
    if not grounds:
        return Fragment(top.html + note(NOTHING, tone="bad").html, top.summary, title=report.title)
    html = top.html
    for ground in grounds:
        for sentence in answer(ground, report.margin):
            tone = "warning" if sentence.startswith(_CONTRADICTION) else "good"
            html += note(sentence, tone=tone).html
    return Fragment(html, top.summary, title=report.title)


def answer(ground: Ground, margin: float) -> list[str]:
    """Answer the question from the runs of one dataset, in sentences."""
    log = _best(ground, "recall")
    where = f"{ground.title}, {len(ground.users):,} users, {len(ground.arms)} ways to train. "
    said = [f"{where}Judged by the log, use {_with(ground, log, 'recall', margin)}"]
    if ground.has_truth:
        truth = _best(ground, "true_relevance")
        said.append(f"Judged by the oracle, use {_with(ground, truth, 'true_relevance', margin)}")
        said.append(_price(ground, log, truth))
    else:
        said.append("There is no oracle here: results are by held-out events alone.")
    if len(ground.arms) > 1:
        said.append(
            chosen_as_best(len(ground.arms)) + " Comparisons with it are corrected for that."
        )
    made = advice.statements(ground, (), margin)
    for verdict, opening in (
        (advice.YES, "Clear" if not ground.has_truth else "Clear by both judges"),
        (advice.NO, "Clearly not" if not ground.has_truth else "Clearly not, by both judges"),
        (advice.SPLIT, _CONTRADICTION),
    ):
        if words := [s.words for s in made if s.verdict == verdict]:
            said.append(f"{opening}: {'; '.join(words)}.")
    return said


def _price(ground: Ground, log: Arm, truth: Arm) -> str:
    if truth is log:
        return "The log and the oracle agree on the best."
    if not _shared(truth, log):
        return "The log and the oracle do not agree on the best."
    price, gain = (ground.effect(truth, log, name) for name in ("recall", "true_relevance"))
    return (
        "The two do not agree. Taking the oracle's best instead of the log's changes recall by "
        f"{advice.spelled(price)} and true relevance by {advice.spelled(gain)}."
    )


def _shared(one: Arm, other: Arm) -> bool:
    return any(seed in other.members for seed in one.members)


def _best(ground: Ground, measure: str) -> Arm:
    return max(ground.arms, key=lambda arm: arm.number(measure) or float("-inf"))


def _with(ground: Ground, arm: Arm, measure: str, margin: float) -> str:
    column = ground.column(measure)
    found = ground.contrast([arm], [column], lambda means: means[0, 0])
    named = f"{measure.replace('_', ' ')}@{ground.k}"
    starts = f"{len(arm.seeds)} starts" if len(arm.seeds) > 1 else "one start only"
    near = _near(ground, arm, measure, margin)
    return f"“{arm.label}”: {named} {advice.spelled(found)}, {starts}; {near}"


def _near(ground: Ground, best: Arm, measure: str, margin: float) -> str:
    """Return as text the arms that cannot be distinguished from the best.

    The best was chosen on the same users, so all pairs of arms are corrected for.
    """
    judgements = [ground.judgement(arm, measure) for arm in ground.arms]
    name = ground.judgement(best, measure).generator
    told = {"baseline": name, "selected": True, "margin": margin}
    table = evaluation.compare(judgements, ground.column(measure), **told)
    near = [ground.arms[int(r.generator)].label for r in table.itertuples() if r.verdict != WORSE]
    if not near:
        return "every other way is clearly worse." if len(judgements) > 1 else "no other was run."
    shown = "; ".join(f"“{name}”" for name in near[:3])
    more = f"; and {len(near) - 3} more" if len(near) > 3 else ""
    return f"these runs do not distinguish it from {shown}{more}."


def table_of_advice(report: Report) -> Fragment:
    """Table of all choices with both differences, their intervals, and what would overturn them."""
    return _each(report, lambda ground: _advice(report, ground))


def _advice(report: Report, ground: Ground) -> Fragment:
    others = [g for g in _read(report)[0] if g is not ground]
    rows = []
    for said in advice.statements(ground, others, report.margin):
        n = len(said.log.by_seed)
        rows.append(
            [
                Cell(said.words, note=" against ".join(_apart(said.one, said.other))),
                Cell(said.advice, tone=_TONES.get(said.verdict, "muted")),
                _difference(said.log),
                EMPTY if said.truth is None else _difference(said.truth),
                Cell(str(n), sort=n, numeric=True),
                Cell(said.overturned),
            ]
        )
    if not rows:
        return note("No two finished runs here differ in one thing alone.", tone="warning")
    heads = ["choice", "advice", f"recall@{ground.k}", "true relevance", "seeds", "overturned by"]
    paired = "difference and 95 % interval, paired by user and seed"
    hints = ["", "", paired, paired, "shared by both", ""]
    return Table(f"Advice, {ground.title}", heads, rows, hints=hints, wordy=True).fragment()


def _apart(one: Arm, other: Arm) -> tuple[str, str]:
    """Return names of two arms: their samplers, or the setting that distinguishes them."""
    alike = all(
        one.study.get(n) == other.study.get(n) for n in ("loss", "similarity", "temperature")
    )
    return (one.sampler, other.sampler) if alike else (one.label, other.label)


def _difference(effect: Effect) -> Cell:
    low, high = (f"{end:+.4f}".replace("-", "−") for end in (effect.low, effect.high))
    text = f"{effect.value:+.4f}".replace("-", "−")
    return Cell(text, sort=effect.value, note=f"{low} to {high}", numeric=True)


def checked(report: Report) -> Fragment:
    """Table of the expected findings, and whether they were met."""
    return _each(report, lambda ground: _checked(ground, report.margin))


def _checked(ground: Ground, margin: float) -> Fragment:
    rows = [
        [
            Cell(check.claim),
            Cell(check.found),
            _MET[check.met],
        ]
        for check in targets.checks(ground, margin)
    ]
    if not rows:
        return note("The runs that these targets need have not finished.", tone="warning")
    return Table(f"Targets, {ground.title}", ["target", "found", ""], rows, wordy=True,
                 sortable=False).fragment()  # fmt: skip


_MET = {
    True: Cell("met", tone="good"),
    None: Cell("missed by less than these runs can tell", tone="muted"),
    False: Cell("not met", tone="bad"),
}


def disagreement(report: Report) -> Fragment:
    """Rank correlation of the log and the oracle, and the arms that they rank most differently."""
    return _each(report, _disagreement)


def _disagreement(ground: Ground) -> Fragment:
    if not ground.has_truth:
        return note("There is no oracle here: nothing to disagree with the log.")
    some = advice.samplers(ground)
    groups = {"samplers, all with the softmax": some, "all ways to train": list(ground.arms)}
    rows, furthest = [], None
    for name, arms in groups.items():
        found = ground.agreement(arms, "recall", "true_relevance")
        if found is None:
            continue
        cells = [Cell(advice.spelled(e, 2), sort=e.value, numeric=True) for e in found.values()]
        rows.append([Cell(name), Cell(str(len(arms)), sort=len(arms), numeric=True), *cells])
        furthest = furthest or (name, advice.disagreements(arms))
    if not rows:
        return note("Fewer than three ways to train: there is no ranking to compare.")
    whole = Table(f"Rank correlation of recall and true relevance, {ground.title}",
                  ["among", "number", "Spearman", "Kendall"], rows, wordy=True,
                  sortable=False).fragment()  # fmt: skip
    name, apart = furthest
    apart = [one for one in apart if one.by_log != one.by_truth][:_FURTHEST]
    if not apart:
        return whole + note(
            "By the means over all seeds, both rank them in the same order.", tone="good"
        )
    softmax = all(one.arm.study["loss"] == "softmax" for one in apart)
    cells = [
        [Cell(one.arm.sampler if softmax else one.arm.label), _place(one.by_log),
         _place(one.by_truth), value(one.arm.number("recall")),
         value(one.arm.number("true_relevance"))]
        for one in apart
    ]  # fmt: skip
    heads = ["way to train", "place by the log", "place by the oracle", "recall", "true relevance"]
    caption = f"Largest disagreements among {name}, {ground.title}"
    return whole + Table(caption, heads, cells, wordy=True).fragment()


def _place(place: int) -> Cell:
    return Cell(str(place), sort=place, numeric=True)


def maps(report: Report) -> Fragment:
    """Accuracy by the log against the oracle, bias against accuracy, and cost."""
    return _each(report, _maps)


def _maps(ground: Ground) -> Fragment:
    best = "true_relevance" if ground.has_truth else "recall"
    wanted = [("popularity_bias", best), ("seconds", best)]
    wanted = [("recall", "true_relevance"), *wanted] if ground.has_truth else wanted
    whole = None
    for x, y in wanted:
        part = _map(ground, x, y)
        whole = part if whole is None else whole + part
    return whole


_AXES = {
    "recall": "recall@{k}, by the log",
    "true_relevance": "true relevance of the first {k}, by the oracle",
    "popularity_bias": "popularity of the first {k} over that of histories",
    "seconds": "seconds of training",
}


def _map(ground: Ground, x: str, y: str) -> Fragment:
    import pandas as pd

    from candgen.studies.negatives.plots import sampler_map

    arms = advice.samplers(ground)
    arms = arms if len(arms) > 2 else list(ground.arms)
    softmax = all(arm.study["loss"] == "softmax" for arm in arms)
    table = pd.DataFrame(
        {
            "label": [arm.sampler if softmax else arm.label for arm in arms],
            "negatives": [arm.study["negatives"] for arm in arms],
            **{name: [arm.number(name) for arm in arms] for name in (x, y)},
        }
    ).dropna()
    names = {axis: text.format(k=ground.k) for axis, text in _AXES.items()}

    def draw(width: float) -> Figure:
        figure, ax = new_figure(width, 2.6 + 0.3 * width)
        line = 1.0 if x == "popularity_bias" else None
        sampler_map(table, x=x, y=y, x_label=names[x], y_label=names[y], line=line,
                    names=width > 6, ax=ax)  # fmt: skip
        return figure

    said = "; ".join(f"{r.label} {getattr(r, x):.3f}, {getattr(r, y):.3f}"
                     for r in table.itertuples())  # fmt: skip
    which = "samplers with the softmax" if softmax else "ways to train"
    return picture(
        draw,
        alt=f"{names[y]} against {names[x]}, {ground.title}: {said}.",
        caption=f"{len(table)} {which}, means over seeds.",
    )


def every_arm(report: Report) -> Fragment:
    """Table of all measures, one row per arm."""
    return _each(report, lambda ground: fold("All measures", _arms(ground)))


def _arms(ground: Ground) -> Fragment:
    measures = [m for m in _MEASURES if any(a.number(m[0]) is not None for a in ground.arms)]
    ranked = sorted(ground.arms, key=lambda arm: -(arm.number("recall") or 0.0))
    rows = []
    for arm in ranked:
        link = next(iter(arm.members.values())).run.link
        cells = [value(arm.number(name), digits=digits) for name, _, digits, _ in measures]
        n = Cell(str(len(arm.seeds)), sort=len(arm.seeds), numeric=True)
        rows.append([Cell(arm.label, link=link), n, *cells])
    heads = ["way to train", "seeds", *(head for _, head, _, _ in measures)]
    hints = ["", "", *(hint for *_, hint in measures)]
    return Table(f"Every way to train, {ground.title}", heads, rows, hints=hints).fragment()


def limits(report: Report) -> Fragment:
    """Limits of the answer for these runs."""
    grounds, _ = _read(report)
    said: list[str] = []
    for ground in grounds:
        few = [arm.label for arm in ground.arms if len(arm.seeds) < 2]
        if few:
            said.append(
                f"{ground.name}: {len(few)} of {len(ground.arms)} ways to train have one seed; "
                "their intervals leave out the variation between training runs."
            )
        n = len(list(advice.pairs(ground)))
        if n > 1:
            said.append(
                f"{ground.name}: verdicts are corrected for {n} choices (Holm); the intervals "
                "shown hold for one choice each."
            )
    return _joined(said)


def _joined(said: Sequence[str]) -> Fragment:
    whole = None
    for sentence in said:
        part = note(sentence)
        whole = part if whole is None else whole + part
    return whole or note("Every way to train was repeated.")
