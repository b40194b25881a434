"""Held-out events are judged by a threshold of their own, and training keeps all."""

import pytest

from candgen.datasets.preparation import prepare
from candgen.errors import DataError, SettingError
from candgen.evaluation.judging import judged_users
from candgen.evaluation.rating_errors import rating_errors
from candgen.models import by_name

# Times rise with the row: the last four events are test, the two before validation.
LOG = """user,item,rating,timestamp
1,10,5,0
1,11,2,1
2,10,4,2
2,12,1,3
1,12,5,4
2,11,2,5
1,13,4,6
2,13,1,7
1,14,3,8
2,14,5,9
"""
SPLIT = {"test_fraction": 0.4, "validation_fraction": 0.2}


@pytest.fixture
def prepared(tmp_path):
    def make(name="d", log=LOG, **settings):
        (tmp_path / "log.csv").write_text(log)
        told = {"source": "table", "path": str(tmp_path / "log.csv"), **SPLIT, **settings}
        return prepare(tmp_path / name, **told)

    return make


def ratings(events):
    return events["rating"].tolist()


def test_held_out_events_count_from_a_threshold_and_training_keeps_all(prepared):
    data = prepared(positive_rating=4)
    assert ratings(data.held_out) == [4, 5]
    assert ratings(data.train) == [5, 2, 4, 1, 5, 2]  # validation's low ratings, too
    assert ratings(data.for_validation().held_out) == [5]
    assert ratings(data.for_validation().train) == [5, 2, 4, 1]
    assert data.held_out_matrix.nnz == 2
    assert ratings(data.judging("interactions")) == [4, 1, 3, 5]


def test_training_has_a_threshold_of_its_own(prepared):
    data = prepared(min_rating=2, positive_rating=5, **SPLIT)
    assert ratings(data.train) == [5, 2, 4, 5, 2][: len(data.train)]
    assert 1 not in ratings(data.table("interactions"))
    assert set(ratings(data.held_out)) == {5}


def test_only_users_with_a_positive_are_judged_and_a_low_rating_is_no_hit(prepared):
    log = LOG.replace("2,14,5,9", "2,14,2,9")
    data = prepared(log=log, positive_rating=4)
    judged = judged_users(data)
    assert data.users["user_id"].iloc[judged.users].tolist() == [1]
    assert judged.counts["nothing_held_out"] == 1


def test_errors_of_predicted_ratings_are_of_low_ratings_too(prepared):
    log = LOG.replace("1,14,3,8", "1,11,1,8").replace("timestamp\n", "timestamp\n3,13,4,-1\n")
    data = prepared(log=log, positive_rating=4, duplicates="keep")
    model = by_name("PredictedRating")().fit(data)
    _, count = rating_errors(model, data)
    low = data.judging("interactions").rating.lt(4).sum()
    assert low and count > len(data.held_out)


def test_the_threshold_is_said_with_the_split_and_recorded(prepared):
    info = prepared(positive_rating=4).info
    assert "rated 4 or better" in info["split"]["rule"]
    assert info["parameters"]["positive_rating"] == 4


def test_datasets_that_judge_by_other_rules_have_other_digests(prepared):
    told = {"duplicates": "keep"}
    rules = ({}, {"positive_rating": 4}, {"positive_rating": 3}, {"repeats": "allow"})
    digests = {prepared(f"d{n}", **told, **rule).digest for n, rule in enumerate(rules)}
    assert len(digests) == len(rules)
    assert prepared("again", **told).digest in digests


def test_a_threshold_without_effect_is_refused(prepared):
    with pytest.raises(SettingError, match="positive_rating is 2, but events rated below"):
        prepared(min_rating=3, positive_rating=2)


@pytest.mark.parametrize("memory", ["", "1GB"])
def test_a_threshold_that_nothing_meets_names_the_part(prepared, memory):
    log = LOG.replace("1,12,5,4", "1,12,3,4")
    with pytest.raises(DataError, match="No event of the validation part is rated 4 or better"):
        prepared(log=log, positive_rating=4, memory=memory)


@pytest.mark.parametrize("memory", ["", "1GB"])
def test_a_threshold_needs_ratings(prepared, memory):
    log = "\n".join(line.rsplit(",", 2)[0] + "," + line.rsplit(",", 1)[1] for line in LOG.split())
    with pytest.raises(DataError, match="positive_rating is 4, but these events have no ratings"):
        prepared(log=log, positive_rating=4, memory=memory)


def test_beyond_memory_the_same_events_are_held_out(prepared):
    one = prepared("one", positive_rating=4)
    other = prepared("other", positive_rating=4, memory="1GB")
    assert one.digest == other.digest
    assert one.held_out.equals(other.held_out)
