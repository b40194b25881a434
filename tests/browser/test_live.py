"""Users to pick and a map of items to search and click in a report, all by keyboard, too."""

import json
import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.notebook]

EVIL = "<script>alert(1)</script>"
USERS = "document.querySelectorAll('.cg-users')[%d]"
MAP = "document.querySelector('.cg-map')"
CELLS = """
const has = (cell, name) => cell.querySelector(name) !== null;
const read = (cell) => [
  cell.childNodes[0]?.textContent ?? "", has(cell, ".cg-mark"), has(cell, ".cg-both"),
];
return [...%s.querySelectorAll(".cg-table tbody tr")].map(row => [...row.cells].slice(1).map(read));
"""


@pytest.fixture
def report(page, reported_sweep):
    page.open(reported_sweep / "report.html")
    page.settle()
    return page


def stored(report, kind: str, nth: int = 0) -> dict:
    """Return the data of the page, as its scripts read it."""
    found = f"document.querySelectorAll('script[data-kind={kind}]')[{nth}].textContent"
    return json.loads(report.run(f"return {found}"))


def choose(report, element: str, value: object) -> None:
    """Set a control as a person would, and tell the page that it changed."""
    report.run(
        f"const e = {element}; e.focus(); e.value = {json.dumps(str(value))};"
        "e.dispatchEvent(new Event('input', {bubbles: true}));"
        "e.dispatchEvent(new Event('change', {bubbles: true}));"
    )
    report.settle()


def shown_points(report) -> list[list[float]]:
    """Return the place in the window of each dot of the map."""
    return report.run(
        f"return [...{MAP}.querySelectorAll('.dots path')].map(p => "
        "{const r = p.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]})"
    )


def test_a_picked_user_shows_both_lists_with_hits_and_common_items(report):
    told = stored(report, "users")
    user = max(told["users"], key=lambda one: sum(place < 0 for place in one["lists"][2]))
    section = USERS % 0
    choose(report, f"{section}.querySelector('input')", user["id"])
    for side, row in enumerate((2, 3)):
        choose(report, f"{section}.querySelectorAll('select')[{side}]", row)
    cells = report.run(CELLS % section)
    assert len(cells) == 20
    items = [
        [place if place >= 0 else -1 - place for place in user["lists"][row]] for row in (2, 3)
    ]
    for rank, pair in enumerate(cells):
        for side, (title, hit, both) in enumerate(pair):
            item = items[side][rank]
            assert title == told["titles"][item]
            assert hit == (user["lists"][side + 2][rank] < 0)
            assert both == (item in items[1 - side])
    heads = report.run(f"return {section}.querySelector('thead').innerText")
    for row in (2, 3):
        assert told["rows"][row] in heads and f"{user['values'][row]:.4f}" in heads
    said = report.run(f"return {section}.querySelector('[role=status]').textContent")
    common = len(set(items[0]) & set(items[1]))
    assert f"User {user['id']}: {user['n']} items in the history, {user['m']} held out" in said
    assert re.search(rf"; {common} candidates? in common", said)
    history = report.run(
        f"return [...{section}.querySelector('.cg-lists ol').children].map(e => e.textContent)"
    )
    assert history == [told["titles"][place] for place in user["history"]]


def test_a_user_is_picked_by_keyboard_alone(report):
    section = USERS % 0
    told = stored(report, "users")
    report.run(f"{section}.querySelector('input').focus()")
    report.press("Tab")
    before = report.run(f"return {section}.querySelector('input').value")
    report.press("Space")  # the button "Less active"
    after = report.run(f"return {section}.querySelector('input').value")
    ids = [user["id"] for user in told["users"]]
    assert ids.index(after) == ids.index(before) - 1
    assert report.run(f"return {section}.querySelector('h3').textContent") == "Pick a user"


def test_an_id_that_is_not_stored_is_refused_in_words(report):
    section = USERS % 0
    choose(report, f"{section}.querySelector('input')", "nobody <b>")
    said = report.run(f"return {section}.querySelector('[role=status]').textContent")
    assert said.startswith("No user nobody <b> is stored in this page.")
    assert report.run(f"return {section}.querySelector('input').ariaInvalid") == "true"
    choose(report, f"{section}.querySelector('input')", "u3")
    assert report.run(f"return {section}.querySelector('input').ariaInvalid") is None


def test_the_page_says_how_many_users_and_rows_it_stores(report):
    assert report.run(f"return {USERS % 0}.querySelector('.cg-remark').textContent") == (
        "Stored in this page: all 150 judged users; all 4 rows with candidates."
    )


