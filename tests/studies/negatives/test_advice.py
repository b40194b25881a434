"""Advice computed from an invented study whose differences are known."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from candgen.evaluation import significance
from candgen.reports import open_report
from candgen.reports.reading import read_sweep
from candgen.studies.negatives import advice, advice_page, targets
from candgen.studies.negatives.arms import Arm, Effect, Ground, read_grounds
from candgen.sweeps.run_report import make_report

N_USERS, K = 80, 20
ARMS = {  # name: what its record says, then recall, truth, popularity of lists
    "uniform": ({"negatives": "uniform", "n_negatives": 500}, 0.20, 0.40, 11.0),
    "uniform-few": ({"negatives": "uniform", "n_negatives": 50}, 0.14, 0.36, 11.0),
    "uniform-hot": (
        {"negatives": "uniform", "n_negatives": 500, "temperature": 0.2},
        0.15,
        0.38,
        9.0,
    ),
    "in-batch": ({"negatives": "in-batch", "correction": "True"}, 0.25, 0.41, 12.0),
    "in-batch-plain": ({"negatives": "in-batch", "correction": "False"}, 0.05, 0.35, 2.0),
    "popular": (
        {"negatives": "popularity", "alpha": 0.5, "n_negatives": 500, "correction": "False"},
        0.10,
        0.50,
        6.0,
    ),
    "alone": ({"negatives": "none", "loss": "contrastive"}, 0.01, 0.2, 1.0),
    "hinge": ({"negatives": "uniform", "n_negatives": 500, "loss": "hinge"}, 0.201, 0.401, 9.0),
}
SECTIONS = [
    advice_page.opening, advice_page.table_of_advice, advice_page.disagreement, advice_page.maps,
    advice_page.checked, advice_page.every_arm, advice_page.limits,
]  # fmt: skip


def frame(generator, recall, truth, popularity, *, noise, oracle):
    """Users' values: the mean, plus what each user adds to every arm alike, plus noise."""
    shared = np.random.default_rng(0).normal(0, 0.02, N_USERS)
    shared -= shared.mean()
    columns = {f"recall@{K}": recall + shared + noise, f"list_popularity@{K}": popularity}
    columns[f"own_popularity@{K}"] = 10.0
    if oracle:
        columns[f"true_relevance@{K}"] = truth + shared - noise
    return pd.DataFrame({"generator": generator, "user": np.arange(N_USERS), **columns})


def write_study_run(builder, folder, arm, seed, *, oracle=True, digest="d" * 64, name="world"):
    record, recall, truth, popularity = ARMS[arm]
    noise = np.random.default_rng((seed, len(arm))).normal(0, 0.01, N_USERS)
    noise -= noise.mean()
    shift = {1: -0.002, 2: 0.002}.get(seed, 0.0)  # luck of a seed, the same for all arms
    study = {
        "label": arm, "sampler": arm, "loss": "softmax", "similarity": "cosine",
        "temperature": 0.1, "n_negatives": None, "alpha": None, "correction": "False", "k": K,
        "seed": seed, "epochs": 6, "learning_rate": 0.02, "recall": recall + shift,
        "true_relevance": truth + shift if oracle else None, "popularity_bias": popularity / 10,
        "coverage": 0.5, "seconds": 2.0, "slope": None, **record,
    }  # fmt: skip
    own = frame("TwoTower", recall + shift, truth + shift, popularity, noise=noise, oracle=oracle)
    random = frame("random", 0.012, 0.2, 1.0, noise=0.0, oracle=oracle)
    described = {"name": name, "digest": digest, "evaluate_on": "test", "folder": "gone"}
    rows = [{"generator": "TwoTower", "baseline": False, "settings": {"seed": seed}},
            {"generator": "random", "baseline": True, "settings": {}}]  # fmt: skip
    builder.write(folder / "metrics.json", {"dataset": described, "generators": rows})
    builder.write(folder / "params.json", {"negatives": study["negatives"], "seed": seed})
    builder.write(folder / "study.json", study)
    pd.concat([own, random]).to_parquet(folder / "per_user.parquet", index=False)
    builder.write_status(folder, "done")
    (folder / "page.html").write_text("<!doctype html><title>a run")


