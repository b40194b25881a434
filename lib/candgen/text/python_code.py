"""Syntax trees of Python code, made by one thread at a time.

Python 3.12 and earlier count the depth of a tree in one place for all threads. Two threads that
parse at once can end in "SystemError: AST constructor recursion depth mismatch".
"""

from __future__ import annotations

import ast
import threading

_parsing = threading.Lock()


def parsed(code: str) -> ast.Module:
    """Return the syntax tree of code, like `ast.parse`.

    Raises:
        SyntaxError: If it is not Python.
    """
    with _parsing:
        return ast.parse(code)
