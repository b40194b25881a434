"""The modules that code needs are found in its text, whatever the form of the import."""

import pytest

from candgen.sweeps.imports import Library, facts_of

LAZY = """
from importlib import import_module

_HOMES = {{{table}}}


def __getattr__(name):
    return getattr(import_module(f"{{__name__}}.{{_HOMES[name]}}"), name)
"""
FILES = {
    "__init__.py": LAZY.format(table='"Deep": "models", "judge": "candgen.judging"'),
    "numbers.py": "",
    "judging.py": "def judge():\n    from candgen import numbers\n",
    "eager/__init__.py": '"""Loads a part."""\nfrom candgen.eager.part import f\n',
    "eager/part.py": "from candgen import numbers",
    "eager/other.py": "",
    "lazy/__init__.py": LAZY.format(table='"line": "lines", "bar": "bars"'),
    "lazy/lines.py": "",
    "lazy/bars.py": "",
    "models/__init__.py": LAZY.format(table='"Flat-1": ("flat", "Flat"), "Deep": ("deep", "Deep")')
    + "def by_name(name):\n    return _HOMES[name]\n",
    "models/flat.py": "",
    "models/deep.py": "",
    "pages/__init__.py": "",
    "pages/page.py": "",
    "pages/templates/page.html": "<p>",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "candgen" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "candgen"


def modules(folder, code, named=()):
    found = Library(folder).closure(code, named)
    return {module.removeprefix("candgen").lstrip(".") for module in found} - {""}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import numpy", set()),
        ("import candgen.numbers", {"numbers"}),
        ("from candgen import numbers as n", {"numbers"}),
        ("from candgen.eager.other import x", {"eager", "eager.part", "eager.other", "numbers"}),
        ("def f():\n    import candgen.eager", {"eager", "eager.part", "numbers"}),
        ("from candgen.judging import judge", {"judging", "numbers"}),
        ("if TYPE_CHECKING:\n    from candgen import eager\nimport candgen.numbers", {"numbers"}),
    ],
)  # fmt: skip
def test_imports_are_followed_through_files_functions_and_packages(folder, code, expected):
    assert modules(folder, code) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from candgen import lazy", {"lazy"}),
        ("from candgen import lazy\nlazy.line(1).bar", {"lazy", "lazy.lines"}),
        ("from candgen.lazy import bar", {"lazy", "lazy.bars"}),
        ("import candgen.lazy\ncandgen.lazy.bar()", {"lazy", "lazy.bars"}),
        ("from candgen import lazy\ngetattr(lazy, name)", {"lazy", "lazy.bars", "lazy.lines"}),
        ("import candgen as cg\ncg.judge()", {"judging", "numbers"}),
        ("import candgen as cg\ncg.Deep(dim=2)", {"models", "models.deep"}),
        ("from candgen import models\nmodels.Flat()", {"models", "models.flat"}),
    ],
)
def test_of_a_table_only_the_names_that_are_used_count(folder, code, expected):
    assert modules(folder, code) == expected


def test_generators_are_named_by_parameters_or_by_code_that_asks_for_them(folder):
    asks = "from candgen import models\nmodels.by_name({})"
    assert modules(folder, asks.format("name")) == {"models"}
    assert modules(folder, asks.format("name"), ["Flat-1"]) == {"models", "models.flat"}
    assert modules(folder, asks.format("'Deep'")) == {"models", "models.deep"}
    assert modules(folder, asks.format("n if n == 'Deep' or n in ('Deep',) else n")) == {"models"}
    assert modules(folder, "from candgen import numbers", ["Deep"]) == {"numbers"}


def test_code_that_is_no_python_says_nothing():
    assert facts_of("import candgen.(").used == frozenset()


def test_templates_count_with_the_modules_beside_them(folder):
    def digests(code):
        library = Library(folder)
        return library.digests(library.closure(code))

    with_page, without = (
        digests("from candgen.pages import page"),
        digests("import candgen.numbers"),
    )
    assert "pages/templates/page.html" in with_page and "candgen.pages.page" in with_page
    assert set(without) == {"candgen", "candgen.numbers"}
    (folder / "pages" / "templates" / "page.html").write_text("<b>")
    now = digests("from candgen.pages import page")
    assert [name for name in now if now[name] != with_page[name]] == ["pages/templates/page.html"]
