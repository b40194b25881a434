"""Judging candidates: accuracy, measures beyond accuracy, intervals and paired tests.

The module of a name is imported when the name is first asked for: who reads a metric's name loads
no statistics, and a run depends on the measures that it takes and on no other.
"""

from __future__ import annotations

from candgen.on_demand import names_on_demand

_HOMES = {
    "Candidates": "candidates",
    "Judgement": "judgement",
    "ages_of_items": "freshness",
    "best_candidates": "freshness",
    "best_true_relevance": "truth",
    "by_age": "freshness",
    "by_group": "groups",
    "compare": "comparing",
    "exposure_shares": "exposure_by_group",
    "gap_change": "exposure_by_group",
    "gap_of": "exposure_by_group",
    "gap_table": "exposure_by_group",
    "groups_by": "exposure_by_group",
    "groups_by_popularity": "exposure_by_group",
    "judge": "judging",
    "judge_candidates": "judging",
    "judge_file": "judging",
    "known_of": "titles",
    "merit_shares": "exposure_by_group",
    "overlap": "shared_items",
    "policy_values": "off_policy",
    "recall_estimates": "unbiased",
    "relevance_of_lists": "truth",
    "relevance_table": "truth",
    "relevance_tables": "truth",
    "share_among": "freshness",
    "titles_side_by_side": "titles",
    "true_recall": "unbiased",
    "true_relevance": "truth",
    "value_warnings": "off_policy",
    "weighed_recall": "unbiased",
    "why_no_values": "off_policy",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = names_on_demand(__name__, _HOMES)