def write_study_sweep(builder, folder, arms=tuple(ARMS), seeds=(1, 2), **told):
    for arm in arms:
        for seed in seeds:
            write_study_run(builder, folder / f"{arm}-seed{seed}", arm, seed, **told)
    builder.write_sweep(folder, {f"{a}-seed{s}": {"negatives": "x"} for a in arms for s in seeds})
    plan = json.loads((folder / "sweep.json").read_text())
    plan["question"] = "Which negatives?"
    plan["report"]["notebook"] = "notebooks/92_which_negatives.ipynb"
    builder.write(folder / "sweep.json", plan)
    return folder


@pytest.fixture(scope="module")
def sweep(sweep_builder, tmp_path_factory):
    return write_study_sweep(sweep_builder, tmp_path_factory.mktemp("study") / "negatives")


@pytest.fixture(scope="module")
def ground(sweep):
    (found,), remarks = read_grounds(read_sweep(sweep))
    assert remarks == []
    return found


def text_of(fragment) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", fragment.html))


def said_of(ground, words, margin=0.005):
    return next(s for s in advice.statements(ground, (), margin) if s.words.startswith(words))


def test_runs_that_differ_in_the_seed_alone_are_one_arm(ground):
    assert sorted(arm.label for arm in ground.arms) == sorted(ARMS)
    assert all(arm.seeds == [1, 2] for arm in ground.arms)
    assert ground.find(negatives="in-batch", correction="True").number("recall") == pytest.approx(
        0.25
    )


def test_runs_with_searched_settings_are_no_arms_of_the_advice(sweep_builder, tmp_path):
    folder = write_study_sweep(sweep_builder, tmp_path / "s", ("uniform", "hinge"), (1,))
    search = {"generator": "TwoTower", "metric": "recall@20", "space": {}, "trials": []}
    held = {"runs": {"hinge": search | {"final": ["hinge-seed1"]}}}
    sweep_builder.write(folder / "search.json", held)
    (found,), remarks = read_grounds(read_sweep(folder))
    assert [arm.label for arm in found.arms] == ["uniform"] and remarks == []


def test_differences_are_paired_by_user_and_seed(ground):
    one, other = ground.find(label="in-batch"), ground.find(label="uniform")
    effect = ground.effect(one, other, "recall")
    assert effect.value == pytest.approx(0.05)
    assert list(effect.by_seed.values()) == pytest.approx([0.05, 0.05])  # luck of a seed cancels
    # what users share cancels: two noises of .01 over 80 users and, averaged, over two seeds
    assert 0.04 < effect.low < 0.05 < effect.high < 0.06
    assert effect.high - effect.low < 0.01


def test_an_arm_differs_from_itself_by_nothing(ground):
    arm = ground.find(label="uniform")
    assert ground.effect(arm, arm, "recall")[:3] == (0, 0, 0)


def test_luck_of_seeds_widens_an_interval():
    users = pd.Index(range(50), name="user")
    members = {
        seed: SimpleNamespace(users=pd.DataFrame({"recall@20": value}, index=users), study={})
        for seed, value in ((1, 0.1), (2, 0.3))
    }
    ground = Ground("w", "w", "d", K, (Arm("only", members),))
    reached = ground.contrast(ground.arms, ["recall@20"], lambda means: means[0, 0])
    # All users are alike, so only the draw of two seeds is left: one of them twice moves the mean
    # by sqrt(2) standard errors, which are .1 each.
    assert reached[:3] == pytest.approx((0.2, 0.2 - 0.1 * 2**0.5, 0.2 + 0.1 * 2**0.5))


def test_arms_that_differ_in_two_things_are_no_choice(sweep_builder, tmp_path):
    folder = write_study_sweep(sweep_builder, tmp_path / "s", arms=("in-batch", "uniform-hot"))
    (ground,), _ = read_grounds(read_sweep(folder))
    assert list(advice.pairs(ground)) == []


def test_the_bias_counts_as_nearer_to_1_from_either_side(ground):
    effect = ground.bias_effect(ground.find(label="in-batch"), ground.find(label="in-batch-plain"))
    # |0.2 - 1| - |1.2 - 1|
    assert effect.value == pytest.approx(0.6) and effect.low > 0


