"""Sweeps: plans, fingerprints, kernels, execution, and the report at the end."""
