"""Kernels for batches: forked from a server that has already imported what takes long to import."""
