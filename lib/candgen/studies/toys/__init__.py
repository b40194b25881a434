"""Embeddings of one and two dimensions on eight invented films."""
