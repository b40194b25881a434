"""YAML that a person wrote, read within bounds.

A small file may ask for much: aliases multiply, nesting and long numbers take quadratic time.
What asks for more than any sweep needs is refused before it is built, with its line.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_CHARACTERS = 100_000
MOST_LEVELS = 20
MOST_VALUES = 1_000  # of one list
LONGEST_TEXT = 10_000  # characters
LONGEST_NUMBER = 40  # characters
_MOST_BRACKETS = 200  # open at once; some of them may stand inside texts
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # compiled where there is libyaml
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_DEEP = f"lists or mappings are nested too deep: at most {MOST_LEVELS} levels."


class Refused(ValueError):
    """YAML asks for too much, or uses what is not read here; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def compose(text: str) -> yaml.Node | None:
    """Return the root node of one YAML document; None if it is empty.

    Raises:
        Refused: If the text goes beyond the bounds, or has anchors or aliases.
        yaml.YAMLError: If it is no YAML.
    """
    if len(text) > MOST_CHARACTERS:
        raise Refused(1, f"the text has {len(text):,} characters, at most {MOST_CHARACTERS:,}.")
    _check_brackets(text)
    level = 0
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1
        if getattr(event, "anchor", None):
            raise Refused(
                line,
                "anchors and aliases are not used here. Put shared values in `defaults:` or "
                "`settings:`.",
            )
        level += isinstance(event, yaml.CollectionStartEvent)
        level -= isinstance(event, yaml.CollectionEndEvent)
        if level > MOST_LEVELS:
            raise Refused(line, _DEEP)
    node = yaml.compose(text, Loader=_LOADER)
    if node is not None:
        _check_sizes(node)
    return node


def construct(node: yaml.Node | None) -> Any:
    """Return the value of a composed document, of plain types.

    Raises:
        yaml.YAMLError: If a tag is none of YAML's own.
        ValueError: If a date or a number is none, such as 2024-02-30.
    """
    if node is None:
        return None
    try:
        return yaml.constructor.SafeConstructor().construct_document(node)
    except (TypeError, AttributeError, LookupError) as error:  # PyYAML's, for a tag such as !!bool
        raise ValueError(str(error)) from None


def _check_brackets(text: str) -> None:
    """Refuse deep nesting before a parser sees it: libyaml needs minutes for 100,000 brackets."""
    opened = 0
    for found in re.finditer(r"[\[{\]}]", text):
        opened = opened + 1 if found[0] in "[{" else max(0, opened - 1)
        if opened > _MOST_BRACKETS:
            raise Refused(text.count("\n", 0, found.start()) + 1, _DEEP)


def _check_sizes(node: yaml.Node) -> None:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        number = node.tag in _NUMBERS
        most = LONGEST_NUMBER if number else LONGEST_TEXT
        if len(node.value) > most:
            what = "number" if number else "text"
            raise Refused(
                line,
                f"the {what} {node.value[:12]!r}... has {len(node.value):,} characters, "
                f"at most {most:,}.",
            )
        return
    if isinstance(node, yaml.SequenceNode) and len(node.value) > MOST_VALUES:
        raise Refused(
            line, f"a list of {len(node.value):,} values, at most {MOST_VALUES:,} are read."
        )
    for held in node.value:
        for part in held if isinstance(held, tuple) else (held,):
            _check_sizes(part)
