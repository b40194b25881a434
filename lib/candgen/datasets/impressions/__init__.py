"""Impressions of one's own: who was shown which item, where on the page, with which chance."""

from candgen.datasets.impressions.reading import INVERSE_PROPENSITY, clicks_of, read_impressions
from candgen.datasets.impressions.settings import ImpressionSettings

__all__ = ["INVERSE_PROPENSITY", "ImpressionSettings", "clicks_of", "read_impressions"]
