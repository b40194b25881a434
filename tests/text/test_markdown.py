import pytest

from candgen.text.markdown import as_text


@pytest.mark.parametrize("plain", ["Heat", "wals-dim16", "It ended. Run it again", "8 1-2 Women"])
def test_words_stay_as_they_are(plain):
    assert as_text(plain) == plain


@pytest.mark.parametrize(
    ("marked", "shown"),
    [
        ("1. a list", r"1\. a list"),
        ("- a list", r"\- a list"),
        ("*a* _b_ `c`", r"\*a\* \_b\_ \`c\`"),
        ("www.example.org", r"www\.example\.org"),
        ("<b>", "&lt;b&gt;"),
        ("two\nlines", "two lines"),
    ],
)
def test_marks_are_shown_letter_by_letter(marked, shown):
    assert as_text(marked) == shown
