"""The explorer of a report as its readers use it: with pointer and keyboard, and without script."""

import json

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.notebook]

HOSTILE = "<img src=x onerror=alert(1)>"
# The middle of what stands for a run in a chart, in the window; scrolls there first.
PLACE = """
const [name, marks, wanted] = arguments[0];
const told = cgCharts.blocks("runs")[0].value;
const at = told.runs.findIndex(run => run.name === name);
const found = [...document.querySelectorAll(marks)]
  .filter(mark => mark.__data__.datum.at === at).at(wanted);
found.scrollIntoView({ block: "center", behavior: "instant" });
const box = found.getBoundingClientRect();
return [box.x + box.width / 2, box.y + box.height / 2];
"""
DOTS = ".cg-explorer .dots path"
BOARD = """
const table = [...document.querySelectorAll("table.cg-sortable")]
  .find(t => t.caption.textContent.startsWith("Leaderboard"));
const rows = [...table.tBodies[0].rows];
"""


class Explorer:
    """The opened report and what its tests ask of it."""

    def __init__(self, page) -> None:
        self.page = page

    def place(self, run: str, marks: str = DOTS, which: int = 0) -> tuple[float, float]:
        found = PLACE.replace("arguments[0]", json.dumps([run, marks, which]))
        self.page.run(found)
        self.page.settle()  # it may have scrolled
        return tuple(self.page.run(found))

    def tip(self) -> str:
        return self.page.run(
            "const t = document.querySelector('.cg-tip'); return t && !t.hidden ? t.innerText : ''"
        )

    def drawn(self, marks: str = DOTS) -> list[str]:
        """Names of the runs that a chart shows."""
        return self.page.run(
            "const told = cgCharts.blocks('runs')[0].value;"
            f"const found = [...document.querySelectorAll({json.dumps(marks)})];"
            "return [...new Set(found.map(m => told.runs[m.__data__.datum.at].name))].sort()"
        )

    def rows(self, which: str = "!row.hidden") -> list[str]:
        """Names of rows of the leaderboard."""
        return self.page.run(
            f"{BOARD} return rows.filter(row => {which}).map(r => r.cells[0].innerText.trim())"
        )

    def count(self) -> str:
        return self.page.run("return document.querySelector('.cg-shown').textContent")

    def picked(self) -> str:
        return self.page.run("return document.querySelector('.cg-picked').innerText")

    def tick(self, generator: str) -> None:
        self.page.run(
            "[...document.querySelectorAll('.cg-tick')]"
            f".find(l => l.textContent === {generator!r}).querySelector('input').click()"
        )

    def search(self, text: str) -> None:
        self.page.run("document.querySelector('.cg-explorer input[type=search]').focus()")
        self.page.type(text)

    def choose(self, label: str, option: str) -> None:
        self.page.run(
            "const all = [...document.querySelectorAll('.cg-control')];"
            f"const one = all.find(c => c.innerText.startsWith({label!r}));"
            "const select = one.querySelector('select');"
            f"select.value = [...select.options].find(o => o.text === {option!r}).value;"
            "select.dispatchEvent(new Event('change'))"
        )


@pytest.fixture
def explorer(page, explored):
    page.open(explored)
    page.settle()
    return Explorer(page)


def test_charts_are_drawn_in_silence_and_fetch_nothing(explorer, explored):
    for marks in (DOTS, ".cg-explorer .grip path", ".cg-explorer .lines .mark-symbol path"):
        assert len(explorer.drawn(marks)) >= 4, marks
    assert explorer.page.said() == []
    assert explorer.page.requested() == [explored.resolve().as_uri()]


def test_resting_the_pointer_on_a_run_tells_its_values(explorer):
    assert explorer.tip() == ""
    explorer.page.hover(*explorer.place("wals-16-0.01"))
    said = explorer.tip()
    assert said.startswith("wals-16-0.01")
    assert "WALS" in said and "cosine" in said
    value = explorer.page.run(
        f"{BOARD} return rows.find(r => r.innerText.startsWith('wals-16-0.01'))"
        ".cells[1].firstChild.textContent"
    )
    assert f"{value} (" in said and " to " in said
    explorer.page.hover(5, 5)
    assert explorer.tip() == ""