def test_choices_compare_what_differs_in_one_thing(ground):
    told = {s.words: (s.one.label, s.other.label) for s in advice.statements(ground, (), 0.005)}
    assert told["in-batch negatives with logQ rather than without"] == (
        "in-batch",
        "in-batch-plain",
    )
    assert told["500 uniform negatives rather than 50"] == ("uniform", "uniform-few")
    assert told["the softmax rather than the hinge loss"] == ("uniform", "hinge")
    popular = "popular negatives without logQ rather than uniform ones (popularity^0.5)"
    assert told[popular] == ("popular", "uniform")
    assert told["any negatives (uniform) rather than positives alone"] == ("uniform", "alone")


def test_what_log_and_oracle_both_prefer_is_advised(ground):
    said = said_of(ground, "in-batch negatives with logQ rather than without")
    assert said.verdict == advice.YES and said.advice == "Yes, by the log and by the oracle."
    spare = f"{said.truth.low - 0.005:.4f}"  # the margin counts
    assert spare in said.overturned and "would have to lose" in said.overturned


def test_what_they_contradict_each_other_on_is_called_so(ground):
    said = said_of(ground, "popular negatives without logQ")
    assert said.log.value == pytest.approx(-0.1) and said.truth.value == pytest.approx(0.1)
    assert said.verdict == advice.SPLIT
    assert said.advice == "Contradictory: no by the log, yes by the oracle."


def test_what_makes_no_difference_does_not_matter_and_with_a_finer_margin_is_open(ground):
    assert said_of(ground, "the softmax rather than the hinge").verdict == advice.NO_MATTER
    said = said_of(ground, "the softmax rather than the hinge", margin=0.0)
    assert said.verdict == advice.OPEN and "takes more users and seeds" in said.overturned


def test_a_clear_difference_inside_the_margin_is_no_yes(ground):
    # in-batch against uniform: .05 in recall, and .01 in true relevance known to .002
    words = "in-batch negatives with logQ rather than uniform ones"
    assert said_of(ground, words).verdict == advice.YES
    said = said_of(ground, words, margin=0.0095)  # the oracle's interval ends within the margin
    assert said.truth.low > 0 and said.verdict == advice.WEAK
    assert said.advice == "Weak: yes by the log alone; the oracle leaves it open."
    assert "times by the oracle" in said.overturned


def test_advice_is_the_verdict_of_evaluation_on_the_same_intervals(ground):
    named = {"better": advice.YES, "worse": advice.NO, "undecided": advice.OPEN,
             "no practical difference": advice.NO_MATTER}  # fmt: skip
    for margin in (0.0, 0.005, 0.045, 0.05, 0.2):
        made = advice.decided(ground, margin)
        effects = [one.effects["log"] for one in made]
        found = significance.verdicts(*zip(*(e[:3] for e in effects), strict=True), margin=margin)
        assert [one.said["log"] for one in made] == [named[word] for word in found.words]


@pytest.mark.parametrize(
    "log, oracle, words",
    [
        ("yes", "open", "Weak: yes by the log alone; the oracle leaves it open."),
        ("no matter", "no",
         "Weak: no by the oracle alone; the log finds no difference that matters."),
        ("no", None, "No."),
        ("open", None, "Undecided: these runs do not tell."),
        ("open", "no matter", "Undecided: these runs do not tell."),
    ],
)  # fmt: skip
def test_advice_says_which_judge_is_sure(log, oracle, words):
    said = {"log": log} | ({} if oracle is None else {"oracle": oracle})
    assert advice.in_words(said) == words


def test_what_overturns_a_statement_names_the_seed_that_already_fails_and_the_spare():
    effect = Effect(0.10, 0.05, 0.16, {1: 0.25, 2: -0.05})
    said = advice.overturned_by({"log": effect}, {"log": advice.YES}, 0.01)
    assert "have to lose 0.0400 of its 0.1000 (40%) by the log" in said
    assert "It fails already with seed 2, by the log" in said
    negative = {"log": Effect(-0.10, -0.16, -0.05, {1: -0.1})}
    said = advice.overturned_by(negative, {"log": advice.NO}, 0.01)
    assert "lose 0.0400 of its" in said and "One seed" in said


