"""Before the search or after it, against a plain sort."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from candgen.errors import DataError, SettingError
from candgen.retrieval import TopK, effort, filtered_search, filters, indexes, invented_vectors
from candgen.retrieval.filtered_search import Choice, Rule, Trial


@pytest.fixture(scope="module")
def index():
    items = np.random.default_rng(0).normal(size=(900, 8))
    return indexes.build("faiss-ivf", items, "dot", lists=20, probes=8)


@pytest.fixture(scope="module")
def catalogue():
    """Twenty thousand items in clusters that have places, and an index that finds too little."""
    made = invented_vectors.clustered(20_000, 96, 24, seed=1)
    return made, indexes.build("faiss-ivf", made.items, "dot", probes=1, seed=1)


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("how", ["before", "after", "auto"])
def test_random_filters_leave_what_a_plain_sort_leaves(index, how, case):
    rng = np.random.default_rng(case)
    queries, k = rng.normal(size=(11, 8)).astype(np.float32), int(rng.integers(1, 40))
    eligible = rng.random(900) < rng.choice([0.005, 0.05, 0.5, 1.0])
    seen = (rng.random((11, 900)) < rng.random((11, 1)) ** 3) if case % 3 else None
    may = np.broadcast_to(eligible, (11, 900)) & (True if seen is None else ~seen)
    withheld = None if seen is None else csr_array(seen)
    found = filtered_search.search(
        index, queries, k, eligible=eligible, exclude=withheld, how=how
    ).items
    scores = np.where(may, queries @ np.asarray(index.vectors).T, -np.inf)
    best = np.argsort(-scores, axis=1)[:, :k]
    there = np.minimum(may.sum(axis=1), k)
    shared = 0
    for row in range(11):
        mine = found[row][found[row] >= 0]
        assert len(mine) == len(set(mine)) == there[row]  # never fewer while so many are eligible
        assert may[row, mine].all()
        shared += len(set(mine) & set(best[row, : there[row]]))
    if how == "before":
        assert shared == there.sum()
    else:
        assert shared >= 0.85 * there.sum()


@pytest.mark.parametrize("kind", indexes.KINDS)
def test_lists_are_full_however_little_an_index_looks_at(kind):
    """Filters that lie far from the query, and the least effort that there is."""
    rng = np.random.default_rng(5)
    items = np.concatenate([rng.normal(8, 1, (450, 6)), rng.normal(-8, 1, (50, 6))])
    built = indexes.build(kind, items.astype(np.float32), "dot")
    lazy = effort.with_effort(built, 1) if effort.most_effort(built) else built
    queries = rng.normal(8, 1, (5, 6)).astype(np.float32)
    for n_left in (1, 9, 49, 50):
        eligible = np.zeros(500, bool)
        eligible[450 : 450 + n_left] = True  # the opposite of what is asked for
        for how in ("before", "after", "auto"):
            found = filtered_search.search(lazy, queries, 20, eligible=eligible, how=how).items
            held = found >= 0
            assert (held.sum(axis=1) == min(n_left, 20)).all()
            assert eligible[found[held]].all()


def shares_of(found, queries, items, eligible, k):
    scores = np.where(eligible, queries @ items.T, -np.inf)
    best = np.argsort(-scores, axis=1)[:, :k]
    return np.mean([len(set(f) & set(b)) / k for f, b in zip(found, best, strict=True)])


def test_the_rule_finds_enough_at_every_width_though_the_index_does_not(catalogue):
    (items, queries, _), index = catalogue
    rng = np.random.default_rng(2)
    rule = filtered_search.measure(index, queries[:32], 20, target=0.95, repeats=1)
    asked, lacking = queries[32:], []
    for share in (0.02, 0.1, 0.2, 0.5, 0.8, 1.0):
        eligible = rng.random(len(items)) < share
        got = {
            how: filtered_search.search(
                index, asked, 20, eligible=eligible, how=how, rule=rule
            ).items
            for how in ("auto", "after")
        }
        found = {how: shares_of(got[how], asked, items, eligible, 20) for how in got}
        assert found["auto"] >= 0.95
        lacking.append(found["after"])
    assert min(lacking) < 0.9  # so the rule had something to make up for


def test_among_a_hundred_thousand_a_filter_by_place_that_leaves_a_hundredth_is_searched_well():
    items, queries, where = invented_vectors.clustered(100_000, 24, 16, seed=1)
    index = indexes.build("faiss-ivf", items, "dot", lists=128, probes=2, seed=1)
    masks = []
    for user in range(3):
        far = filters.distances(where, where[user])
        masks.append(filters.near(where, where[user], np.quantile(far, 0.01)))
        assert masks[-1].sum() == pytest.approx(1_000, abs=5)
    places = np.arange(24) % 3
    told = {"groups": places, "eligible": dict(enumerate(masks))}
    rule = filtered_search.measure(index, queries[:8], 100, filters=masks[:1], repeats=1)
    for chosen in (rule, None):  # measured on another place, and on each
        found = filtered_search.search_groups(index, queries, 100, rule=chosen, **told).items
        for place, mask in enumerate(masks):
            mine = places == place
            assert shares_of(found[mine], queries[mine], items, mask, 100) >= 0.95


def test_groups_see_their_own_items(index):
    rng = np.random.default_rng(3)
    queries = rng.normal(size=(9, 8)).astype(np.float32)
    places = np.array(["east", "west", "east"] * 3)
    eligible = {"east": np.arange(900) % 3 == 0, "west": np.arange(900) % 3 == 1}
    seen = csr_array(rng.random((9, 900)) < 0.2)
    told = {"groups": places, "eligible": eligible, "exclude": seen, "how": "before"}
    found = filtered_search.search_groups(index, queries, 12, **told)
    for row, place in enumerate(places):
        alone = filtered_search.search(
            index, queries[[row]], 12, eligible=eligible[place], exclude=seen[[row]], how="before"
        )
        np.testing.assert_array_equal(found.items[row], alone.items[0])
    with pytest.raises(DataError, match="eligible for the group 'west'"):
        del eligible["west"]
        filtered_search.search_groups(index, queries, 12, groups=places, eligible=eligible)


# --- the rule

RULE = Rule(
    k=100,
    target=0.95,
    trials=(
        Trial(0.01, before=1e-4, after=np.inf, effort=0),
        Trial(0.1, before=1e-3, after=4e-4, effort=32),
        Trial(1.0, before=1e-2, after=1e-4, effort=8),
    ),
)


def test_the_rule_takes_the_quicker_way_of_those_that_find_enough():
    assert RULE.choose(1.0) == Choice("after", 8)
    assert RULE.choose(0.1) == Choice("after", 32)
    assert RULE.choose(0.05) == Choice("before", 0)  # its narrower neighbour never found enough
    assert RULE.choose(0.001) == Choice("before", 0)  # narrower than all that was measured
    quick = Rule(100, 0.95, (Trial(0.2, 1e-3, 1e-4, 8),))
    assert quick.choose(0.2).how == "after" and quick.choose(0.19).how == "before"
    slow = Rule(100, 0.95, (Trial(0.5, 1e-4, 2e-4, 8), Trial(1.0, 1e-4, 1e-4, 8)))
    assert slow.choose(0.5) == slow.choose(1.0) == Choice("before", 0)


def test_enough_is_found_only_two_standard_errors_above_the_target():
    best = np.arange(20)[None].repeat(16, axis=0)
    found = best.copy()
    found[:8, :2] = -1  # half of the queries find 18 of 20: the mean is .95, its error .0129
    assert filtered_search._enough(found, best, 0.92) and not filtered_search._enough(
        found, best, 0.93
    )
    assert filtered_search._enough(best[:1], best[:1], 1.0) and not filtered_search._enough(
        found[:1], best[:1], 0.95
    )


def test_the_effort_that_the_rule_names_is_made(catalogue):
    (items, queries, _), index = catalogue
    everything = np.ones(len(items), bool)
    rule = Rule(20, 0.95, (Trial(1.0, 9.0, 1.0, effort.most_effort(index)),))
    found = [
        filtered_search.search(index, queries, 20, eligible=everything, how=how, rule=rule).items
        for how in ("after", "auto")
    ]
    shares = [shares_of(f, queries, items, everything, 20) for f in found]
    assert shares[0] < 0.9 and shares[1] == 1


def test_between_two_filters_the_greater_effort_and_the_mean_time_in_logarithms_count():
    middle = np.sqrt(0.1)
    assert RULE.choose(middle) == Choice("after", 32)
    expected = RULE.seconds(middle)
    assert expected == pytest.approx({"before": np.sqrt(1e-5), "after": 2e-4})
    assert RULE.seconds(0.03)["after"] == np.inf


def test_of_after_the_least_effort_that_finds_enough_is_kept(catalogue, monkeypatch):
    (items, queries, _), index = catalogue
    clock = iter(np.arange(1e5))
    monkeypatch.setattr(filtered_search.time, "perf_counter", lambda: next(clock))
    everything = [np.ones(len(items), bool)]
    efforts = []
    for target in (0.0, 0.8, 0.97):
        rule = filtered_search.measure(
            index, queries, 20, target=target, filters=everything, repeats=1
        )
        (trial,) = rule.trials
        assert trial.share == 1 and trial.before == pytest.approx(1 / len(queries))
        efforts.append(trial.effort)
        if trial.effort > 1:
            less = effort.with_effort(index, trial.effort // 2).query(queries, 20).items
            assert shares_of(less, queries, items, everything[0], 20) < target + 0.03
    assert efforts[0] == 1 and efforts == sorted(efforts) and efforts[-1] > 1


@pytest.mark.parametrize(
    ("enough_at", "chosen"),
    [({1, 4, 8, 16, 32}, 4), ({2, 4, 8, 16, 32}, 2), ({1, 4}, 0), ({64}, 0)],
)
def test_an_effort_is_trusted_only_if_twice_as_much_finds_enough_too(
    monkeypatch, enough_at, chosen
):
    """A search that comes up short is widened, and then finds more than one that just did not."""
    best = TopK(np.array([[1, 2]], np.int32), np.float32([[2, 1]]))
    poor = TopK(np.array([[8, 9]], np.int32), np.float32([[2, 1]]))

    def search(effort, queries, k, *, eligible, exclude, how):
        return best if how == "before" or effort in enough_at else poor

    told = {"search": search, "with_effort": lambda index, effort: effort}
    told |= {"effort_of": lambda index, k: 1, "most_effort": lambda index: 64}
    for name, stands_in in told.items():
        monkeypatch.setattr(filtered_search, name, stands_in)
    monkeypatch.setattr(filtered_search.time, "perf_counter", lambda: 0.0)
    trial = filtered_search._tried(None, np.ones((1, 2)), 2, np.ones(9, bool), None, 0.95, 1)
    assert trial.effort == chosen and np.isinf(trial.after) == (chosen == 0)


def test_a_kind_that_never_finds_enough_in_time_is_not_chosen(catalogue, monkeypatch):
    (_, queries, _), index = catalogue
    monkeypatch.setattr(filtered_search, "_TIMES", (1,))
    rule = filtered_search.measure(index, queries, 20, target=1.0, repeats=1)
    assert all(np.isinf(trial.after) for trial in rule.trials)
    assert all(rule.choose(share).how == "before" for share in (0.01, 0.2, 1.0))


def test_without_a_rule_one_is_measured_on_the_filter_itself(index, monkeypatch):
    asked = []
    monkeypatch.setattr(
        filtered_search, "measure", lambda *a, filters, **k: asked.append(filters) or RULE
    )
    eligible = np.arange(900) < 450
    filtered_search.search(index, np.ones((1, 8)), 10, eligible=eligible)
    np.testing.assert_array_equal(asked, [[eligible]])


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"target": 1.5}, "target must lie in 0 .. 1"),
        ({"filters": [np.zeros(900, bool)]}, "leaves nothing"),
        ({"queries": np.zeros((0, 8))}, "there are none"),
    ],
)
def test_what_cannot_be_measured_is_refused(index, told, message):
    with pytest.raises((SettingError, DataError), match=message):
        filtered_search.measure(index, **{"queries": np.ones((2, 8)), "k": 3, **told})


def test_an_exact_index_is_searched_before(catalogue):
    (items, queries, _), _ = catalogue
    exact = indexes.build("exact", items, "dot")
    eligible = np.random.default_rng(0).random(len(items)) < 0.3
    found = filtered_search.search(exact, queries, 20, eligible=eligible).items
    assert shares_of(found, queries, items, eligible, 20) == 1