def test_parameters_and_curves_tell_their_values_too(explorer):
    explorer.page.hover(*explorer.place("wals-64-0.1", ".cg-explorer .lines .mark-symbol path", -1))
    assert explorer.tip().startswith("wals-64-0.1")
    assert "epoch" in explorer.tip() and "0.2500" in explorer.tip()  # 0.1 + 0.01 * 5 * 3


def test_a_click_selects_a_run_in_all_charts_and_tables(explorer):
    explorer.page.click(*explorer.place("wals-64-0.1"))
    assert "wals-64-0.1" in explorer.picked()
    assert explorer.rows("row.classList.contains('cg-selected')") == ["wals-64-0.1"]
    marked = explorer.page.run(
        "return [...document.querySelectorAll('tr.cg-selected')]"
        ".map(r => r.closest('table').caption.textContent.split(',')[0].split(' minus')[0])"
    )
    assert {"Costs", "recall@20", "Parameters that differ between runs"} <= set(marked)
    chosen = explorer.page.run(
        "return ['.dots path', '.lines .mark-line path', '.mark-group .mark-line:not(.grip) path']"
        ".map(s => [...document.querySelectorAll('.cg-explorer ' + s)]"
        ".filter(m => m.__data__.datum.chosen).length > 0)"
    )
    assert chosen == [True, True, True]
    link = explorer.page.run("return document.querySelector('.cg-picked a').getAttribute('href')")
    assert link == "wals-64-0.1/page.html"
    explorer.page.click(*explorer.place("wals-64-0.1"))
    assert explorer.picked() == ""
    assert explorer.rows("row.classList.contains('cg-selected')") == []


def test_a_hidden_generator_leaves_charts_and_tables_and_the_counts_say_so(explorer):
    assert explorer.count() == "8 of 8 runs shown"
    explorer.tick("EASE")
    assert explorer.count() == "6 of 8 runs shown"
    assert "ease" not in explorer.drawn() and "ease" not in explorer.rows()
    assert "wals-4-0.01" in explorer.drawn() and "wals-4-0.01" in explorer.rows()
    caption = explorer.page.run(f"{BOARD} return table.caption.textContent")
    assert "2 rows hidden" in caption
    explorer.page.run(
        "[...document.querySelectorAll('.cg-explorer button')]"
        ".find(b => b.textContent === 'Show all').click()"
    )
    assert explorer.count() == "8 of 8 runs shown"
    assert "ease" in explorer.rows() and "ease" in explorer.drawn()
    assert "hidden" not in explorer.page.run(f"{BOARD} return table.caption.textContent")


def test_names_are_filtered_while_they_are_typed(explorer):
    explorer.search("WALS-16")
    assert explorer.count() == "2 of 8 runs shown"
    assert explorer.drawn() == explorer.drawn(".cg-explorer .grip path")
    assert explorer.rows() == [name for name in explorer.rows() if name.startswith("wals-16")]


def test_a_range_is_kept_by_dragging_along_an_axis_and_ended_by_a_click(explorer):
    box = "const box = document.querySelector('.cg-brushed');"
    explorer.page.run(f"{box} box.scrollIntoView({{ block: 'center', behavior: 'instant' }})")
    explorer.page.settle()
    ends = explorer.page.run(
        f"{box} const axis = box.querySelector('.mark-rule line');"  # the first: dim
        "const at = axis.getBoundingClientRect(); return [at.x, at.top, at.bottom]"
    )
    x, top, bottom = ends
    explorer.page.drag((x, top - 4), (x, (top + bottom) / 2))  # the upper half
    assert explorer.drawn() == ["wals-64-0.1"]
    assert explorer.rows() == ["wals-64-0.1"]
    explorer.page.click(x, top + 3)
    assert explorer.count() == "8 of 8 runs shown"


def test_a_range_is_kept_by_keyboard(explorer):
    explorer.choose("Keep a range of", "dim")
    explorer.page.run(
        "const from = [...document.querySelectorAll('.cg-control')]"
        ".find(c => c.innerText.startsWith('from')).querySelector('input'); from.focus()"
    )
    explorer.page.type("10")
    explorer.page.press("Tab")
    assert explorer.drawn() == ["wals-16-0.01", "wals-16-1.0", "wals-64-0.1"]


