import numpy as np
import pytest
from scipy.sparse import csr_array

from candgen.evaluation import metrics
from candgen.retrieval import top_k
from candgen.training.watching import metric_of_ranks


@pytest.mark.parametrize("metric", ["recall", "ndcg"])
def test_ranks_give_what_the_judge_finds_in_sorted_lists(metric):
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(30, 4)).astype("f"), rng.normal(size=(80, 4)).astype("f")
    seen = csr_array(rng.random((30, 80)) < 0.2)
    held = (rng.random((30, 80)) < 0.1) & ~seen.toarray()
    held[:, 7] |= ~seen.toarray()[:, 7]
    held[~held.any(axis=1), 8] = True
    held = csr_array(held)
    lists = top_k(users, items, 10, exclude=seen).items
    judged = metrics.per_user(lists, held.astype(np.float32), cutoffs=(10,))[f"{metric}@10"]
    found = metric_of_ranks(users @ items.T, seen, held, metric, 10)
    np.testing.assert_allclose(found, judged, atol=1e-12)


def test_a_tie_counts_against_the_held_out_item():
    scores = np.zeros((1, 3), dtype=np.float32)
    nothing, held = csr_array((1, 3)), csr_array(np.array([[0, 1, 0]]))
    assert metric_of_ranks(scores, nothing, held, "recall", 2)[0] == 0
    assert metric_of_ranks(scores, nothing, held, "recall", 3)[0] == 1


def test_seen_items_do_not_stand_in_the_way_and_cannot_be_found():
    scores = np.array([[3.0, 2.0, 1.0]], dtype=np.float32)
    seen, held = csr_array(np.array([[1, 0, 0]])), csr_array(np.array([[1, 1, 0]]))
    assert metric_of_ranks(scores, seen, held, "recall", 1)[0] == 0.5
    assert scores[0, 0] == 3.0  # the caller's scores are left as they were