@pytest.mark.parametrize(
    ("value", "margin", "said"),
    [
        (0.01, 0.0, "about 9 times by the log"),  # (0.03 / 0.01) ** 2
        (0.015, 0.005, "about 9 times by the log"),  # until it lies beyond the margin
        (-0.015, 0.005, "about 9 times by the log"),
        (0.005, 0.015, "about 9 times by the log"),  # until it lies within the margin
        (0.005, 0.005, "over a thousand times by the log"),
        (0.06, 0.0, "about 2 times by the log"),  # clear alone: the correction leaves it open
    ],
)
def test_an_undecided_difference_says_how_many_more_users_it_wants(value, margin, said):
    effect = {"log": Effect(value, value - 0.03, value + 0.03, {1: value, 2: value})}
    assert said in advice.overturned_by(effect, {"log": advice.OPEN}, margin)


def test_targets_are_met_or_not(ground):
    found = {check.claim[:9]: check for check in targets.checks(ground, 0.01)}
    assert found["positives"].met and found["uniform n"].met and found["logQ move"].met
    assert "from 0.20 to 1.20" in found["logQ move"].found
    # .002 below random lists, with .002 of luck a seed: within .01, but not surely within .005
    assert targets.checks(ground, 0.005)[0].met is None


def test_a_bias_that_logq_might_move_either_way_is_neither_met_nor_missed(ground, monkeypatch):
    for ends, met in (((-0.1, 0.3), None), ((-0.3, -0.1), False), ((0.1, 0.3), True)):
        monkeypatch.setattr(Ground, "bias_effect", lambda *_, e=ends: Effect(sum(e) / 2, *e, {}))
        assert targets.checks(ground, 0.005)[-1].met is met


def test_positives_alone_that_beat_chance_do_not_meet_the_target(
    sweep_builder, tmp_path, monkeypatch
):
    monkeypatch.setitem(ARMS, "alone", (ARMS["alone"][0], 0.08, 0.2, 1.0))
    folder = write_study_sweep(sweep_builder, tmp_path / "s", arms=("alone", "uniform"))
    (ground,), _ = read_grounds(read_sweep(folder))
    assert [check.met for check in targets.checks(ground, 0.005)] == [
        False,
        False,
    ]  # 0.20 / 0.08 < 5


def test_chance_that_is_missed_by_less_than_runs_can_tell_is_called_so(
    sweep_builder, tmp_path, monkeypatch
):
    monkeypatch.setitem(ARMS, "alone", (ARMS["alone"][0], 0.017, 0.2, 1.0))
    folder = write_study_sweep(sweep_builder, tmp_path / "s", arms=("alone",))
    for run in ("alone-seed1", "alone-seed2"):  # random lists without any spread over users
        frame = pd.read_parquet(folder / run / "per_user.parquet")
        frame.loc[frame["generator"] == "random", "recall@20"] = 0.016
        frame.to_parquet(folder / run / "per_user.parquet", index=False)
    (ground,), _ = read_grounds(read_sweep(folder))
    assert [check.met for check in targets.checks(ground, 0.005)] == [None]
    assert "than these runs can tell" in text_of(advice_page.checked(open_report(folder)))


def test_ranks_by_log_and_oracle_are_compared_with_an_interval(ground):
    arms = [ground.find(label=n) for n in ("uniform", "in-batch", "in-batch-plain", "popular")]
    found = ground.agreement(arms, "recall", "true_relevance")
    # by recall: in-batch, uniform, popular, plain; by truth: popular, in-batch, uniform, plain
    assert found["Spearman"].value == pytest.approx(1 - 6 * (4 + 1 + 1) / (4 * 15))
    assert found["Kendall"].value == pytest.approx((4 - 2) / 6)
    assert found["Spearman"].low <= found["Spearman"].value <= found["Spearman"].high
    assert ground.agreement(arms[:2], "recall", "true_relevance") is None


def test_the_largest_disagreement_comes_first(ground):
    first = advice.disagreements(advice.samplers(ground))[0]
    assert first.arm.label == "popular" and first.by_log > first.by_truth == 1


