"""Judging candidates: accuracy, measures beyond accuracy, intervals and paired tests."""

from candgen.evaluation.candidates import Candidates
from candgen.evaluation.comparing import compare
from candgen.evaluation.exposure_shares import (
    exposure_shares,
    gap_change,
    gap_of,
    gap_table,
    groups_by,
    groups_by_popularity,
    merit_shares,
)
from candgen.evaluation.freshness import ages_of_items, best_candidates, by_age, share_among
from candgen.evaluation.groups import by_group
from candgen.evaluation.judgement import Judgement
from candgen.evaluation.judging import judge, judge_candidates, judge_file
from candgen.evaluation.off_policy import policy_values, value_warnings, why_no_values
from candgen.evaluation.overlap import overlap
from candgen.evaluation.titles import known_of, titles_side_by_side
from candgen.evaluation.truth import (
    best_true_relevance,
    relevance_of_lists,
    relevance_table,
    relevance_tables,
    true_relevance,
)
from candgen.evaluation.unbiased import recall_estimates, true_recall, weighed_recall

__all__ = [
    "Candidates",
    "Judgement",
    "ages_of_items",
    "best_candidates",
    "best_true_relevance",
    "by_age",
    "by_group",
    "compare",
    "exposure_shares",
    "gap_change",
    "gap_of",
    "gap_table",
    "groups_by",
    "groups_by_popularity",
    "judge",
    "judge_candidates",
    "judge_file",
    "known_of",
    "merit_shares",
    "overlap",
    "policy_values",
    "recall_estimates",
    "relevance_of_lists",
    "relevance_table",
    "relevance_tables",
    "share_among",
    "titles_side_by_side",
    "true_recall",
    "true_relevance",
    "value_warnings",
    "weighed_recall",
    "why_no_values",
]
