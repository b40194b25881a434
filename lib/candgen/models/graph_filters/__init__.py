"""Graph filters without training: a linear filter with an ideal low-pass, and a sharpened one."""

from candgen.models.graph_filters.filters import BSPM, GFCF

__all__ = ["BSPM", "GFCF"]