def test_finding_a_title_shows_its_nearest_neighbours(report):
    told = stored(report, "map")
    row = next(n for n, near in enumerate(told["maps"][0]["near"]) if len(near) == 10)
    choose(report, f"{MAP}.querySelector('input')", told["titles"][row])
    named = report.run(
        f"return [...{MAP}.querySelectorAll('ol li')].map(e => e.firstChild.textContent)"
    )
    assert named == [told["titles"][place] for place in told["maps"][0]["near"][row]]
    lines = report.run(f"return {MAP}.querySelectorAll('.mark-rule line').length")
    assert lines == 10
    report.run(f"{MAP}.querySelector('ol li button').focus()")
    report.press("Space")  # a neighbour's own neighbours
    assert report.run(f"return {MAP}.querySelector('h4').textContent") == named[0]


def test_part_of_a_title_is_enough_and_a_wrong_one_is_said(report):
    choose(report, f"{MAP}.querySelector('input')", "alert(1)")
    assert report.run(f"return {MAP}.querySelector('h4').textContent") == EVIL
    choose(report, f"{MAP}.querySelector('input')", "no such title <i>")
    said = report.run(f"return {MAP}.querySelector('[role=status]').textContent")
    assert said == "No title on the map contains “no such title <i>”."
    choose(report, f"{MAP}.querySelector('input')", "")
    assert "Click an item" in report.run(f"return {MAP}.querySelector('[role=status]').textContent")


def test_a_click_on_an_item_selects_it_and_a_click_beside_clears(report):
    report.run(f"{MAP}.scrollIntoView({{behavior: 'instant'}})")
    report.settle()
    points = shown_points(report)
    titles = stored(report, "map")["titles"]
    assert len(points) > 50
    report.click(*points[-1])
    chosen = report.run(f"return {MAP}.querySelector('h4')?.textContent")
    assert chosen in titles
    assert report.run(f"return {MAP}.querySelector('input').value") == chosen
    tip = report.run("return document.querySelector('.cg-tip:not([hidden])')?.textContent")
    assert chosen in tip and "popularity" in tip
    box = report.run(
        f"const r = {MAP}.querySelector('.cg-chart').getBoundingClientRect(); return [r.x, r.y]"
    )
    report.click(box[0] + 4, box[1] + 4)
    assert report.run(f"return {MAP}.querySelector('h4')") is None


def test_projection_and_colour_can_be_changed(report):
    told = stored(report, "map")
    before = shown_points(report)
    choose(report, f"{MAP}.querySelectorAll('select')[1]", 1)
    assert len(shown_points(report)) == len(before) and shown_points(report) != before
    shares = told["maps"][0]["shares"]
    remark = report.run(f"return {MAP}.querySelector('.cg-remark').textContent")
    assert f"hold {shares[0]} % and {shares[1]} % of the variance" in remark
    for place, column in enumerate(told["columns"]):
        choose(report, f"{MAP}.querySelectorAll('select')[2]", place)
        legend = report.run(f"return {MAP}.querySelector('.cg-legend').textContent")
        known = [value for value in column["values"] if value is not None]
        assert str(max(known)) in legend
    assert report.run(f"return {MAP}.querySelector('.cg-chart').ariaLabel").endswith(
        "coloured by popularity (training users). Find a title to see its neighbours."
    )


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_said_fetched_or_run_while_they_are_used(page, reported_sweep, width):
    page.open(reported_sweep / "report.html", width=width)
    page.settle()
    choose(page, f"{MAP}.querySelector('input')", EVIL)
    told = stored(page, "users")
    evil = told["titles"].index(EVIL)
    offered = [u for u in told["users"] if any(evil in (p, -1 - p) for p in u["lists"][0])]
    choose(page, f"{USERS % 0}.querySelector('input')", offered[0]["id"])
    assert EVIL in page.run(f"return {USERS % 0}.innerText") + page.run(f"return {MAP}.innerText")
    assert page.run("return document.querySelectorAll('.cg-live script, .cg-live img').length") == 0
    assert page.run("return document.documentElement.scrollWidth") == width
    assert page.said() == []
    assert page.requested() == [(reported_sweep / "report.html").resolve().as_uri()]


def test_controls_have_names_and_can_be_reached_by_keyboard(report):
    nameless = report.run(
        "return [...document.querySelectorAll('.cg-live :is(input, select, button)')].filter(e => "
        "e.tabIndex < 0 || !(e.closest('label')?.textContent ?? e.textContent).trim()).length"
    )
    assert nameless == 0


def test_without_script_examples_and_a_picture_remain(page, reported_sweep):
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.open(reported_sweep / "report.html")
        shown = page.run(
            "return [document.querySelectorAll('.cg-example').length,"
            "document.querySelector('.cg-still img').checkVisibility(),"
            "document.querySelectorAll('.cg-live > *').length]"
        )
        height = page.run("return document.querySelector('.cg-users').offsetHeight")
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert shown[0] >= 8 and shown[1] is True and shown[2] == 0
    assert height == 0


def test_on_paper_the_picture_stands_in_for_the_map(report):
    still = "return document.querySelector('.cg-still img').checkVisibility()"
    assert report.run(still) is False
    report.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    on_paper = report.run(still), report.run(f"return {MAP}.checkVisibility()")
    report.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert on_paper == (True, False)
