"""Numbers published on Gowalla, reached through preparation, generator, ranking and judge."""

import pytest

from candgen import evaluation
from candgen.datasets import preparation
from candgen.models import SLIM, WALS, ItemKNN, Popularity, SparseEASE

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def gowalla(real_data, tmp_path_factory):
    folder = real_data / "gowalla"
    return preparation.prepare(
        tmp_path_factory.mktemp("gowalla"),
        source="given",
        name="gowalla",
        train_path=str(folder / "train.txt"),
        test_path=str(folder / "test.txt"),
        validation_fraction=0.0,
    )


def figures(generator, dataset) -> tuple[float, float]:
    judged = evaluation.judge(generator.fit(dataset), dataset, k=20, cutoffs=[20])
    return judged.mean("recall@20"), judged.mean("ndcg@20")


def test_popularity_reaches_the_published_numbers_to_the_last_digit(gowalla):
    recall, ndcg = figures(Popularity(), gowalla)
    assert (round(recall, 4), round(ndcg, 4)) == (0.0416, 0.0317)


def test_item_neighbours_reach_the_published_numbers(gowalla):
    published = ItemKNN(neighbours=100, shrinkage=0, aggregate="centred mean")
    recall, ndcg = figures(published, gowalla)
    # Published .1570 and .1214; which of several equal neighbours is the hundredth is not.
    assert recall == pytest.approx(0.1570, abs=0.0003)
    assert ndcg == pytest.approx(0.1214, abs=0.0002)


def test_factorization_in_64_dimensions_exceeds_150_and_125_thousandths(gowalla):
    model = WALS(dim=64, epochs=6, unobserved_weight=0.01, regularization=0.003, seed=1)
    recall, ndcg = figures(model, gowalla)
    assert recall >= 0.150 and ndcg >= 0.125


def test_sparse_regressions_reach_ease_which_holds_all_pairs_of_items(gowalla):
    recall, ndcg = figures(SparseEASE(regularization=80.0), gowalla)
    assert recall >= 0.99 * 0.1765 and ndcg >= 0.98 * 0.1467  # EASE is published with these
    recall, ndcg = figures(SLIM(), gowalla)
    assert recall >= 0.1765 and ndcg >= 0.145
