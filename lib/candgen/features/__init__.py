"""Features of users and items, and event logs in time order, for towers and content models."""

from candgen.features.event_log import EventLog
from candgen.features.moments import Bins, SearchLog, Vocabulary, day_of_week, hour_of_day
from candgen.features.tables import KINDS, Encoder, Feature, Kind, declared, suggested

__all__ = [
    "KINDS",
    "Bins",
    "Encoder",
    "EventLog",
    "Feature",
    "Kind",
    "SearchLog",
    "Vocabulary",
    "day_of_week",
    "declared",
    "hour_of_day",
    "suggested",
]
