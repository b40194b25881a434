"""The second stage: a ranker that orders one pool of candidates from several generators."""
