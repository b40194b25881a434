"""Judging candidates: accuracy, what lies beside it, and how sure we are."""

from candgen.evaluation.candidates import Candidates
from candgen.evaluation.comparing import compare
from candgen.evaluation.groups import by_group
from candgen.evaluation.judgement import Judgement
from candgen.evaluation.judging import judge, judge_candidates, judge_file
from candgen.evaluation.overlap import overlap, shared_hits

__all__ = [
    "Candidates",
    "Judgement",
    "by_group",
    "compare",
    "judge",
    "judge_candidates",
    "judge_file",
    "overlap",
    "shared_hits",
]
