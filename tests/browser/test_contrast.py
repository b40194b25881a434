"""Text of a report stands out from what is behind it, on light and on dark pages."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.notebook]

LEAST = 4.5  # of large and small text alike: WCAG 2.2, level AA
# Contrast of each element that has text of its own with the nearest background behind it.
PALE = """
const part = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
const numbers = text => text.match(/[\\d.]+/g).map(Number);
const behind = e => {
  for (let at = e; at; at = at.parentElement) {
    const found = numbers(getComputedStyle(at).backgroundColor);
    if (found.length < 4 || found[3] > 0.99) return found;
  }
  return [255, 255, 255];
};
const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
const seen = [...document.body.querySelectorAll("*")]
  .filter(e => !e.closest("script, option, :disabled") && own(e) && e.checkVisibility());
const colour = e => getComputedStyle(e)[e.closest("svg") ? "fill" : "color"];
const measured = seen.filter(e => colour(e) !== "none").map(e => {
  const ink = numbers(colour(e));
  const [high, low] = [light(ink), light(behind(e))].sort((a, b) => b - a);
  const name = `${e.tagName} ${e.parentElement.className} ${e.textContent.slice(0, 30)}`;
  return [(high + 0.05) / (low + 0.05), name];
});
"""


@pytest.fixture(params=["light", "dark"])
def scheme(request, driver):
    feature = {"name": "prefers-color-scheme", "value": request.param}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    yield request.param
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def opened(page, path) -> None:
    page.open(path)
    page.settle()
    page.run(
        "document.querySelectorAll('details').forEach(d => d.open = true);"
        "document.getElementById('show-code').checked = true;"
        "const select = document.querySelector('.cg-explorer select');"
        "if (select) { select.selectedIndex = 2; select.dispatchEvent(new Event('change')); }"
    )


@pytest.mark.parametrize("which", ["explored", "reported"])
def test_all_text_can_be_read(page, scheme, explored, reported_sweep, which):
    opened(page, explored if which == "explored" else reported_sweep / "report.html")
    measured = page.run(f"{PALE} return measured")
    assert len(measured) > 300
    assert [told for ratio, told in measured if ratio < LEAST] == []


def test_the_scheme_reaches_page_and_charts_and_pictures_stay_on_white(page, scheme, explored):
    opened(page, explored)
    paper, picture = page.run(
        "const of = s => getComputedStyle(document.querySelector(s)).backgroundColor;"
        "return [of('body'), of('.cg-figure img')]"
    )
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert picture == "rgb(255, 255, 255)"
    shades = page.run(
        f"{PALE} const fills = [...document.querySelectorAll('.cg-explorer .dots path')]"
        ".map(m => numbers(getComputedStyle(m).fill));"
        "return fills.map(fill => light(fill))"
    )
    if scheme == "dark":
        assert min(shades) > 0.17  # at least 4.5 : 1 on the dark paper


def test_a_change_of_the_scheme_paints_the_charts_anew(page, explored, driver):
    page.open(explored)
    page.settle()
    ink = "return document.querySelector('.cg-explorer .letters text').getAttribute('fill')"
    before = page.run(ink)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    try:
        page.settle()
        assert page.run(ink) != before
        assert page.said() == []
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_wide_table_says_that_it_scrolls_until_its_end_is_seen(page, reported_sweep):
    page.open(reported_sweep / "report.html", width=1280)
    page.settle()
    board = (
        "const box = [...document.querySelectorAll('.cg-table')]"
        ".find(b => b.querySelector('caption')?.textContent.startsWith('Leaderboard'));"
        "const hint = box.previousElementSibling;"
        "const told = () => [box.scrollWidth > box.clientWidth, hint.checkVisibility(),"
        " hint.className, box.classList.contains('cg-more')];"
    )
    wide, told, name, fades = page.run(f"{board} return told()")
    assert name == "cg-wide-hint"
    assert wide == told == fades
    page.open(reported_sweep / "report.html", width=700)
    page.settle()
    assert page.run(f"{board} return told()") == [True, True, "cg-wide-hint", True]
    page.run(f"{board} box.scrollLeft = 1e6")
    page.settle()
    assert page.run(f"{board} return told()") == [True, True, "cg-wide-hint", False]
