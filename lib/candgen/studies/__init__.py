"""Arithmetic and plots that one subject's notebook needs; nothing below imports them."""
