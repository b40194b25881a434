"""Invented world: a film service with known true relevance."""

from candgen.datasets.world.make import make_world
from candgen.datasets.world.oracle import Oracle, oracle_of
from candgen.datasets.world.settings import WorldSettings

__all__ = ["Oracle", "WorldSettings", "make_world", "oracle_of"]
