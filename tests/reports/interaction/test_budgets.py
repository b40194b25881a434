import pytest

from candgen.reports.interaction.budgets import shortened, size_of
from candgen.reports.interaction.data_blocks import data_block

AROUND = len(data_block("kind", None)) - len("null")


@pytest.mark.parametrize(
    "value", [[], "<b>&amp;</b>", "映画 \u2028\u2029", {"a": [1, -2.5, None]}, '"quoted"\n\\']
)
def test_a_size_is_never_below_what_the_page_will_hold(value):
    written = len(data_block("kind", value).encode()) - AROUND
    assert written <= size_of(value) <= written + 5


def test_a_long_text_ends_with_an_ellipsis_and_a_short_one_is_itself():
    assert shortened("abcdef", 4) == "abc…"
    assert shortened(1234, 4) == "1234"
