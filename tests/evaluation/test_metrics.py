"""Accuracy against hand-worked examples, scikit-learn and trec_eval."""

import math

import numpy as np
import pytest
import pytrec_eval
from scipy.sparse import csr_array
from sklearn.metrics import average_precision_score, ndcg_score

from candgen.errors import DataError, SettingError
from candgen.evaluation import metrics

# One user; films 3 and 1 are held out, with gains 2 and 5. The list finds 3 second and 1 fourth.
LISTED = np.array([[7, 3, 0, 1, 5]])
WANTED = csr_array(([2.0, 5.0], ([0, 0], [3, 1])), shape=(1, 8))


def of(name, k, *, items=LISTED, held_out=WANTED, graded=False):
    return metrics.per_user(items, held_out, [k], graded=graded)[f"{name}@{k}"].tolist()


@pytest.mark.parametrize(
    ("name", "k", "expected"),
    [
        ("recall", 1, 0),
        ("recall", 2, 1 / 2),
        ("recall", 4, 1),
        ("precision", 2, 1 / 2),
        ("precision", 5, 2 / 5),
        ("precision", 10, 2 / 10),  # five places of ten are empty, and count as misses
        ("capped_recall", 1, 0),
        ("capped_recall", 2, 1 / 2),
        ("f1", 5, 2 * (2 / 5) * 1 / (2 / 5 + 1)),
        ("f1", 1, 0),
        ("map", 2, (1 / 2) / 2),
        ("map", 5, (1 / 2 + 2 / 4) / 2),
        ("ndcg", 2, (1 / math.log2(3)) / (1 + 1 / math.log2(3))),
        ("ndcg", 5, (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))),
        ("hit_rate", 1, 0),
        ("hit_rate", 2, 1),
        ("mrr", 1, 0),
        ("mrr", 2, 1 / 2),
        ("mrr", 4, 1 / 2),
    ],
)
def test_metrics_of_one_list_agree_with_a_calculation_by_hand(name, k, expected):
    assert of(name, k) == pytest.approx([expected])


def test_recall_divides_by_all_held_out_and_capped_recall_by_what_fits():
    three = csr_array(np.array([[0, 1, 0, 1, 0, 0, 0, 1]]))
    assert of("recall", 2, held_out=three) == pytest.approx([2 / 3])
    assert of("capped_recall", 2, held_out=three) == [1]


def test_average_precision_divides_by_the_smaller_of_cutoff_and_held_out():
    assert of("map", 2, held_out=csr_array(np.ones((1, 8)))) == [1]
    assert of("map", 1, held_out=csr_array(np.ones((1, 8)))) == [1]


def test_ndcg_can_weigh_hits_by_their_gains():
    dcg = 2 / math.log2(3) + 5 / math.log2(5)
    assert of("ndcg", 5, graded=True) == pytest.approx([dcg / (5 + 2 / math.log2(3))])
    assert of("ndcg", 1, graded=True, items=np.array([[3]])) == pytest.approx([2 / 5])


def test_gains_change_nothing_unless_they_are_asked_for():
    ones = csr_array((np.ones(2), ([0, 0], [3, 1])), shape=(1, 8))
    assert of("ndcg", 5) == of("ndcg", 5, held_out=ones)


def test_repeated_and_unsorted_held_out_events_count_once():
    twice = csr_array((np.ones(3), [3, 1, 3], [0, 3]), shape=(1, 8))
    assert of("recall", 2, held_out=twice) == [1 / 2]


def test_every_stored_entry_is_held_out_whatever_its_value():
    rated_zero = csr_array((np.zeros(2), [1, 3], [0, 2]), shape=(1, 8))
    assert of("recall", 5, held_out=rated_zero) == [1]


def test_a_perfect_list_scores_one_everywhere_it_can():
    found = metrics.per_user(np.array([[1, 3]]), WANTED, [2])
    assert (found == 1).all(axis=None)


def test_padding_is_never_a_hit():
    held_out = csr_array(np.eye(8)[[7]])  # the last item, which -1 would mean as an index
    found = metrics.per_user(np.array([[-1, -1]]), held_out, [1, 2])
    assert (found == 0).all(axis=None)


def test_a_padded_list_and_a_narrow_one_are_judged_alike():
    padded = np.hstack([LISTED, np.full((1, 4), -1)])
    narrow = metrics.per_user(LISTED, WANTED, [3, 9])
    assert metrics.per_user(padded, WANTED, [3, 9]).equals(narrow)


def test_lists_of_no_width_score_zero():
    assert (metrics.per_user(np.zeros((1, 0), int), WANTED, [5]) == 0).all(axis=None)


def random_case(seed, *, n_users=60, n_items=50, width=20):
    """Lists without repeats, ragged at their ends, and held-out items in random numbers."""
    rng = np.random.default_rng(seed)
    items = np.array([rng.permutation(n_items)[:width] for _ in range(n_users)])
    items[np.arange(width) >= rng.integers(0, width + 1, n_users)[:, None]] = -1
    wanted = rng.random((n_users, n_items)) < rng.choice([0.02, 0.2, 0.7], n_users)[:, None]
    wanted[np.arange(n_users), rng.integers(0, n_items, n_users)] = True
    return items, csr_array(wanted * rng.integers(1, 6, wanted.shape))