def test_the_answer_names_both_winners_and_what_the_other_would_cost(ground):
    said = " ".join(advice_page.answer(ground, 0.005))
    assert "Judged by the log, use “in-batch”: recall@20 0.2500" in said
    assert "Judged by the oracle, use “popular”: true relevance@20 0.5000" in said
    assert "recall by −0.1500" in said and "true relevance by 0.0900" in said
    assert "Chosen as the best of 8 on these users" in said


def test_ways_near_the_best_are_named_by_verdicts_corrected_for_choosing_it(ground):
    said = " ".join(advice_page.answer(ground, 0.005))
    assert "by the log, use “in-batch”" in said and "3 starts" not in said
    assert said.count("every other way is clearly worse") == 2
    said = " ".join(advice_page.answer(ground, 0.06))  # uniform is .05 below in recall
    assert "do not distinguish it from “uniform”" in said


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_section_has_words_for_a_sweep_in_which_all_failed(sweep_builder, tmp_path, section):
    report = open_report(sweep_builder.build_empty_sweep(tmp_path / "empty"))
    assert len(text_of(section(report)).strip()) > 10


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_section_serves_one_run_without_an_oracle(sweep_builder, tmp_path, section):
    folder = write_study_sweep(
        sweep_builder, tmp_path / "s", arms=("uniform",), seeds=(1,), oracle=False
    )
    assert len(text_of(section(open_report(folder))).strip()) > 10


def test_without_an_oracle_the_log_alone_advises(sweep_builder, tmp_path):
    folder = write_study_sweep(
        sweep_builder, tmp_path / "s", arms=("in-batch", "in-batch-plain"), seeds=(1,), oracle=False
    )
    report = open_report(folder)
    assert "by held-out events alone" in text_of(advice_page.opening(report))
    table = text_of(advice_page.table_of_advice(report))
    assert "Yes." in table and "One seed: another start was not tried." in table
    assert "no oracle here" in text_of(advice_page.disagreement(report))


def test_a_run_without_its_record_is_named_and_the_rest_stays(sweep_builder, tmp_path):
    folder = write_study_sweep(sweep_builder, tmp_path / "s", arms=("uniform", "hinge"), seeds=(1,))
    (folder / "hinge-seed1" / "study.json").write_text("{")
    (ground,), remarks = read_grounds(read_sweep(folder))
    assert [arm.label for arm in ground.arms] == ["uniform"]
    assert remarks == ["hinge-seed1 left no study.json, or one that cannot be read."]
    assert "hinge-seed1" in text_of(advice_page.opening(open_report(folder)))


def test_another_dataset_that_says_the_opposite_overturns(sweep_builder, tmp_path, monkeypatch):
    arms, folder = ("in-batch", "in-batch-plain", "uniform"), tmp_path / "s"
    write_study_sweep(sweep_builder, folder, arms=arms)
    monkeypatch.setitem(ARMS, "in-batch-plain", (ARMS["in-batch-plain"][0], 0.9, 0.9, 2.0))
    for arm in arms:
        films = {"digest": "e" * 64, "name": "films", "oracle": False}
        write_study_run(sweep_builder, folder / f"films-{arm}", arm, 1, **films)
    (folder / "sweep.json").unlink()  # the folder's runs are found without a plan
    grounds, _ = read_grounds(read_sweep(folder))
    world = next(g for g in grounds if g.name == "world")
    films = [g for g in grounds if g is not world]
    opposite, alike = advice.statements(world, films, 0.005)
    assert opposite.overturned.endswith("It fails already on films (log).")
    assert alike.verdict == advice.YES and "films" not in alike.overturned


@pytest.mark.notebook
def test_a_sweep_may_ask_for_this_report(sweep, root, tmp_path, monkeypatch):
    project = tmp_path / "project"
    for name in ("params", "notebooks", "outputs"):
        (project / name).mkdir(parents=True)
    shutil.copy(root / "notebooks/92_which_negatives.ipynb", project / "notebooks")
    folder = shutil.copytree(sweep, project / "outputs/negatives")
    monkeypatch.chdir(project)
    html = make_report(folder).read_text()
    assert "Which negatives?" in html and "92_which_negatives.ipynb" in html
    assert "Contradictory" in html and "fetch(" not in html
