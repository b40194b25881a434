"""What towers and content read: columns of tables as numbers, and events in their order."""

from candgen.features.event_log import EventLog
from candgen.features.tables import KINDS, Encoder, Feature, Kind, declared, suggested

__all__ = ["KINDS", "Encoder", "EventLog", "Feature", "Kind", "declared", "suggested"]