def test_arrow_keys_go_from_run_to_run_and_escape_ends_the_selection(explorer):
    explorer.page.run("document.querySelector('.cg-explorer .cg-chart').focus()")
    explorer.page.press("ArrowRight")
    first = explorer.picked().splitlines()[0]
    explorer.page.press("ArrowRight")
    second = explorer.picked().splitlines()[0]
    explorer.page.press("ArrowLeft")
    assert first and second and first != second
    assert explorer.picked().splitlines()[0] == first
    explorer.page.press("Escape")
    assert explorer.picked() == ""


def test_every_control_has_a_name_and_can_have_the_focus(explorer):
    lacking = explorer.page.run(
        "return [...document.querySelectorAll('.cg-explorer :is(input, select, button)')]"
        ".filter(c => !(c.labels?.[0] ?? c).textContent.trim() || c.tabIndex < 0).length"
    )
    assert lacking == 0
    charts = explorer.page.run(
        "return [...document.querySelectorAll('.cg-explorer .cg-chart')]"
        ".map(c => [c.tabIndex, c.getAttribute('aria-label').length > 20])"
    )
    assert charts == [[0, True]] * 3


def test_axes_show_what_is_chosen(explorer):
    explorer.choose("To the right", "dim")
    titles = explorer.page.run(
        "return [...document.querySelectorAll('.cg-explorer .role-axis-title text')]"
        ".map(t => t.textContent)"
    )
    assert titles[:2] == ["dim", "recall@20"]
    assert "ease" not in explorer.drawn()
    remark = explorer.page.run("return document.querySelector('.cg-remark').textContent")
    assert "a value is missing" in remark and "ease" in remark


def test_far_reference_lists_stand_at_the_edge_unless_all_runs_are_asked_for(explorer):
    span = (
        "const { runs } = cgCharts.blocks('runs')[0].value;"
        "const at = [...document.querySelectorAll('.cg-explorer .dots path')].map(m => m.__data__)"
        ".filter(i => !runs[i.datum.at].reference)"
        ".map(i => i.y); return Math.max(...at) - Math.min(...at)"
    )
    explorer.choose("Axes fit", "all runs")
    everything = explorer.page.run(span)
    explorer.choose("Axes fit", "the models (far reference lists at the edge)")
    assert explorer.page.run(span) > everything
    remark = explorer.page.run("return document.querySelector('.cg-remark').textContent")
    assert "random" in remark


@pytest.mark.parametrize("width", [1280, 400])
def test_labels_never_cover_each_other_and_the_page_never_scrolls_sideways(page, explored, width):
    page.open(explored, width=width)
    page.settle()
    boxes = page.run(
        "return [...document.querySelectorAll('.cg-explorer .letters text')]"
        ".filter(t => getComputedStyle(t).opacity > 0 && t.getAttribute('opacity') !== '0')"
        ".map(t => t.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
    )
    assert len(boxes) >= 5
    covered = [
        (a, b)
        for at, a in enumerate(boxes)
        for b in boxes[:at]
        if a[0] < b[2] - 1 and b[0] < a[2] - 1 and a[1] < b[3] - 3 and b[1] < a[3] - 3
    ]
    assert covered == []
    assert page.run("return document.documentElement.scrollWidth") == width


def test_hostile_names_stay_text(explorer):
    explorer.page.click(*explorer.place(HOSTILE))
    assert HOSTILE in explorer.picked()
    explorer.page.hover(5, 5)
    explorer.page.hover(*explorer.place(HOSTILE))
    assert HOSTILE in explorer.tip()
    explorer.page.hover(5, 5)
    explorer.page.hover(*explorer.place("wals-16-1.0"))
    assert "</script><b>" in explorer.tip()
    assert (
        explorer.page.run("return document.querySelectorAll('img[src=x], main b > b').length") == 0
    )
    assert explorer.page.said() == []


def test_without_script_the_section_says_where_the_numbers_are(page, explored):
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.open(explored)
        held = page.driver.find_elements("css selector", ".cg-without-script")
        assert [note.is_displayed() for note in held] == [True]
        assert "Leaderboard" in held[0].text
        images = page.driver.find_elements("css selector", ".cg-figure img")
        assert len(images) >= 4 and all(image.size["width"] > 100 for image in images)
        assert len(page.driver.find_elements("css selector", "tr[data-run]")) > 20
        assert not page.driver.find_elements("css selector", "tr[hidden], .cg-explorer svg")
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    page.open(explored)
    assert not page.run("return document.querySelector('.cg-without-script').checkVisibility()")


def test_a_small_report_stays_small(explored):
    assert explored.stat().st_size < 1_600_000
