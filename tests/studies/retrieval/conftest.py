"""Fixtures of the studies of indexes: one observing process, and short measurements."""

from contextlib import nullcontext

import pytest

from candgen.retrieval import timing
from candgen.studies.retrieval import tradeoff
from candgen.studies.retrieval.index_memory import Observer


@pytest.fixture(scope="package")
def observer():
    """A process that looks at saved indexes; it imports for seconds before it looks at one."""
    with Observer() as made:
        yield made


@pytest.fixture
def quickly_measured(observer, monkeypatch):
    """Let studies share the observer, and measure speeds by two repeats however short they are."""
    monkeypatch.setattr(tradeoff, "Observer", lambda: nullcontext(observer))
    monkeypatch.setattr(timing, "_LASTING", 0.0)
