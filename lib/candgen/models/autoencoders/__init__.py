"""Autoencoders of histories, and MultVAE, the one that learns a distribution of tastes."""

from candgen.models.autoencoders.mult_vae import MultVAE

__all__ = ["MultVAE"]
