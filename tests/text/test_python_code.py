import ast
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from candgen.text import python_code


def test_one_thread_parses_at_a_time(monkeypatch):
    within, most = [], []

    def parse(code):
        within.append(code)
        most.append(len(within))
        threading.Event().wait(0.002)  # lets another thread come in
        within.remove(code)
        return tree

    tree = ast.parse("1")
    # Of this module alone: pytest parses, too, when it reports a failure.
    monkeypatch.setattr(python_code, "ast", SimpleNamespace(parse=parse))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(python_code.parsed, map(str, range(12)))) == [tree] * 12
    assert most == [1] * 12


def test_what_is_not_python_is_a_syntax_error():
    assert ast.dump(python_code.parsed("x = 1")) == ast.dump(ast.parse("x = 1"))
    with pytest.raises(SyntaxError):
        python_code.parsed("x = = 1")


def test_sweeps_parse_by_this_function_alone(root):
    files = (root / "lib" / "candgen" / "sweeps").rglob("*.py")
    assert [str(file) for file in files if "ast.parse(" in file.read_text()] == []
