"""Backtests in a report: the windows of one dataset as one comparison, and its metric over time."""
