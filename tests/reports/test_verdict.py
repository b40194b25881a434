"""The verdict: what it recommends, when it decides nothing, and what it could have seen."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from candgen.evaluation import significance
from candgen.reports import verdict
from candgen.reports.comparing import Comparison, Contender
from candgen.reports.report import Report

METRIC = "recall@20"


def row(name, values, *, reference=False, seconds=1.0, held_out=None):
    """A row of one seed whose users have these values."""
    frame = pd.DataFrame({METRIC: values}, index=pd.RangeIndex(len(values), name="user"))
    mean = float(np.mean(values))
    numbers = {METRIC: mean} | ({} if seconds is None else {"fit_seconds": seconds})
    entry = SimpleNamespace(
        run=SimpleNamespace(name=name), per_user=frame, seed=0, numbers=numbers, generator=name,
        baseline=reference, row={"counts": {"held_out_events": held_out}},
    )  # fmt: skip
    return Contender(name, (entry,))


def decide(*rows, margin=0.005, baseline="popularity", metric=METRIC):
    ground = Comparison("world", "world, judged on test", "d" * 8, "test", rows)
    sweep = SimpleNamespace(entries=list)
    return verdict.decide(Report(sweep, "", metric, baseline, margin, 0), ground)


@pytest.fixture
def users():
    return np.random.default_rng(0).uniform(0.1, 0.5, 900)


def noisy(users, shift, seed, spread=0.02):
    return users + shift + np.random.default_rng(seed).normal(0, spread, len(users))


def test_the_best_is_recommended_with_what_is_as_good_and_the_cheapest(users):
    found = decide(
        row("popularity", users, reference=True),
        row("wals", noisy(users, 0.06, 1), seconds=12.0),
        row("svd", noisy(users, 0.055, 2), seconds=0.11),
        row("ease", noisy(users, 0.02, 3), seconds=0.01),
    )
    assert found.decided and found.lead == "Use wals."
    text = " ".join(found.sentences)
    assert text.startswith("svd cannot be told apart from it (900 users). +")
    assert "Cheapest of these two: svd, 0.11 s to fit; wals takes 12 s." in text
    assert not found.few


def test_the_lead_over_the_baseline_is_in_points_and_its_interval_is_for_all_pairs(users):
    rows = [row("popularity", users, reference=True), row("a", noisy(users, 0.06, 1, 0.3))]
    alone = decide(*rows).sentences
    many = decide(*rows, *(row(f"m{n}", noisy(users, 0.0, n + 5, 0.3)) for n in range(8))).sentences

    def width(said):
        (text,) = [one for one in said if " over popularity (" in one]
        parts = re.findall(r"[+−][0-9.]+", text)
        size, low, high = (float(part.replace("−", "-")) for part in parts)
        assert low < size < high and 4 < size < 9
        return high - low

    assert width(many) > 1.3 * width(alone)  # 9 models and the baseline: 45 pairs


def test_the_best_may_be_the_cheapest_too(users):
    found = decide(
        row("popularity", users, reference=True),
        row("a", noisy(users, 0.06, 1), seconds=0.5),
        row("b", noisy(users, 0.06, 2), seconds=2.0),
    )
    assert "It is also the cheapest of these two: 0.5 s to fit." in " ".join(found.sentences) or (
        "Cheapest of these two: a, 0.5 s to fit; b takes 2 s." in " ".join(found.sentences)
    )


def test_a_single_known_cost_is_called_neither_cheap_nor_dear(users):
    found = decide(
        row("popularity", users, reference=True),
        row("pool", noisy(users, 0.06, 1), seconds=None),
        row("b", noisy(users, 0.06, 2), seconds=2.0),
    )
    text = " ".join(found.sentences)
    assert "Of these only the cost of b is known: 2 s to fit." in text and "heapest" not in text


def test_equal_models_make_no_practical_difference(users):
    found = decide(
        row("popularity", users, reference=True),
        row("a", noisy(users, 0.06, 1, 0.01)),
        row("b", noisy(users, 0.06, 2, 0.01)),
    )
    assert "makes no practical difference to it (900 users)." in " ".join(found.sentences)


@pytest.mark.parametrize(
    ("shift", "lead", "why"),
    [
        (0.0, "Use popularity.", "a, makes no practical difference (900 users)."),
        (-0.1, "Use popularity.", "a, is worse (900 users)."),
    ],
)
def test_the_baseline_is_recommended_where_no_model_is_ahead(users, shift, lead, why):
    found = decide(row("popularity", users, reference=True), row("a", noisy(users, shift, 1)))
    assert found.decided and found.lead == lead and why in found.sentences[0]


def test_few_users_decide_nothing_and_the_reason_is_given(users):
    few = users[:27]
    found = decide(
        row("popularity", few, reference=True), row("a", noisy(few, 0.02, 1, 0.1), held_out=60)
    )
    assert not found.decided and found.lead == "Nothing can be decided."
    assert "27 users do not tell whether it is better than popularity" in found.sentences[0]
    assert "across the margin of 0.5 points" in found.sentences[0]
    assert "over popularity (" in found.sentences[1]
    assert found.few == "Few users: 27 could be judged."


@pytest.mark.parametrize(
    ("n", "held_out", "few"), [(250, None, False), (250, 300, True), (199, 9000, True)]
)
def test_few_users_or_few_held_out_items_are_warned_of(users, n, held_out, few):
    found = decide(row("a", users[:n], held_out=held_out), row("popularity", users[:n] - 0.1,
                                                                reference=True))  # fmt: skip
    assert bool(found.few) is few


def test_what_cannot_be_compared_is_said_with_the_error(users):
    found = decide(row("popularity", users, reference=True), row("a", users[:300]))
    assert not found.decided and "different users" in found.sentences[0]


def test_nothing_but_baselines_decides_nothing(users):
    found = decide(row("popularity", users, reference=True))
    assert (found.decided, found.lead) == (False, "Nothing to decide.")


def test_one_model_without_a_baseline_decides_nothing(users):
    found = decide(row("a", users))
    assert not found.decided and "the only row" in found.sentences[0]


def test_a_metric_that_is_no_share_has_no_points(users):
    ground = Comparison("w", "w", "d", "test", ())
    assert verdict._size(0.0523, "recall@20", "+") == "+5.2 points"
    assert verdict._size(-0.0023, "recall@20") == "−0.23 points"
    assert verdict._size(1.5, "novelty@20", "+") == "+1.5"
    assert ground.contenders == ()


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a"], "a"), (["a", "b"], "a and b"), (list("abcde"), "a, b, c, d and e"),
        (list("abcdefg"), "a, b, c, d and 3 more"),
    ],
)  # fmt: skip
def test_names_are_listed_as_in_a_sentence(names, text):
    assert verdict.listed(names) == text


def test_a_difference_of_the_smallest_visible_size_is_found_in_four_of_five_studies():
    n, spread, margin, rng = 400, 0.2, 0.005, np.random.default_rng(1)
    error = spread / np.sqrt(n)
    reach = 2.5 * error
    size = significance.smallest_visible(error, reach, margin=margin)
    estimates = rng.normal(size, spread, (4000, n)).mean(axis=1)
    words = [significance.verdict(e - reach, e + reach, margin=margin) for e in estimates]
    assert np.mean([word == "better" for word in words]) == pytest.approx(0.8, abs=0.025)


def test_more_users_see_smaller_differences(users):
    def visible(n):
        found = decide(row("popularity", users[:n], reference=True),
                       row("a", noisy(users[:n], 0.1, 1, 0.2)))  # fmt: skip
        return float(found.visible.split("about ")[1].split(" ")[0])

    assert visible(900) < visible(225) < visible(30)
    # By hand, for a mean of n paired differences with this spread: z .975, z .8, and the margin.
    spread = np.std(noisy(users, 0.1, 1, 0.2) - users)
    by_hand = 100 * (0.005 + (1.96 + 0.8416) * spread / np.sqrt(900))
    assert visible(900) == pytest.approx(by_hand, rel=0.06)


def test_a_verdict_is_the_same_as_in_the_tables_below(report):
    from candgen.reports import results

    ground = report.comparisons[0]
    found = verdict.decide(report, ground)
    assert found.decided and found.lead == "Use ease."
    table = ground.against_best(report.metric, report.margin)
    not_worse = table.loc[table["verdict"] != "worse", "generator"].tolist()
    text = " ".join(found.sentences)
    assert [name for name in table["generator"] if name in text] == not_worse
    assert "Is the best" in results.differences(report).html


def test_rows_of_unknown_cost_are_not_counted_among_the_cheapest(users):
    theirs = row("production", noisy(users, 0.06, 4))
    del theirs.entries[0].numbers["fit_seconds"]
    models = [row("a", noisy(users, 0.06, 1)), row("b", noisy(users, 0.06, 2))]
    found = decide(row("popularity", users, reference=True), *models, theirs)
    assert "cheapest of the two whose cost is known" in " ".join(found.sentences).lower()


def test_one_model_is_set_beside_the_baseline_by_both_names(users):
    found = decide(row("popularity", users, reference=True), row("fit", noisy(users, 0.06, 1)))
    assert found.visible.startswith("The smallest difference between fit and popularity that")
