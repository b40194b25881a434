"""WALS in blocks of rows over the workers of a cluster, and what that costs."""
