"""A short form of the campaign of `searches.py`."""

import pytest

from faults import searches

pytestmark = pytest.mark.notebook


def test_a_search_that_is_killed_ends_as_undisturbed(tmp_path):
    counted = searches.compare(tmp_path, kills=2, n_trials=7, seed=3)
    assert counted["kills"] == 2 and counted["trials"] == 7
