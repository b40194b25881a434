"""Default spaces of all generators: they hold the defaults, and whatever is drawn is valid."""

from typing import Annotated

import numpy as np
import pytest

from candgen import models
from candgen.checks import Count, Settings
from candgen.spaces import OneOf, Real, Whole, default_space

NOTHING_TO_SEARCH = {"random", "popularity"}


class Base(Settings):
    dim: Annotated[Count, Whole(2, 8)] = 4
    """Length."""
    rate: Annotated[float, Real(0.1, 1.0)] = 0.5
    """Rate."""


class Further(Base):
    dim: Count = 6
    rate: Annotated[float, Real(0.2, 2.0)] = 1.0


@pytest.mark.parametrize("name", sorted(set(models.names()) - NOTHING_TO_SEARCH))
def test_default_spaces_hold_the_default_and_give_valid_settings(name):
    kind = models.by_name(name)
    space, settings = default_space(kind.Settings), kind().settings
    assert 1 <= len(space) <= 6
    assert {one for one in space if settings[one] not in space[one]} == set()
    rng = np.random.default_rng(0)
    for _ in range(20):
        kind(**{one: drawn(found, rng) for one, found in space.items()})


def drawn(space, rng):
    if isinstance(space, OneOf):
        return space.values[rng.integers(len(space.values))]
    if isinstance(space, Whole):
        return int(rng.integers(space.low, space.high + 1))
    return float(rng.uniform(space.low, space.high))


def test_generators_without_settings_to_search_have_no_space():
    assert [default_space(models.by_name(name).Settings) for name in NOTHING_TO_SEARCH] == [{}, {}]


def test_a_subclass_inherits_a_range_unless_it_names_its_own():
    assert default_space(Further) == {"dim": Whole(2, 8), "rate": Real(0.2, 2.0)}


def test_a_range_holds_its_ends_and_what_lies_on_its_steps():
    assert all(value in Whole(2, 8, step=3) for value in (2, 5, 8))
    assert all(value not in Whole(2, 8, step=3) for value in (1, 3, 9, 5.0, True))
    assert all(value in Real(0.0, 0.3, step=0.1) for value in (0.0, 0.1, 0.2, 0.1 + 0.2))
    assert all(value not in Real(0.0, 0.3, step=0.1) for value in (0.15, 0.4, -0.1, "0.1"))
    assert True not in OneOf((1, 2)) and 1 in OneOf((1, 2))
    assert [64, 32] in OneOf(([64], [64, 32]))
