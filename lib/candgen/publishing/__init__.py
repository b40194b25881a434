"""A finished sweep where others look for it: MLflow, Weights & Biases, or any storage."""

from candgen.publishing.publish import publish

__all__ = ["publish"]
