import pytest

from candgen.reports.searches.reading import Searches, read_searches


@pytest.fixture
def read(invented, tmp_path):
    """Read a record that is written first."""

    def write_and_read(held):
        invented.write(tmp_path, held)
        return read_searches(tmp_path)

    return write_and_read


def test_a_sweep_without_a_search_has_none(tmp_path):
    assert read_searches(tmp_path) == Searches()


def test_trials_come_in_their_order_with_counts_of_their_states(read, invented):
    trials = invented.wals_trials()
    search = invented.search("WALS", invented.WALS, trials[::-1], [])
    (found,) = read(invented.record({"w": search})).found
    assert [trial.number for trial in found.trials] == list(range(30))
    assert (found.count("pruned"), found.count("failed"), found.count("done")) == (4, 2, 24)
    assert found.default.settings == invented.DEFAULTS
    assert found.chosen.value == max(t["value"] for t in trials if t["value"] is not None)


def test_a_pruned_trial_has_the_value_where_it_was_stopped_and_a_failed_one_has_none(
    searched_folder,
):
    wals = read_searches(searched_folder).found[0]
    assert (wals.trials[7].value, wals.trials[7].epochs) == (0.65, 2)
    assert wals.trials[5].value is None
    assert not wals.trials[7].done and not wals.trials[5].done


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ('{"runs": {"w": {"trials": 3}}}', "runs.w.metric"),
        ('{"runs": {"../out": {}}}', "name that is not allowed|no name"),
        ("{", "cannot be read"),
        ('{"runs": {"w": {"generator": "W", "metric": "m", "space": {}, "trials": [{"number": -1, '
         '"state": "done", "params": {}}]}}}', "number"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_named_and_hides_nothing_else(tmp_path, damage, said):
    import re

    (tmp_path / "search.json").write_text(damage)
    found = read_searches(tmp_path)
    assert found.found == () and re.search(said, found.trouble)
    assert "search.json" in found.trouble and str(tmp_path) not in found.trouble


def test_a_step_without_a_value_is_left_out(read, invented):
    cut = invented.trial("w", 0, {"dim": 8}, None) | {"state": "pruned"}
    cut["steps"] = [[1, 0.3], [2, None]]
    whole = invented.trial("w", 1, {"dim": 8}, 0.5)
    failed = cut | {"number": 2, "state": "failed"}
    record = invented.record({"w": invented.search("W", {"dim": [8]}, [cut, whole, failed], [])})
    assert [trial.value for trial in read(record).found[0].trials] == [0.3, 0.5, None]


def test_one_choice_of_settings_read_again_is_no_second_reading(read, invented):
    record = invented.record(
        {}, [invented.reading("a", "1"), invented.reading("a", "1", "2027-01-01")]
    )
    assert read(record).read_again == []


def test_another_choice_is_a_second_reading_of_that_run_on_that_dataset_alone(read, invented):
    readings = [invented.reading("a", "1"), invented.reading("a", "2", "2026-11-28")]
    readings += [invented.reading("b", "1"), invented.reading("b", "2") | {"dataset": "e" * 64}]
    (said,) = read(invented.record({}, readings)).read_again
    assert said == "a: with 2 choices of settings (2026-11-27, 2026-11-28)."


def test_repeats_over_seeds_count_once_and_have_the_name_of_the_search(read, invented):
    finals = ["w-seed1", "w-seed2"]
    search = invented.search("WALS", invented.WALS, invented.wals_trials(), finals)
    readings = [invented.reading(run, f"{run}{n}") for run in finals for n in range(3)]
    (said,) = read(invented.record({"w": search}, readings)).read_again
    assert said.startswith("w: with 3 choices of settings")
