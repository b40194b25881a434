"""Impressions of one's own: what was shown to whom, where on the page, and with which chance."""

from candgen.datasets.impressions.reading import INVERSE_PROPENSITY, clicks_of, read_impressions
from candgen.datasets.impressions.settings import ImpressionSettings

__all__ = ["INVERSE_PROPENSITY", "ImpressionSettings", "clicks_of", "read_impressions"]
