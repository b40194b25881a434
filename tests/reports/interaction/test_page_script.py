"""The report's script: assembled as vendored, and with Vega only where a page has charts."""

import hashlib
import json
import re

import pytest

from candgen.reports.interaction.data_blocks import data_block
from candgen.reports.interaction.page_script import page_script
from candgen.reports.rendering import TEMPLATES

VENDOR = TEMPLATES / "report" / "vendor"


def test_vendored_files_are_the_published_ones():
    table = re.findall(r"\| `([\w.-]+)` \| .* \| `(\w{64})` \|", (VENDOR / "README.md").read_text())
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in VENDOR.glob("*.js")}
    assert dict(table) == found
    assert len(found) == 2


def test_a_page_without_data_has_no_vega():
    assert len(page_script("<p>Nothing to draw</p>")) < 10_000


def test_a_page_with_data_has_vega_its_licence_and_the_charts():
    script = page_script(data_block("runs", []))
    assert "vega.expressionInterpreter" in script
    assert "University of Washington" in script
    assert "cgSpecifications" in script
    assert not re.search(r"^(import|export) ", script, flags=re.MULTILINE)
    assert "</script" not in script and "<!--" not in script


def test_data_in_a_block_cannot_end_it():
    hostile = {"name": "</script><script>alert(1)</script><!--", "sep": "\u2028", "amp": "&lt;"}
    block = data_block("runs", hostile)
    assert block.count("<") == 2  # the element's own tags
    inside = re.fullmatch(r"<script [^>]*>(.*)</script>\s*", block, flags=re.DOTALL).group(1)
    assert json.loads(inside) == hostile


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_become_null(number):
    assert ">[null,1.5]</script>" in data_block("runs", [number, 1.5])
