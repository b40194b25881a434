"""The study of sampled negatives: its measures, its report and its plots."""