def test_metrics_agree_with_trec_eval_on_random_lists():
    items, held_out = random_case(1)
    cutoffs = [1, 5, 20]
    wanted = held_out.toarray()
    qrels = {
        f"u{u}": {f"i{i}": int(wanted[u, i]) for i in wanted[u].nonzero()[0]}
        for u in range(len(items))
    }
    run = {
        f"u{u}": {f"i{i}": float(100 - r) for r, i in enumerate(row) if i >= 0}
        for u, row in enumerate(items)
    }
    asked = {f"{name}.1,5,20" for name in ("recall", "P", "map_cut", "ndcg_cut", "success")}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, asked | {"recip_rank"}).evaluate(run)
    ours = metrics.per_user(items, held_out, cutoffs)
    graded = metrics.per_user(items, held_out, cutoffs, graded=True)
    n = (wanted > 0).sum(axis=1)
    for u in range(len(items)):
        expected = theirs.get(f"u{u}")
        if expected is None or not expected:  # trec_eval skips empty lists; we say zero
            assert (ours.loc[u] == 0).all()
            continue
        for k in cutoffs:
            assert ours.at[u, f"recall@{k}"] == pytest.approx(expected[f"recall_{k}"])
            assert ours.at[u, f"precision@{k}"] == pytest.approx(expected[f"P_{k}"])
            assert ours.at[u, f"hit_rate@{k}"] == expected[f"success_{k}"]
            # trec_eval divides average precision by n whatever the cut-off
            of_all = ours.at[u, f"map@{k}"] * min(k, n[u]) / n[u]
            assert of_all == pytest.approx(expected[f"map_cut_{k}"])
            # and its NDCG weighs hits by their gains
            assert graded.at[u, f"ndcg@{k}"] == pytest.approx(expected[f"ndcg_cut_{k}"])
        assert ours.at[u, "mrr@20"] == pytest.approx(expected["recip_rank"])


@pytest.mark.parametrize("graded", [False, True])
def test_ndcg_agrees_with_scikit_learn_on_full_rankings(graded):
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(40, 30))
    wanted = rng.integers(0, 5, (40, 30)) * (rng.random((40, 30)) < 0.3)
    wanted[:, 0] = 3
    truth = wanted if graded else (wanted > 0).astype(int)
    ranked = np.argsort(-scores, axis=1)
    for k in (1, 7, 30):
        ours = metrics.per_user(ranked, csr_array(wanted), [k], graded=graded)[f"ndcg@{k}"]
        assert ours.mean() == pytest.approx(ndcg_score(truth, scores, k=k))


def test_average_precision_of_a_full_ranking_agrees_with_scikit_learn():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(40, 30))
    wanted = rng.random((40, 30)) < 0.2
    wanted[:, 4] = True
    ours = metrics.per_user(np.argsort(-scores, axis=1), csr_array(wanted), [30])["map@30"]
    theirs = [average_precision_score(w, s) for w, s in zip(wanted, scores, strict=True)]
    np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_stay_in_range_and_keep_their_order(seed):
    found = metrics.per_user(*random_case(seed), [1, 3, 10, 20])
    assert not found.isna().any(axis=None)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all(axis=None)
    for k, more in ((1, 3), (3, 10), (10, 20)):
        for rising in ("recall", "hit_rate", "mrr"):
            assert (found[f"{rising}@{k}"] <= found[f"{rising}@{more}"]).all()
        assert (found[f"recall@{k}"] <= found[f"capped_recall@{k}"]).all()
        assert (found[f"map@{k}"] <= found[f"capped_recall@{k}"] + 1e-12).all()


def test_cutoffs_do_not_disturb_each_other():
    items, held_out = random_case(4)
    together = metrics.per_user(items, held_out, [3, 20, 7])
    for k in (3, 7, 20):
        alone = metrics.per_user(items, held_out, [k])
        assert together[alone.columns].equals(alone)


def test_the_order_of_users_and_the_size_of_blocks_change_nothing(monkeypatch):
    items, held_out = random_case(5)
    whole = metrics.per_user(items, held_out, [5, 20], graded=True)
    back = metrics.per_user(items[::-1], held_out[::-1], [5, 20], graded=True)
    np.testing.assert_allclose(back[::-1], whole)
    monkeypatch.setattr(metrics, "_CELLS_PER_BLOCK", 7 * items.shape[1])
    np.testing.assert_array_equal(metrics.per_user(items, held_out, [5, 20], graded=True), whole)


def test_a_user_without_held_out_items_is_refused():
    with pytest.raises(DataError, match="Row 1 of held_out is empty"):
        metrics.per_user(np.zeros((2, 1), int), csr_array(np.array([[1, 0], [0, 0]])), [1])


def test_an_item_outside_the_catalogue_is_refused():
    with pytest.raises(DataError, match="item 8; the catalogue has 8"):
        metrics.per_user(np.array([[8]]), WANTED, [1])


def test_gains_of_zero_are_refused():
    none = csr_array(([0.0], ([0], [3])), shape=(1, 8))
    with pytest.raises(DataError, match="above 0"):
        metrics.per_user(LISTED, none, [1], graded=True)


@pytest.mark.parametrize("wrong", [[], [0], [-3], [2.5], ["10"], [True]])
def test_cutoffs_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SettingError, match="whole numbers above 0"):
        metrics.check_cutoffs(wrong)


def test_cutoffs_come_in_rising_order_each_once():
    assert metrics.check_cutoffs([50, 10, 10, np.int64(20)]) == (10, 20, 50)
