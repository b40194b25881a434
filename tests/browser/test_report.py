"""The report as its readers meet it: opened from a file, in a browser."""

import zipfile

import pytest

from candgen.reports import zip_report

pytestmark = [pytest.mark.browser, pytest.mark.notebook]

COLUMN = """
const board = [...document.querySelectorAll("table.cg-sortable")]
  .find(table => table.caption.textContent.startsWith("Leaderboard, world"));
const head = [...board.tHead.rows[0].cells].find(c => c.textContent.startsWith("%s"));
%s
return [...board.tBodies[0].rows].map(r => r.cells[head.cellIndex].firstChild.textContent.trim());
"""


@pytest.fixture
def report(page, reported_sweep):
    page.open(reported_sweep / "report.html")
    return page


def test_the_console_stays_empty(report):
    assert report.said() == []


def test_nothing_but_the_file_is_asked_for(report, reported_sweep):
    report.run("window.scrollTo(0, document.body.scrollHeight)")
    assert report.requested() == [(reported_sweep / "report.html").resolve().as_uri()]


def test_pictures_inside_the_page_are_drawn(report):
    sizes = report.run("return [...document.images].map(i => i.complete ? i.naturalWidth : 0)")
    assert len(sizes) >= 10
    assert min(sizes) > 100


def test_a_click_on_a_column_sorts_by_it_and_another_reverses(report):
    before = [float(text) for text in report.run(COLUMN % ("recall@20", ""))]
    click = "head.querySelector('button').click();"
    once = [float(text) for text in report.run(COLUMN % ("recall@20", click))]
    twice = [float(text) for text in report.run(COLUMN % ("recall@20", click))]
    assert before != sorted(before, reverse=True)  # the reference stood first
    assert once == sorted(before, reverse=True)
    assert twice == sorted(before)


def test_names_sort_by_letter_and_rows_without_a_value_stay_last(report):
    click = "head.querySelector('button').click();"
    names = report.run(COLUMN % ("run", click))
    assert names == sorted(names)
    for _ in range(2):
        memory = report.run(COLUMN % ("memory", click))
        assert memory[-2:] == ["–", "–"]
        assert "–" not in memory[:-2]


def test_sorting_can_be_heard_and_done_from_the_keyboard(report):
    heard = report.run(
        "const b = document.querySelector('.cg-sortable thead th.cg-number button');"
        "b.focus(); const focused = document.activeElement === b; b.click();"
        "return [focused, b.closest('th').getAttribute('aria-sort')]"
    )
    assert heard == [True, "descending"]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_never_scrolls_sideways(page, reported_sweep, width):
    page.open(reported_sweep / "report.html", width=width)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run("return document.documentElement.scrollWidth") == width
    wide = page.run(
        "const sticks = e => e.getBoundingClientRect().right > innerWidth + 1;"
        "return [...document.querySelectorAll('main p, main h2, main img, .cg-card, .cg-table')]"
        ".filter(sticks).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []


def test_wide_tables_scroll_inside_their_box_on_a_narrow_screen(page, reported_sweep):
    page.open(reported_sweep / "report.html", width=400)
    boxes = page.run(
        "return [...document.querySelectorAll('.cg-table')].filter(b => b.offsetParent)"
        ".map(b => [b.scrollWidth > b.clientWidth, getComputedStyle(b).overflowX])"
    )
    assert [True, "auto"] in boxes


def test_text_is_large_enough_on_a_narrow_screen(page, reported_sweep):
    page.open(reported_sweep / "report.html", width=400)
    sizes = page.run(
        "return [...document.querySelectorAll('main p, main td, main th, main small, main li')]"
        ".filter(e => e.offsetParent && e.textContent.trim())"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 11
    drawn = page.run("return [...document.images].map(i => i.currentSrc === i.src)")
    assert not any(drawn)  # the pictures made for narrow windows


def test_it_prints_with_every_table_within_the_paper(report):
    pdf = report.printed()
    assert pdf.startswith(b"%PDF")
    report.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    paper = {"width": 703, "height": 1000, "deviceScaleFactor": 1, "mobile": False}  # A4, margins
    report.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", paper)
    cut = report.run(
        "return [...document.querySelectorAll('.cg-table table')].filter(t => t.offsetParent"
        " && t.getBoundingClientRect().right > innerWidth + 1).map(t => t.caption?.textContent)"
    )
    report.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert cut == []


def test_a_title_that_is_a_script_stays_text(report):
    assert report.run("return document.body.textContent.includes('<script>alert(1)</script>')")
    data = '[type="application/json"]'  # which browsers never execute
    assert report.run(f"return document.querySelectorAll('script:not({data})').length") == 1
    code = f"main script:not({data}), main iframe"
    assert report.run(f"return document.querySelectorAll('{code}').length") == 0


def test_one_switch_shows_the_code_of_all_cells(report):
    shown = "return [...document.querySelectorAll('.code')].map(c => c.checkVisibility())"
    hidden = report.run(shown)
    assert len(hidden) > 14 and not any(hidden)
    report.run("document.getElementById('show-code').focus()")
    report.press("Space")
    assert all(report.run(shown))
    report.press("Space")
    assert not any(report.run(shown))


def test_the_verdict_is_on_the_first_screen(page, reported_sweep):
    for width, height in ((1280, 800), (400, 800)):
        page.open(reported_sweep / "report.html", width=width)
        ends = page.run(
            "return document.querySelector('.cg-answer').getBoundingClientRect().bottom"
        )
        assert 0 < ends < height, width


def test_the_contents_lead_to_every_section(report):
    lost = report.run(
        "return [...document.querySelectorAll('.contents a')]"
        ".filter(a => !document.getElementById(decodeURIComponent(a.hash.slice(1)))).length"
    )
    assert lost == 0
    assert report.run("return document.querySelectorAll('.contents a').length") == 17


def test_a_link_opens_the_run_s_own_page(report, reported_sweep):
    report.run("document.querySelector('a[href=\"ease/page.html\"]').click()")
    assert report.driver.current_url == (reported_sweep / "ease/page.html").resolve().as_uri()
    assert "page of a run" in report.run("return document.body.textContent")


def test_links_work_inside_the_unpacked_archive(page, reported_sweep, tmp_path):
    with zipfile.ZipFile(zip_report(reported_sweep)) as archive:
        archive.extractall(tmp_path)
    page.open(tmp_path / "asked/report.html")
    page.run("document.querySelector('a[href=\"broken/page.html\"]').click()")
    assert "page of a failed run" in page.run("return document.body.textContent")


def test_a_sweep_in_which_all_failed_is_readable_too(page, sweep_builder, tmp_path):
    from candgen.sweeps.run_report import make_report

    page.open(make_report(sweep_builder.build_empty_sweep(tmp_path / "empty")), width=400)
    assert page.said() == []
    assert page.run("return document.documentElement.scrollWidth") == 400
    assert page.run("return document.querySelectorAll('tr.cg-bad').length") > 0
