import inspect
from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import Field, model_validator

from candgen.checks import (
    Count,
    NotNegative,
    Positive,
    Settings,
    Share,
    checked,
    section,
    signature,
)
from candgen.errors import SettingError


class Parent(Settings):
    dim: Count = 32
    """Length of
    the vectors."""
    rate: Positive = 0.5
    """Learning rate."""
    kind: Literal["none", "all"] = "all"
    """Kind of negatives."""
    share: Share = 0.25
    """A share."""
    sizes: list[Count] = [64]
    """Sizes of layers."""
    columns: dict[str, str] = {}
    """Columns by kind."""

    @model_validator(mode="after")
    def _fits(self):
        if self.kind == "none" and self.rate > 10:
            raise SettingError("rate and kind do not fit together.")
        return self


class Child(Parent):
    dim: Count = 8


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dimm": 8}, r"There is no setting 'dimm'\. Did you mean 'dim'\?"),
        ({"dim": 0}, r"^dim must be 1 or greater, got 0\.$"),
        ({"dim": 2.5}, r"^dim must be a whole number, got 2\.5\.$"),
        ({"dim": True}, r"^dim must be a whole number, got True\.$"),
        ({"dim": "8"}, r"^dim must be a whole number, got '8'\.$"),
        ({"rate": 0}, r"^rate must be greater than 0, got 0\.$"),
        ({"rate": float("nan")}, r"^rate must be a finite number, got nan\.$"),
        ({"rate": True}, r"^rate must be a finite number, got True\.$"),
        ({"kind": "al"}, r"^kind must be one of none, all; got 'al'\. Did you mean 'all'\?$"),
        ({"share": 1.5}, r"^share must be at most 1, got 1\.5\.$"),
        ({"sizes": [8, 0]}, r"^sizes\[1\] must be 1 or greater, got 0\.$"),
        ({"sizes": "8"}, r"^sizes must be a list, got '8'\.$"),
        ({"columns": ["a"]}, r"^columns must be a mapping, got \['a'\]\.$"),
        ({"kind": "none", "rate": 11.0}, r"^rate and kind do not fit together\.$"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_with_what_was_expected(given, message):
    with pytest.raises(SettingError, match=message):
        Parent(**given)


def test_numpy_numbers_tuples_and_whole_floats_are_taken_as_what_they_say():
    made = Parent(dim=np.int32(3), rate=np.float64(2), share=1, sizes=(4, np.int64(2)))
    assert (made.dim, made.rate, made.share, made.sizes) == (3, 2.0, 1.0, [4, 2])
    assert all(type(value) is int for value in (made.dim, *made.sizes))


def test_a_default_list_is_not_shared():
    first = Parent()
    first.sizes.append(1)
    assert Parent().sizes == [64]


def test_a_subclass_that_changes_a_default_keeps_the_meaning_and_the_place():
    assert Child().dim == 8 and Parent().dim == 32
    assert next(iter(Child.model_fields)) == "dim"
    assert "dim (int, 1 or greater, default 8): Length of the vectors." in section(Child)


def test_the_section_of_a_docstring_names_type_range_default_and_meaning():
    said = section(Parent).splitlines()
    assert said[0] == "Settings:"
    assert "    rate (float, greater than 0, default 0.5): Learning rate." in said
    assert "    kind ('none' | 'all', default 'all'): Kind of negatives." in said
    assert "    share (float, 0 or greater, at most 1, default 0.25): A share." in said


def test_the_signature_has_keywords_with_plain_types_and_defaults():
    parameters = signature(Parent).parameters
    assert parameters["dim"].default == 32 and parameters["dim"].annotation is int
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())


def test_one_value_is_checked_like_a_setting():
    assert checked("n", np.int64(3), Count) == 3
    assert checked("weight", 0, NotNegative) == 0.0
    with pytest.raises(SettingError, match=r"^n must be 1 or greater, got 0\.$"):
        checked("n", 0, Count)
    with pytest.raises(SettingError, match=r"^links must be 2 or greater, got 1\.$"):
        checked("links", 1, Annotated[int, Field(ge=2)])
    with pytest.raises(SettingError, match=r"^how must be one of a, b; got 'c'\.$"):
        checked("how", "c", Literal["a", "b"])
